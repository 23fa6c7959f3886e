"""Push and pull beside `tar`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import limits
import psutil
from serving import server
from tables import Table

MIB = 1 << 20


def transfers() -> Table:
    """256 MiB in one file, half of it compressible, and 10,000 files of 10 KiB."""
    table = Table(
        "Push and pull",
        ("what", "push s", "MiB/s", "server CPU s", "pull -x s", "MiB/s", "`tar c` s", "`tar cz` s", "`tar xz` s"),
        "Through HTTP on loopback, all of it: packing, hashing, storing, committing; pulling verifies every byte.\n"
        "`tar` beside them writes to the page cache and hashes nothing.",
    )  # fmt: skip
    with server() as knit:
        process = psutil.Process(knit.pid)
        for name, source in (("one file of 256 MiB", _big(knit.folder)), ("10,000 x 10 KiB", _small(knit.folder))):
            size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file()) / MIB
            before = sum(process.cpu_times()[:2])
            ids: list[str] = []
            push = limits.timed(lambda: ids.append(knit.client.push(source, ["bench:push"])["knitId"]))  # noqa: B023
            cpu = sum(process.cpu_times()[:2]) - before
            pull = limits.timed(lambda: knit.client.pull(ids[0], knit.folder / f"pulled-{ids[0]}"))  # noqa: B023
            table.add(name, push, size / push, cpu, pull, size / pull, *_tar(source, knit.folder))
    return table


def _tar(source: Path, folder: Path) -> tuple[float, float, float]:
    plain, packed, out = folder / "plain.tar", folder / "packed.tar.gz", folder / f"out-{source.name}"
    out.mkdir()
    write = limits.timed(lambda: subprocess.run(["tar", "cf", plain, "-C", source, "."], check=True))
    zipped = limits.timed(lambda: subprocess.run(["tar", "czf", packed, "-C", source, "."], check=True))
    unzip = limits.timed(lambda: subprocess.run(["tar", "xzf", packed, "-C", out], check=True))
    return write, zipped, unzip


def _big(folder: Path) -> Path:
    source = folder / "big"
    source.mkdir()
    with open(source / "big.bin", "wb") as file:
        for _ in range(128):
            file.write(os.urandom(MIB))
            file.write((b"line of text %d\n" % len(os.urandom(1))) * (MIB // 17))
    return source


def _small(folder: Path) -> Path:
    source = folder / "small"
    for number in range(100):
        below = source / f"{number:03d}"
        below.mkdir(parents=True)
        for each in range(100):
            (below / f"{each:03d}.txt").write_bytes(os.urandom(5 * 1024).hex().encode())
    return source
