"""What `knit doctor` asks of the server itself: whether database, store and disk do what they must."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from knit_server.domain.errors import KnitError
from knit_server.persistence import contents, garbage
from knit_server.service.context import Context

SCARCE = 2 << 30
"""Free bytes of the home's disk below which it is warned."""
TOO_LITTLE = 200 << 20
"""Free bytes below which Runs will fail soon."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found about one part: `level` is ok, warn or fail; `advice` is what to do, "" if nothing."""

    name: str
    level: str
    told: str
    advice: str = ""


def checks(ctx: Context) -> list[Check]:
    """Look at each part in turn; what goes wrong with one is told, and the others are still looked at."""
    return [found for name, look in _LOOKS.items() for found in _guarded(name, look, ctx)]


def _guarded(name: str, look: Callable[[Context], Check], ctx: Context) -> Iterator[Check]:
    try:
        yield look(ctx)
    except KnitError as err:
        yield Check(name=name, level="fail", told=err.reason, advice=err.advice or "")


def _database(ctx: Context) -> Check:
    with ctx.db.write():  # that a transaction can be committed is more than that something can be read
        pass
    return Check(name="database", level="ok", told=f"{ctx.db.url.get_backend_name()} takes transactions")


def _store(ctx: Context) -> Check:
    with ctx.db.read() as tx:
        newest = contents.newest_manifest(tx)
        unmapped = garbage.unmapped(tx, "", 1)
        waiting, size = garbage.waiting(tx)
    for _, manifest in unmapped:  # if it cannot be read, no pack is deleted: nobody knows which ones it needs
        ctx.store.manifest(manifest)
    deleted = f"; {waiting} deleted contents, of {size / (1 << 30):.1f} GiB, are kept for a while" if waiting else ""
    if newest is None:
        return Check(name="store", level="ok", told="nothing is stored" + (deleted or " yet"))
    ctx.store.manifest(newest)
    return Check(name="store", level="ok", told="what was stored last can be read" + deleted)


def _disk(ctx: Context) -> Check:
    try:
        usage = shutil.disk_usage(ctx.home)
    except OSError as err:
        return Check(name="disk", level="fail", told=f"{ctx.home}: {err.strerror}", advice="Is the disk there?")
    told = f"{usage.free / (1 << 30):.1f} GiB of {usage.total / (1 << 30):.1f} GiB are free at {ctx.home}"
    level = "fail" if usage.free < TOO_LITTLE else "warn" if usage.free < SCARCE else "ok"
    return Check(name="disk", level=level, told=told, advice="" if level == "ok" else "Make room on that disk.")


_LOOKS: dict[str, Callable[[Context], Check]] = {"database": _database, "store": _store, "disk": _disk}
