"""Measure what the docs state in figures: `make bench` writes docs/benchmarks.md.

Every figure stands beside its physical limit (or `tar`), measured in the same minute on the same machine. Words on the
command line choose parts: chain, fan, transfer, lag, monitor, graphs, cli.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import command_line
import event_loop
import graphs
import runs
import transfer
import widgets_live
from tables import Table

ROOT = Path(__file__).parents[2]
PARTS: dict[str, Callable[[], Table]] = {
    "chain": runs.chains,
    "fan": runs.fan,
    "transfer": transfer.transfers,
    "lag": event_loop.lag,
    "monitor": widgets_live.monitored,
    "graphs": graphs.opening,
    "cli": command_line.start,
}


def main(words: list[str]) -> int:
    """Measure the parts named by `words`, or all and write them down."""
    unknown = set(words) - PARTS.keys()
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    tables = []
    for name in words or PARTS:
        print(f"measuring {name} ...", file=sys.stderr)
        tables.append(PARTS[name]())
        print(tables[-1].text(), file=sys.stderr)
    if not words:
        (ROOT / "docs" / "benchmarks.md").write_text(_page(tables), encoding="utf-8")
        print("docs/benchmarks.md is written", file=sys.stderr)
    return 0


def _page(tables: list[Table]) -> str:
    when = time.strftime("%Y-%m-%d", time.gmtime())
    load = os.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    head = (
        "# What was measured\n\n"
        f"Written by `make bench` on {when}: {machine}, load {load:.1f} at the end. Wall times of one machine:\n"
        "read the ratios, which were taken in the same minute, and measure again on yours.\n"
    )
    return "\n".join([head, *(table.markdown() for table in tables)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
