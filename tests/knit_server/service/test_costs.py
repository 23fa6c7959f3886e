"""What a use case costs does not depend on how much is stored: so many statements, no table read from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk, Statements, counted

from knit_server.domain import times
from knit_server.domain.runs import Status
from knit_server.persistence import causes, contents, events, leases, nominations
from knit_server.persistence import runs as rows
from knit_server.persistence.runs import Lease
from knit_server.service import data, health, lifecycle, lineage, runs
from knit_server.service import events as event_service
from knit_server.service.data import DataQuery
from knit_server.service.runs import RunQuery
from knit_server.testing import some_tags, temp_knit


def statements(act: Callable[[], object]) -> int:
    with counted() as found:
        act()
    return len(found)


def measured(desk: Desk, mark: str) -> dict[str, int]:
    """Count the statements of each use case around one Plan and its Data, which carry `mark`."""
    a, b, c = f"a:{mark}", f"b:{mark}", f"c:{mark}"
    plan = desk.apply({"/a": f"{a} any:1", "/b": b}, {"/out": c}, log=("log:1",))
    other = desk.push(b, "any:1")
    found = {"push alone": statements(lambda: desk.push(f"alone:{mark}"))}
    found["push"] = statements(lambda: desk.push(a, "any:1"))
    found["retag"] = statements(lambda: desk.tag(other, f"more:{mark}"))
    works = []
    found["claim"] = statements(lambda: works.extend(lifecycle.claim(desk.ctx, lambda needs: True)))
    (work,) = works
    assert work.plan.plan_id == plan.plan.plan_id
    found["finish"] = statements(lambda: desk.end(work))
    found["apply"] = statements(lambda: desk.apply({"/x": a, "/y": b, "/z": f"never:{mark}"}))
    found["show"] = statements(lambda: data.show(desk.ctx, other))
    found["find"] = statements(lambda: desk.find(b, "any:1"))
    found["lineage"] = statements(lambda: lineage.data_lineage(desk.ctx, work.made[0].knit_id, None, None))
    found["runs"] = statements(lambda: desk.runs(plan))
    return found


def test_statements_do_not_grow(desk: Desk) -> None:
    """Every use case takes as many statements beside a hundred Runs and Data as beside none."""
    before = measured(desk, "before")
    for number in range(3):
        desk.apply({"/in": f"old:{number} any:1"}, {"/out": "made:1"}, log=("log:1",))
    for number in range(30):
        desk.push("any:1", f"old:{number % 3}", f"n:{number}")
    assert desk.settle() == 30
    after = measured(desk, "after")
    assert {name: (before[name], count) for name, count in after.items() if count > before[name]} == {}


def test_statements_are_few(desk: Desk) -> None:
    """So many round trips a use case may take; raise these numbers only with a reason."""
    bounds = {"push alone": 40, "push": 55, "retag": 26, "claim": 15, "finish": 40, "apply": 32, "show": 8, "find": 12,
              "lineage": 24, "runs": 7}  # fmt: skip
    found = measured(desk, "x")
    assert {name: count for name, count in found.items() if count > bounds[name]} == {}


def test_many_runs_in_few_statements(desk: Desk) -> None:
    """A Plan that fits a hundred Data makes its Runs together."""
    for number in range(100):
        desk.push("a:1", f"n:{number}")
    few = statements(lambda: desk.apply({"/in": "n:7"}, {"/out": "c:1"}))
    many = statements(lambda: desk.apply({"/in": "a:1"}, {"/out": "c:1"}))
    assert many <= few + 4
    runs_before = len(runs.find(desk.ctx, RunQuery()))
    desk.apply({"/l": "a:1", "/r": "n:7"}, {"/out": "c:1"})
    assert len(runs.find(desk.ctx, RunQuery())) == runs_before + 100


# --- how SQLite looks things up ---------------------------------------------------------------------------------------

LARGE = (
    "data", "run", "data_tag", "tag", "nomination", "run_input", "decision", "cause", "event", "content", "chunk",
    "pack",
)  # fmt: skip
"""Tables that grow without end: reading one of them whole takes ever longer."""


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Desk:
    """A Knit on SQLite with a little in it."""
    with temp_knit(tmp_path / "home") as ctx:
        yield Desk(ctx, tmp_path)  # type: ignore[misc]


def scans(found: Statements, path: Path) -> list[str]:
    """Return which large tables SQLite would read whole for these statements."""
    connection = sqlite3.connect(path)
    told = []
    for text, parameters in found.texts:
        if text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters or ()):  # type: ignore[arg-type]
                match = re.match(r"SCAN (\w+)", detail)
                if match and match[1] in LARGE and "ix_nomination_pending" not in detail:  # it holds what is owed only
                    told.append(f"{detail}: {' '.join(text.split())}")
    connection.close()
    return told


def test_no_large_table_is_read_whole(sqlite_desk: Desk) -> None:
    """Every lookup on the way of a push, a Run, a tag edit or a question goes through an index."""
    desk, ctx = sqlite_desk, sqlite_desk.ctx
    with counted() as found:
        measured(desk, "x")
        (knit_id,) = desk.find("alone:x")
        when = times.format_instant(data.show(ctx, knit_id).data.timestamp or 0)
        for query in (
            DataQuery(tags=some_tags("b:x", "any:1"), since=1, until=2),
            DataQuery(since=1, until=2),
            DataQuery(since=1),
            DataQuery(tags=some_tags("knit#transient:failed")),
            DataQuery(tags=some_tags("knit#transient:failed", "b:x")),
            DataQuery(tags=some_tags(f"knit#timestamp:{when}", "any:1")),
            DataQuery(tags=some_tags(f"knit#id:{knit_id}", "any:1")),
        ):
            data.find(ctx, query)
        data.details(ctx, knit_id)
        for run_query in (
            RunQuery(inputs=(knit_id,)), RunQuery(outputs=(knit_id,)), RunQuery(statuses=(Status.WAITING,)),
            RunQuery(since=1, until=2), RunQuery(plans=("p",), statuses=(Status.DONE, Status.FAILED)),
        ):  # fmt: skip
            runs.find(ctx, run_query)
        event_service.since(ctx, 1)
        lifecycle.take_over(ctx, lambda needs: True)
        lifecycle.claim(ctx, lambda needs: True, held=True)
        with ctx.db.write() as tx:
            causes.about(tx, plan_id="p")
            contents.places(tx, ["c"])
            contents.known_packs(tx, ["p"])
            contents.known_manifests(tx, ["m"])
            nominations.pending(tx, 10)
            leases.renew(tx, ["r"], Lease(owner="o", until=1))
            rows.known_keys(tx, ["k"])
            rows.move_plan(tx, "p", Status.WAITING, Status.DEACTIVATED, 1)
            events.trim(tx, 10)
            causes.trim(tx, 10)
    assert set(scans(found, ctx.home / "knit.db")) == set()


def test_counting_runs_reads_an_index_only(sqlite_desk: Desk) -> None:
    """Health counts Runs by status without looking at the Runs."""
    with counted() as found:
        health.health(sqlite_desk.ctx)
    assert all("COVERING INDEX" in each for each in scans(found, sqlite_desk.ctx.home / "knit.db"))
