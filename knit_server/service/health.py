"""How Knit is doing, for people and monitors."""

from __future__ import annotations

from knit_server import __version__
from knit_server.domain import times
from knit_server.persistence import runs
from knit_server.service.context import Context


def health(ctx: Context, status: str = "ok") -> dict[str, object]:
    """Return version, executor, capacity and Runs by status. Asking it proves that the database answers.

    `status` is `ok`, or what of Knit has stopped.
    """
    with ctx.db.read() as tx:
        counts = runs.count_by_status(tx)
    executor, capacity = ctx.executor.describe(), ctx.executor.capacity()
    return {
        "status": status,
        "now": times.format_instant(ctx.now()),
        "version": __version__,
        "home": str(ctx.home),
        "database": ctx.db.url.get_backend_name(),
        "store": ctx.store.url,
        "executor": {
            "name": executor.name,
            "sandbox": executor.sandbox,
            "memoryLimit": executor.memory_limit,
            "cpuLimit": executor.cpu_limit,
            "notes": list(executor.notes),
        },
        "capacity": {"cpu": capacity.cpu, "memory": capacity.memory},
        "runs": counts,
    }
