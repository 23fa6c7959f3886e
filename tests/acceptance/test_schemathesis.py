"""The API against its own description: requests made up from openapi.json, and answers that must be as it says.

Half a minute in all. Left out are the change stream, which does not end, and building images, which takes a program and
a disk for each request.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks
from server import Server

from knit_server.wire.endpoints import ENDPOINTS

pytestmark = pytest.mark.slow

ENDLESS = {"events"}
COSTLY = {"build_image"}
REQUESTS = 40
"""For each operation."""
LATER = {"run_log", "backend_run_log"}
"""Where 503 is an answer: a Run that has not started has no log yet (spec of Knitfab, 2.3)."""


PLAN = {"image": "none:1", "inputs": [{"path": "/in", "tags": ["a:1"]}], "log": {"tags": ["l:1"]}, "active": False}


def no_defect(ctx: object, response: Any, case: Any) -> None:
    """The server neither fails nor claims to be out of order."""
    expected = response.status_code == 503 and case.operation.definition.raw["operationId"] in LATER
    assert response.status_code < 500 or expected, response.text


CHECKS = [
    no_defect, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]  # fmt: skip


TOKENS = {"import_begin", "backend_import_begin"}
"""Whose answer schemathesis takes for JSON: it counts application/jwt as such."""


def archive(files: dict[str, bytes], mode: str) -> bytes:
    """A tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload] # "w" or "w:gz"
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def archives(mode: str) -> st.SearchStrategy[bytes]:
    """Archives, damaged ones, and what is none."""
    names = st.sampled_from(["f", "d/g", "../h", "/i", "d", "\u00e9", "a b", "-", "manifest.json", "index.json"])
    whole = st.dictionaries(names, st.binary(max_size=50), max_size=4).map(lambda files: archive(files, mode))
    cut = st.tuples(whole, st.integers(0, 300)).map(lambda pair: pair[0][: pair[1]])
    return st.one_of(whole, cut, st.binary(max_size=50))


schemathesis.openapi.media_type("application/tar+gzip", archives("w:gz"))
schemathesis.openapi.media_type("application/x-tar", archives("w"))
schemathesis.openapi.media_type(
    "application/jwt", st.from_regex(rb"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){0,3}", fullmatch=True)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for made-up requests."""
    with Server(tmp_path_factory.mktemp("schemathesis")) as server:
        yield server


@pytest.fixture
def known(server: Server) -> dict[str, list[str]]:
    """Ids that are there: of a Data, of a Plan that is off and a built-in one, of Runs that are done and that wait."""
    pushed = server.request("POST", "/data?tag=a:1", archive({"f": b"x"}, "w:gz"))
    server.request("POST", "/plans", json.dumps(PLAN).encode())  # refused from the second time on
    runs = server.get("/runs")
    return {
        "knitId": [pushed.json["knitId"]],
        "planId": sorted({each["plan"]["planId"] for each in runs}),
        "runId": [each["runId"] for each in runs[-2:]],
    }


@pytest.fixture(scope="module")
def api(server: Server) -> Any:
    """The description as the server gives it."""
    return schemathesis.openapi.from_dict(server.get("/openapi.json"))


@pytest.mark.parametrize("name", [each.name for each in ENDPOINTS if each.name not in ENDLESS | COSTLY])
def test_answers_are_as_described(server: Server, api: Any, known: dict[str, list[str]], name: str) -> None:
    """No request, however odd, makes the server fail, and every answer has the status, media and shape described."""

    @settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=api.find_operation_by_id(name).as_strategy(), chance=st.data())
    def ask(case: Any, chance: st.DataObject) -> None:
        for member in case.path_parameters or {}:
            case.path_parameters[member] = chance.draw(
                st.sampled_from([*known.get(member, []), case.path_parameters[member]])
            )
        if name == "data_files" and chance.draw(st.booleans()):
            case.query = {"path": "f"}
        if name == "apply_plan" and chance.draw(st.booleans()):
            case.body = PLAN | {"args": chance.draw(st.lists(st.text(max_size=3), max_size=2))}
        case.call_and_validate(
            base_url=server.profile["apiRoot"], timeout=20,
            checks=[each for each in CHECKS if name not in TOKENS or each is not checks.response_schema_conformance],
            headers={"Authorization": f"token {server.profile['token']}"},
        )  # fmt: skip

    ask()
