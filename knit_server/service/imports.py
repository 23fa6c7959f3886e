"""Use cases about imports: Data that programs of this machine put into a folder, rather than send.

`begin` makes an empty folder and a token, `end` takes the token; then the scheduler stores the folder as it stores
what a program has made. The one door to PyJWT. Rules: docs/data-import.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt

from knit_server.content.door import translated
from knit_server.domain import runs as edges
from knit_server.domain.data import Data
from knit_server.domain.errors import Conflict, InvalidInput, KnitError, NotFound, Untrusted
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.plans import IMPORT_PATH, IMPORTED
from knit_server.domain.runs import Run, Status
from knit_server.domain.views import DataView
from knit_server.executors.base import AttemptId
from knit_server.persistence import data, keys, leases, runs
from knit_server.persistence.keys import SigningKey
from knit_server.persistence.runs import Lease
from knit_server.service import data as data_service
from knit_server.service import projection, views
from knit_server.service.context import Context
from knit_server.service.signals import FINISH

TIME = 30 * 60_000
"""Milliseconds between begin and end, at most (Knitfab's)."""
KEY_TIME = 3 * 3600_000
"""Milliseconds that a signing key is used (Knitfab's)."""
KEY_BYTES = 256
ALGORITHM = "HS256"

KNIT_ID = "knitfab/knitId"
RUN_ID = "knitfab/runId"

_ATTEMPT = 1


@dataclass(frozen=True, kw_only=True)
class _Claims:
    knit_id: str
    run_id: str


def begin(ctx: Context) -> str:
    """Make a Run of `knit#imported` and the empty folder of its Data; return the token that ends it.

    The token's `sub` is the folder. Raises `OutOfSpace` or `Unavailable`.
    """
    now = ctx.now()
    until = now + TIME
    run_id, knit_id = RunId(ctx.new_id()), KnitId(ctx.new_id())
    with ctx.db.write() as tx:
        plan_id = data_service.built_in_plan(ctx, tx, IMPORTED)
        cause = projection.open_cause(ctx, tx, "import", knit_id)
        run = Run(
            run_id=run_id, plan_id=plan_id, key=f"import:{run_id}", status=Status.RUNNING, updated_at=now,
            attempt=_ATTEMPT, cause=cause.id,
        )  # fmt: skip
        runs.insert(tx, [run], now, Lease(owner=None, until=until))  # nobody's, so it outlives every server
        data.insert(tx, [Data(knit_id=knit_id, tags=(), run_id=run_id, path=IMPORT_PATH, status=run.status)], now)
        key = keys.lasting(tx, until)
        if key is None:
            key = SigningKey(key_id=ctx.new_id(), secret=secrets.token_bytes(KEY_BYTES), expires_at=now + KEY_TIME)
            keys.insert(tx, key, now)
    try:
        with translated("making the folder of an import"):
            folder(ctx, run_id).mkdir(parents=True)
    except KnitError as err:
        data_service.fail_upload(ctx, run_id, err.reason)
        raise
    claims = {
        "jti": ctx.new_id(), "sub": str(folder(ctx, run_id)), "exp": until // 1000, KNIT_ID: knit_id, RUN_ID: run_id,
    }  # fmt: skip
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"kid": key.key_id})


def end(ctx: Context, token: str) -> DataView:
    """Let the folder of an import become its Data; returns the Data as it stood before. May be repeated at once.

    Raises `Untrusted` (no token of ours, or too late), `InvalidInput` (the folder is not there) or `Conflict` (the
    import is over).
    """
    claims = _trusted(ctx, token)
    with ctx.db.write() as tx:
        try:
            run = runs.lock(tx, claims.run_id)
            view = views.data_views(tx, [data.get(tx, claims.knit_id)])[0]
        except NotFound as err:
            raise Conflict(f"the import is gone: {err.reason}", advice="It was deleted; begin another.") from err
        if run.status is Status.COMPLETING:
            return view
        if run.status is not Status.RUNNING:
            raise Conflict(
                f"the import is over: its Run {run.run_id} is {run.status.value}",
                advice=f"See the Run (knit run show {run.run_id}); to import more, begin another.",
            )
        _refuse_absent(folder(ctx, run.run_id))
        runs.move(tx, run, edges.complete(run, ctx.now()))
        leases.drop(tx, [run.run_id])
        tx.announce(FINISH)
    return view


def folder(ctx: Context, run_id: str) -> Path:
    """Return where the files of an import belong: where a program's output lies, too."""
    return ctx.folder(AttemptId(RunId(run_id), _ATTEMPT)).output(0)


def _refuse_absent(place: Path) -> None:
    """Raise `InvalidInput` unless the folder is there; a link to another one does not count."""
    if place.is_symlink() or not place.is_dir():
        raise InvalidInput(
            "the folder of this import is not on this server",
            advice="Send the token to the server that began the import, when the folder is there (it is `sub` of the "
            "token); then try again.",
        )


def _trusted(ctx: Context, token: str) -> _Claims:
    """Return what a token claims. Raises `Untrusted` if it is not one of ours, or its time is over."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        with ctx.db.read() as tx:
            key = keys.named(tx, key_id, ctx.now()) if isinstance(key_id, str) else None
        if key is None:
            raise Untrusted("the token is signed with a key that this server does not have", advice=_AGAIN)
        options = {"require": ["exp", "jti", "sub"], "verify_exp": False}  # by our own clock, below
        found = jwt.decode(token, key.secret, algorithms=[ALGORITHM], options=options)  # type: ignore[arg-type]
    except jwt.PyJWTError as err:
        raise Untrusted(f"this is no token of an import: {err}", advice=_AGAIN) from err
    if not isinstance(found["exp"], int) or found["exp"] * 1000 <= ctx.now():
        raise Untrusted(f"the time of the token is over: an import lasts {TIME // 60_000} minutes", advice=_AGAIN)
    return _Claims(knit_id=_text(found, KNIT_ID), run_id=_text(found, RUN_ID))


_AGAIN = "Begin another import, and send the token that it gives as it is."


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise Untrusted(f"the token lacks {name}", advice=_AGAIN)
    return value
