"""Lists: sequences that show themselves as tables and become DataFrames, with pandas or without."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.domain.errors import NotFound, Unsupported


def test_a_listing_is_a_sequence(session: Session, case: str) -> None:
    """Length, items, slices, iteration; the latest is the last one."""
    three = [session.push({"n": str(number)}, [case]) for number in range(3)]
    found = session.find(case)
    assert len(found) == 3
    assert found[0] == three[0]
    assert found[-1] == found.latest == three[2]
    assert list(found[1:]) == three[1:]
    assert "2 Data" in found[1:].as_text()
    assert three[1] in found


def test_an_empty_listing(session: Session, case: str) -> None:
    """It is false, says that there is nothing, and keeps its columns."""
    found = session.find(case)
    assert not found
    assert "0 Data" in found.as_text()
    assert list(found.df.columns) == ["id", "tags", "time", "state"]
    with pytest.raises(NotFound, match=r"there are no Data here\nAsk with fewer tags"):
        _ = found.latest


def test_df(session: Session, ran: Callable[..., Run], case: str) -> None:
    """A row for each, plain values in it: whole ids, times with a zone, tags as a tuple."""
    run = ran({"a.txt": "a"})
    data = session.find(case).df
    assert data.loc[0, "id"] == session.data[case].id
    assert data.loc[0, "tags"] == (case,)
    assert data.loc[0, "state"] == "usable"
    assert data["time"].dt.tz is not None
    runs = run.plan.runs.df
    assert runs[["id", "status", "image", "exit"]].values.tolist() == [[run.id, "done", "upper:1", 0]]
    assert session.plans.find(in_tags=case).df.loc[0, "image"] == "upper:1"
    assert session.data[case].files.df[["path", "size", "kind"]].values.tolist() == [["a.txt", 1, "file"]]


def test_without_pandas(session: Session, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything shows itself all the same; `.df` says what to install."""
    session.push({"n": "1"}, [case])
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = session.find(case)
    assert found.as_html()
    assert case in found.as_text()
    with pytest.raises(Unsupported, match="a DataFrame needs pandas\nInstall it: pip install pandas"):
        _ = found.df
