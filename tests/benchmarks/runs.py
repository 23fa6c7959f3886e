"""Chains and fans of Runs whose program does nothing: what the engine itself costs."""

from __future__ import annotations

import shutil
from pathlib import Path

import limits
import psutil
from serving import Server, server
from tables import Table

from knit_server.domain.times import parse_instant

IMAGE = "bench/noop:1"


def chains() -> Table:
    """Chains of 20 and 100 Runs: each is started by the end of the one before."""
    table = Table(
        "Chain of no-op Runs",
        ("what", "ms per Run", "x the durable limit", "x the sandbox", "server CPU ms per Run"),
        "From the end of the push to the end of the last Run, by the server's own clock. The durable limit is\n"
        "starting `true` plus two fsyncs; the sandbox is bubblewrap starting `true` and nothing else.",
    )
    for length in (20, 100):
        with server() as knit:
            image(knit)
            for link in range(length):
                knit.client.apply_plan(plan(f"link:{link}", f"link:{link + 1}"))
            milliseconds, cpu = _measure(knit, "link:0", length)
        limit, sandbox = limits.durable_task(), _sandbox()
        table.add(f"durable limit beside {length}", limit, 1.0, limit / sandbox if sandbox else "-", "-")
        if sandbox:
            table.add(f"sandbox beside {length}", sandbox, sandbox / limit, 1.0, "-")
        per_run = milliseconds / length
        table.add(f"chain of {length}", per_run, per_run / limit, per_run / sandbox if sandbox else "-", cpu / length)
    return table


def fan() -> Table:
    """200 Runs from one push, as many at a time as there are cores."""
    table = Table("Fan of 200 no-op Runs", ("what", "seconds", "ms per Run", "server CPU ms per Run"))
    with server() as knit:
        image(knit)
        for number in range(200):
            knit.client.apply_plan(plan("fan:in", f"fan:{number}"))
        milliseconds, cpu = _measure(knit, "fan:in", 200)
    table.add("fan of 200", milliseconds / 1000, milliseconds / 200, cpu / 200)
    limit = limits.durable_task()
    table.add("durable limit, one after another", limit * 200 / 1000, limit, "-")
    return table


def _sandbox() -> float:
    return limits.sandbox_start() if shutil.which("bwrap") else 0.0


def image(knit: Server) -> None:
    """Build the image whose program does nothing."""
    context = knit.folder / "image"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM python:3\nCMD ['true']\n".replace("'", '"'))
    knit.client.build_image(context, IMAGE)


def plan(asks: str, gives: str) -> dict[str, object]:
    """Return a Plan of that image, from one tag to another."""
    return {
        "image": IMAGE,
        "inputs": [{"path": "/in", "tags": [asks]}],
        "outputs": [{"path": "/out", "tags": [gives]}],
    }


def _measure(knit: Server, tag: str, count: int) -> tuple[float, float]:
    """Push a small folder with `tag`; return wall milliseconds until `count` Runs are done, and the server's CPU."""
    source = knit.folder / "push"
    source.mkdir()
    (Path(source) / "file.txt").write_text("x")
    process = psutil.Process(knit.pid)
    before = sum(process.cpu_times()[:2])
    pushed = knit.client.push(source, [tag])
    done = 0
    for event in knit.client.events(after=0):
        done += event.kind == "run" and event.data.get("status") in ("done", "failed")
        if done == count + 1:  # the upload is a Run too
            break
    cpu = sum(process.cpu_times()[:2]) - before
    found = knit.client.find_runs()
    assert [run["status"] for run in found] == ["done"] * (count + 1)
    begun = parse_instant(pushed["upstream"]["run"]["updatedAt"])
    return parse_instant(found[-1]["updatedAt"]) - begun, cpu * 1000
