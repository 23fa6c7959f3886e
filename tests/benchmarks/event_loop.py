"""How long Jupyter's event loop is held up while a large push comes in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import httpx
from serving import server
from tables import Table


def lag() -> Table:
    """Ask `/health` all the time during a push of 512 MiB; what it takes beyond the quiet time is the loop's lag."""
    table = Table(
        "Answers while a push comes in",
        ("what", "median ms", "99th percentile ms", "worst ms"),
        "`GET /health`, one after another on one connection, first on a quiet server, then during a push of 512 MiB.",
    )
    with server() as knit, httpx.Client(headers={"Authorization": f"token {knit.token}"}) as http:
        source = knit.folder / "push"
        source.mkdir()
        with open(source / "big.bin", "wb") as file:
            for _ in range(512):
                file.write(os.urandom(1 << 20))
        table.add("quiet", *_summary(_ask(http, knit.url, lambda count: count < 300)))
        push = threading.Thread(target=lambda: knit.client.push(source, ["bench:lag"]))
        push.start()
        table.add("during a push", *_summary(_ask(http, knit.url, lambda count: push.is_alive())))
        push.join()
    return table


def _ask(http: httpx.Client, url: str, go_on: Callable[[int], bool]) -> list[float]:
    taken: list[float] = []
    while go_on(len(taken)):
        begun = time.perf_counter()
        http.get(f"{url}/health").raise_for_status()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def _summary(taken: list[float]) -> tuple[float, float, float]:
    ordered = sorted(taken)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]
