"""Ids by how they begin, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from desk import Desk, counted

from knit_server.domain.runs import Status
from knit_server.persistence import tables
from knit_server.service import resolve, runs
from knit_server.service.resolve import Candidate
from knit_server.service.runs import RunQuery


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A Plan, a Data that fits it and its Run, and some more Data."""
    desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    for text in ("a:1", "c:1", "c:2", "c:3"):
        desk.push(text, "x:y")
    return desk


def everything(desk: Desk) -> list[Candidate]:
    return resolve.resolve(desk.ctx, "", limit=100)


def test_whatever_begins_so(filled: Desk) -> None:
    """A beginning finds exactly those that begin with it, of each kind, in order, in either case."""
    known = everything(filled)
    assert {each.kind for each in known} == {"data", "plan", "run"}
    for each in known:
        for length in (1, 4, 8, 9, 14, 36):
            prefix = each.id[:length]
            expected = {(other.kind, other.id) for other in known if other.id.startswith(prefix)}
            found = resolve.resolve(filled.ctx, prefix.upper(), limit=100)
            assert {(other.kind, other.id) for other in found} == expected
            assert [other.id for other in found if other.kind == "data"] == sorted(
                other.id for other in found if other.kind == "data"
            )
        assert [each] == resolve.resolve(filled.ctx, each.id, [each.kind])


def test_kinds_and_limit(filled: Desk) -> None:
    """Only the kinds asked for, and no more of each than asked for; without a beginning, the newest first."""
    newest = filled.push("newest:1")
    assert {each.kind for each in resolve.resolve(filled.ctx, "", ["run"])} == {"run"}
    found = resolve.resolve(filled.ctx, "", ["data"], limit=2)
    assert len(found) == 2
    assert found[0] == Candidate(kind="data", id=newest, about="newest:1")
    assert resolve.resolve(filled.ctx, "", limit=-1) == []


@pytest.mark.parametrize("prefix", ["zz", "%", "_", "\0", "'", "é", "a" * 500])
def test_what_cannot_begin_an_id(filled: Desk, prefix: str) -> None:
    """Users may ask for anything; it finds nothing."""
    assert resolve.resolve(filled.ctx, prefix) == []


def test_what_they_are(filled: Desk) -> None:
    """Data are told by tags and state, Plans by image, Runs by status and image; never at length."""
    about = {each.kind: each.about for each in everything(filled) if "image:0" in each.about or "b:1" in each.about}
    assert about == {"data": "(processing) b:1", "plan": "image:0", "run": "waiting image:0"}
    long = filled.push("long:" + "x" * 500)
    assert len(resolve.resolve(filled.ctx, long)[0].about) == resolve.LONGEST


def test_deleted_runs_are_not_found(filled: Desk) -> None:
    """Runs that no list shows have no short ids either."""
    (run,) = [each.run for each in runs.find(filled.ctx, RunQuery()) if each.plan.name is None]
    assert len(resolve.resolve(filled.ctx, run.run_id[:8], ["run"])) == 1
    with filled.ctx.db.write() as tx:
        gone = sa.update(tables.run).where(tables.run.c.run_id == run.run_id)
        tx.execute(gone.values(status=Status.INVALIDATED.value))
    assert resolve.resolve(filled.ctx, run.run_id[:8], ["run"]) == []


def test_cost(filled: Desk) -> None:
    """Few statements, however much is found."""
    with counted() as statements:
        resolve.resolve(filled.ctx, "", limit=100)
    assert len(statements) <= 9
