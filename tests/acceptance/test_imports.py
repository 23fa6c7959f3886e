"""Imports on a real server: begun, filled by hand, ended; over a kill of the server too (scenario 80)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, until

from knit_server.client.api import KnitClient
from knit_server.client.imports import Import
from knit_server.domain.errors import Conflict, InvalidInput

JWT = {"Content-Type": "application/jwt"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(server: Server) -> Iterator[KnitClient]:
    with KnitClient(server.profile["apiRoot"], server.profile["token"]) as opened:
        yield opened


def claims(token: bytes) -> Any:
    part = token.split(b".")[1]
    return json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))


def await_done(server: Server, begun: Import) -> None:
    until("the import is done", lambda: server.get(f"/runs/{begun.run_id}")["status"] == "done")


def test_scenario_80_through_the_client(server: Server, client: KnitClient, tmp_path: Path) -> None:
    """A folder becomes a Data that can be pulled, shows its lineage, and can be asked about (scenario 80)."""
    begun = client.import_begin()
    assert begun.token not in repr(begun)
    assert "folder is being filled" in server.knit("why", begun.run_id).stdout
    (begun.folder / "deep").mkdir()
    (begun.folder / "deep" / "a.txt").write_text("A")
    told = client.import_end(begun.token)
    assert told["knitId"] == begun.knit_id
    assert told["upstream"]["run"]["status"] == "running"
    assert told["upstream"]["run"]["plan"]["name"] == "knit#imported"
    assert told["upstream"]["mountpoint"]["path"] == "/imported"
    await_done(server, begun)
    with pytest.raises(Conflict, match="is over"):
        client.import_end(begun.token)
    until("the folder goes", lambda: not begun.folder.exists())
    assert server.knit("data", "pull", "-x", begun.knit_id, str(tmp_path / "out")).returncode == 0
    assert [path.read_text() for path in (tmp_path / "out").rglob("a.txt")] == ["A"]
    assert "knit#imported" in server.knit("data", "lineage", begun.knit_id).stdout
    assert server.knit("why", begun.knit_id).returncode == 0


@pytest.mark.parametrize("root", ["/backend/data/import", "/data/import"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_scenario_80_over_http(server: Server, root: str, slash: str) -> None:
    """Both spellings, with and without a slash: status and media types are the documented ones (scenario 80)."""
    begun = server.request("POST", f"{root}/begin{slash}")
    assert (begun.status, begun.headers["Content-Type"]) == (200, "application/jwt")
    end = f"{root}/end{slash}"
    for kind in ("text/plain", "application/json", ""):
        refused = server.request("POST", end, begun.body, {"Content-Type": kind})
        assert (refused.status, refused.json["reason"]) == (400, "the body is not said to be a token")
    assert server.request("POST", end, begun.body).status == 400
    for forged in (b"", b"x", b"\xff", begun.body[:-8] + b"AAAAAAAA"):
        answer = server.request("POST", end, forged, JWT)
        assert (answer.status, sorted(answer.json)) == (401, ["advice", "message", "reason"])
    Path(claims(begun.body)["sub"]).rmdir()
    absent = server.request("POST", end, begun.body, JWT)
    assert absent.status == 400
    assert "try again" in absent.json["advice"]
    Path(claims(begun.body)["sub"]).mkdir()
    ended = server.request("POST", end, begun.body, {"Content-Type": "application/jwt; charset=us-ascii"})
    assert ended.status == 200
    assert server.request("POST", end, begun.body, JWT, token="wrong").status == 403


def test_over_a_kill(server: Server, client: KnitClient) -> None:
    """A server that is killed between begin and end, and right after end, loses nothing."""
    begun = client.import_begin()
    (begun.folder / "a.txt").write_text("A" * 1_000_000)
    server.kill()
    server.start()
    with KnitClient(server.profile["apiRoot"], server.profile["token"]) as again:
        assert server.get(f"/runs/{begun.run_id}")["status"] == "running"
        again.import_end(begun.token)
    server.kill()
    server.start()
    await_done(server, begun)
    assert server.get(f"/data/{begun.knit_id}/details")["size"] == 1_000_000


def test_tokens_of_another_server(server: Server, client: KnitClient, tmp_path: Path) -> None:
    """A token of another Knit is not taken."""
    begun = client.import_begin()
    with (
        Server(tmp_path / "other") as other,
        KnitClient(other.profile["apiRoot"], other.profile["token"]) as stranger,
        pytest.raises(InvalidInput, match="key that this server does not have"),
    ):
        stranger.import_end(begun.token)
