"""A client of Knitfab, unmodified: it sends no token, and its requests are shaped as its command line shapes them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from knitfab import Knitfab, archive
from server import Server, refused

PLAN = {
    "image": "knitfab/unknown:v1",
    "inputs": [{"path": "/in", "tags": ["type:raw", {"key": "mode", "value": "train"}]}],
    "outputs": [{"path": "/out", "tags": ["type:made"]}],
    "log": {"tags": ["type:log"]},
    "active": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server without token for all tests here."""
    with Server(tmp_path_factory.mktemp("knitfab"), "--anonymous-loopback") as server:
        yield server


@pytest.fixture
def knitfab(server: Server) -> Knitfab:
    """Such a client; its `apiRoot` is that of the profile."""
    return Knitfab(server.profile["apiRoot"])


def test_from_push_to_tag(server: Server, knitfab: Knitfab) -> None:
    """Push with a trailer, tags as objects, find, pull with a trailer, Plans, Runs, errors (scenarios 76, 84)."""
    body = archive(hello="world")
    pushed = knitfab.push(body, hashlib.md5(body).hexdigest())
    assert pushed.status == 200, pushed
    knit_id = pushed.json["knitId"]
    assert knitfab.push(body, "0" * 32).status == 400

    change = {
        "add": [{"key": "type", "value": "raw"}, {"key": "mode", "value": "train"}],
        "remove": [],
        "remove_key": [],
    }
    tagged = knitfab.json("PUT", f"/data/{knit_id}/", change)
    assert {"type:raw", "mode:train"} <= set(tagged["tags"])
    assert knitfab.json("PUT", f"/data/{knit_id}", {"add": None, "remove": None})["tags"] == tagged["tags"]
    (found,) = knitfab.json("GET", f"/data?tag={quote('type:raw')}&tag={quote(f'knit#id:{knit_id}')}")
    assert found == tagged

    for path in (f"/data/{knit_id}", f"/backend/data/{knit_id}"):
        pulled = knitfab.send("GET", path)
        assert (pulled.status, pulled.headers["Content-Type"]) == (200, "application/tar+gzip")
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(pulled.body))) as tar:
            member = tar.extractfile("hello")
            assert member is not None
            assert member.read() == b"world"

    plan = knitfab.json("POST", "/plans", PLAN)
    assert knitfab.json("GET", f"/plans/{plan['planId']}/") == plan
    again = knitfab.send("POST", "/plans", json.dumps(PLAN).encode(), {"Content-Type": "application/json"})
    assert again.status == 409
    assert isinstance(again.json["message"], str)
    assert [each["planId"] for each in knitfab.json("GET", "/plans?active=false&in_tag=type:raw")] == [plan["planId"]]
    (run,) = knitfab.json("GET", f"/runs?plan={plan['planId']}&status=deactivated,waiting")
    assert run["inputs"] == [{"path": "/in", "tags": ["mode:train", "type:raw"], "knitId": knit_id}]
    assert knitfab.send("GET", f"/runs/{run['runId']}/log").status == 503
    assert knitfab.send("GET", f"/backend/runs/{run['runId']}/log?follow").status == 503
    assert knitfab.json("PUT", f"/plans/{plan['planId']}/active")["active"] is True
    assert knitfab.json("DELETE", f"/plans/{plan['planId']}/active")["active"] is False
    assert "token" not in server.profile
    assert "warning: no token is asked for" in server.log.read_text()


def test_our_own_command(server: Server, tmp_path: Path) -> None:
    """`knit` works with the profile that has no token, and takes lists in pages."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    made = [server.push(tmp_path / "a", f"page:{number}", "all:pages")["knitId"] for number in range(5)]
    for most in (1, 3, 9):
        found = server.ask("data", "find", "-t", "all:pages", "--limit", str(most))
        assert [each["knitId"] for each in found] == made[:most]
    assert len(server.ask("run", "find", "--limit", "2")) == 2
    assert len(server.ask("plan", "find", "--limit", "1")) == 1
    first = server.request("GET", "/data?limit=2&tag=all:pages", token="")
    assert [each["knitId"] for each in first.json] == made[:2]
    rest = urlsplit(first.headers["Link"].partition(">")[0].removeprefix("<"))
    second = server.request("GET", f"/data?{rest.query}", token="")
    assert [each["knitId"] for each in second.json] == made[2:4]
    assert refused(server.knit("data", "find", "--limit", "0"), "--limit", code=2)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Host": "evil.example"}, {"Host": "localhost:1"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/data"), ("POST", "/data"), ("PUT", "/plans/x/active")])
def test_pages_stay_out(knitfab: Knitfab, headers: dict[str, str], method: str, path: str) -> None:
    """What a browser sends for a web page, or for a name bound to the loopback, is refused, with a reason."""
    answer = knitfab.send(method, path, None, headers)
    assert answer.status == 403
    assert answer.json["reason"].startswith("this server asks for no token, so it ")


def test_only_on_the_loopback(server: Server) -> None:
    """Without token, a server listens nowhere else."""
    done = server.knit("serve", "--home", str(server.folder / "other"), "--anonymous-loopback", "--host", "0.0.0.0")
    refused(done, "--anonymous-loopback needs a --host of the loopback", code=2)
