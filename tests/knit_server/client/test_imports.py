"""Imports through the client: what a token says, and what is sent back."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "knit_cli"))

from double import Double, detail

from knit_server.client.api import KnitClient
from knit_server.domain.errors import InvalidInput

CLAIMS = {"sub": "/home/of/knit/runs/r-1/out/0", "exp": 17, "knitfab/knitId": "k", "knitfab/runId": "r", "jti": "j"}


def token(claims: object) -> bytes:
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b"{}", json.dumps(claims).encode(), b"s"))


def test_begin_and_end(server: Double, knit: KnitClient) -> None:
    """The token is read for the folder and sent back as it came."""
    server.on("POST /data/import/begin", token(CLAIMS))
    begun = knit.import_begin()
    assert (begun.folder, begun.deadline) == (Path("/home/of/knit/runs/r-1/out/0"), 17)
    assert (begun.knit_id, begun.run_id) == ("k", "r")
    server.on("POST /data/import/end", detail("k"))
    assert knit.import_end(begun.token)["knitId"] == "k"
    assert server.last.body == token(CLAIMS)
    assert server.last.headers["Content-Type"] == "application/jwt"


@pytest.mark.parametrize(
    "answer", [b"", b"x", b"a.b.c", b"a.!.c", token([]), token({**CLAIMS, "sub": 1} | {"x": 1})[:9]]
)
def test_what_is_no_token(server: Double, knit: KnitClient, answer: bytes) -> None:
    """Any other answer is told as such."""
    server.on("POST /data/import/begin", answer)
    with pytest.raises(InvalidInput, match="the server answered with no token of an import"):
        knit.import_begin()
