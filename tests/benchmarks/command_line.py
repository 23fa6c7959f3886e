"""How long the `knit` command takes to say anything, a notebook to import Knit, and the server to be ready."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import limits
from serving import server
from tables import Table

_CONNECT = "from knit_lab import connect; import httpx"


def start() -> Table:
    """Cold starts of whole processes."""
    table = Table("Starting", ("what", "median ms"))
    for words in (("--help",), ("data", "push", "--help"), ("version",)):
        table.add(f"`knit {' '.join(words)}`", _median([f"{sys.prefix}/bin/knit", *words]))
    table.add("`import knit_lab`", _median([sys.executable, "-c", "import knit_lab"]))
    table.add("`import knit_lab`, and what `connect` needs", _median([sys.executable, "-c", _CONNECT]))
    table.add("`python -c pass`, beside them", _median([sys.executable, "-c", "pass"]))
    ready = []
    for _ in range(3):
        begun = time.perf_counter()
        with server():
            ready.append((time.perf_counter() - begun) * 1000)
    table.add("`knit serve` until ready, fresh home", statistics.median(ready))
    return table


def _median(command: list[str]) -> float:
    taken = [limits.timed(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(15)]
    return statistics.median(taken) * 1000
