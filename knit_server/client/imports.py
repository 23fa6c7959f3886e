"""Imports: files that are put into a folder of the server's machine rather than sent."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knit_server.client.transport import ANSWER, Transport
from knit_server.domain.errors import InvalidInput
from knit_server.wire import shapes
from knit_server.wire.endpoints import JWT


@dataclass(frozen=True, kw_only=True)
class Import:
    """An import that has begun: fill `folder`, which is empty, then send `token` back before `deadline` (seconds)."""

    folder: Path
    knit_id: str
    run_id: str
    deadline: int
    token: str = field(repr=False)


def begin(http: Transport) -> Import:
    """Begin an import; see `KnitClient.import_begin`."""
    with http.stream("import_begin", content=b"", patience=ANSWER) as response:
        token = http.drain(response).decode("ascii", errors="replace")
    claims = _claims(token)
    return Import(
        folder=Path(claims["sub"]), knit_id=claims["knitfab/knitId"], run_id=claims["knitfab/runId"],
        deadline=claims["exp"], token=token,
    )  # fmt: skip


def end(http: Transport, token: str) -> shapes.DataDetail:
    """End an import; see `KnitClient.import_end`."""
    with http.stream("import_end", content=token.encode(), headers={"Content-Type": JWT}, patience=ANSWER) as response:
        found: shapes.DataDetail = http.decode(response.status_code, http.drain(response))
    return found


def _claims(token: str) -> dict[str, Any]:
    """Read what the server's token says; that it is the server's, TLS and the server itself see to."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(claims, dict) and {"sub", "knitfab/knitId", "knitfab/runId", "exp"} <= claims.keys():
            return claims
    except (IndexError, ValueError):
        pass
    raise InvalidInput("the server answered with no token of an import", advice="Is its version that of this client?")
