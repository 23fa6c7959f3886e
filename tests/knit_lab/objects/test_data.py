"""Data in a notebook: found by id and by tags, read, tagged, explained."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from server import Server

from knit_lab.objects import cache
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.client.api import KnitClient
from knit_server.domain.errors import Conflict, Damaged, NotFound


@pytest.fixture
def three(session: Session, case: str) -> list[Data]:
    return [session.push({"n.txt": str(number)}, [case, f"n:{number}"]) for number in range(3)]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_find(session: Session, three: list[Data], case: str) -> None:
    """All with all tags, oldest first; a limit gives the oldest; no match is an empty list."""
    assert list(session.find(case)) == three
    assert list(session.find(case, "n:1")) == [three[1]]
    assert list(session.find(case, limit=2)) == three[:2]
    assert list(session.find(case, "n:9")) == []
    assert list(session.find(case, transient=False)) == three
    assert list(session.find(case, transient=True)) == []
    assert session.find(case).latest == three[-1]
    assert set(three) <= set(session.data)


def test_find_in_a_window_of_time(session: Session, three: list[Data], case: str) -> None:
    """Times as datetime or text, durations as timedelta, text or seconds."""
    start = three[0].timestamp
    assert start is not None
    assert start.tzinfo is not None
    assert list(session.find(case, since=start)) == three
    assert list(session.find(case, since=start.astimezone(UTC).isoformat(), duration="1h")) == three
    assert list(session.find(case, since=start, duration=3600.0)) == three
    assert list(session.find(case, since=start + timedelta(days=1))) == []
    assert list(session.find(case, since=start - timedelta(days=2), duration=timedelta(days=1))) == []
    assert session.find(case, newest=True, since=start) == three[-1]
    with pytest.raises(NotFound):
        session.find(case, newest=True, since=datetime.now(UTC) + timedelta(days=1))


@pytest.mark.parametrize("duration", [-1.0, timedelta(days=-1), 1e12, float("nan")])
def test_durations_that_are_none(session: Session, duration: Any, said: Callable[..., str]) -> None:
    """They are refused here, with an example."""
    assert said(lambda: session.find("a:b", since="2026-01-01", duration=duration)).startswith("not a duration: ")


def test_the_newest_is_one_row(session: Session, three: list[Data], case: str) -> None:
    """However many there are, one is asked for; Data of failed Runs are passed over."""
    assert session.find(case, newest=True) == three[-1]
    assert session.data[case] == three[-1]
    assert session.data[case, "n:0"] == three[0]


def test_the_newest_is_usable(session: Session, ran: Callable[..., Run], case: str) -> None:
    """What a failed Run left behind is found as transient, and never taken for the newest."""
    run = ran({"a.txt": "a", "fail": ""})
    made = case.replace("case:", "made:")
    assert [each.transient for each in session.find(made)] == ["failed"]
    assert list(session.find(made, transient=True)) == list(run.outputs.values())
    assert list(session.find(made, transient=False)) == []
    with pytest.raises(NotFound, match=r"there is no usable Data with made:.*\n.*knit.data.tags\(\)"):
        session.find(made, newest=True)


def test_by_the_beginning_of_an_id(session: Session, three: list[Data]) -> None:
    """A whole id or its beginning; unknown ones and those of several are told."""
    assert session.data[three[0].id] == three[0]
    assert session.data[three[0].id[:10]] == three[0]
    with pytest.raises(NotFound):
        session.data["0000dead"]


def test_ambiguous_ids(session: Session, case: str) -> None:
    """Several candidates are listed with their tags."""
    seen: dict[str, str] = {}
    for number in range(4000):  # 16^4 beginnings of four characters: two of these meet long before that
        data = session.push({"n": str(number)}, [case], progress=False)
        if data.id[:4] in seen:
            break
        seen[data.id[:4]] = data.id
    with pytest.raises(Conflict, match=f"several ids of Data begin with {data.id[:4]}"):
        session.data[data.id[:4]]


@pytest.mark.parametrize("key", [5, None, "", "  ", (), ("a:b", 5), slice(0, 2)])
def test_keys_that_are_none(session: Session, key: Any, said: Callable[..., str]) -> None:
    """What is neither an id nor a tag is refused with an example."""
    assert "which is neither an id nor a tag" in said(lambda: session.data[key])


def test_completion_offers_tags_and_ids(session: Session, three: list[Data], case: str) -> None:
    """After `knit.data["`, and names of files after `data / "`."""
    offered = session.data._ipython_key_completions_()
    assert case in offered
    assert three[-1].id in offered
    assert three[0]._ipython_key_completions_() == ["n.txt"]
    assert session.data.tags(case) == {case: 3}


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_change_in_one_step(session: Session, case: str) -> None:
    """Removals first, then additions; what is there already stays; `refresh` sees what others changed."""
    data = session.push(b"x", [case, "a:1", "b:1"])
    other = session.data[data.id]
    assert data.tag("c:1", add=["d:1"], remove="a:1", remove_keys="b") is data
    assert set(data.tags) == {case, "c:1", "d:1"}
    assert set(other.tags) == {case, "a:1", "b:1"}
    assert other.refresh().tags == data.tags
    assert {tag.split(":")[0] for tag in data.system_tags} == {"knit#id", "knit#timestamp"}


def test_system_tags_cannot_be_changed(session: Session, case: str, said: Callable[..., str]) -> None:
    """Knit's own tags say what is so."""
    data = session.push(b"x", [case])
    assert "knit#" in said(lambda: data.tag("knit#transient:failed"))


# --- content ----------------------------------------------------------------------------------------------------------


def test_open(session: Session, case: str, said: Callable[..., str]) -> None:
    """As bytes or as text; never to write; a name that is not there is told with one that is."""
    data = session.push({"a.txt": "grün\n"}, [case])
    with data.open("a.txt") as raw, data.open("a.txt", "r") as text:
        assert raw.read().decode() == text.read() == "grün\n"
    with pytest.raises(ValueError, match="a Data never changes"):
        data.open("a.txt", "w")
    with pytest.raises(NotFound, match=r"there is no 'a.tx' in Data .*\nDid you mean a.txt\?"):
        data.open("a.tx")
    with pytest.raises(NotFound, match="It holds 1 names"):
        data.open("zzz")
    for name in ("../x", "/etc/passwd"):
        assert "not the name of a file in a Data" in said(lambda name=name: data.path(name))


def test_paths_are_cached_shared_and_read_only(session: Session, case: str, tmp_path: Path) -> None:
    """Fetched once; equal content lies there once; nobody may write to it."""
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "b.txt").write_text("same")
    first = session.push(tmp_path / "source", [case, "n:1"])
    second = session.push(tmp_path / "source", [case, "n:2"])
    path = first.path("a/b.txt")
    assert path.read_text() == "same"
    assert path.stat().st_mode & 0o222 == 0
    assert second.path("a/b.txt") == path
    assert first.path().is_dir()
    assert first / "a/b.txt" == path
    assert len(list((session.cache / "trees").iterdir())) == 1


def test_two_threads_at_once(new_session: Callable[[Path], Session], tmp_path: Path, case: str) -> None:
    """Both get the file, and nothing half is left."""
    sessions = [new_session(tmp_path / "cache") for _ in range(4)]
    data = sessions[0].push({f"{number}.txt": str(number) * 1000 for number in range(20)}, [case])
    found: list[Path] = []
    together = threading.Barrier(len(sessions))

    def fetch(session: Session) -> None:
        together.wait(20)
        found.append(session.data[data.id].path("7.txt"))

    workers = [threading.Thread(target=fetch, args=(each,)) for each in sessions]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert len(found) == len(sessions)
    assert len(set(found)) == 1
    assert found[0].read_text() == "7" * 1000
    assert len(list((sessions[0].cache / "trees").iterdir())) == 1
    for each in sessions:
        each.close()


def test_what_is_cut_off_leaves_nothing(session: Session, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a tree that looks whole nor half of one; the next try works."""
    data = session.push({"a.txt": "a"}, [case])
    protect = cache._protect

    def broken(tree: Path) -> None:
        raise Damaged("cut off in the middle", advice="Try again.")

    monkeypatch.setattr(cache, "_protect", broken)
    with pytest.raises(Damaged):
        data.path("a.txt")
    assert list((session.cache / "trees").iterdir()) == []
    monkeypatch.setattr(cache, "_protect", protect)
    assert data.path("a.txt").read_text() == "a"


def test_a_cache_that_cannot_be_written(session: Session, case: str, tmp_path: Path, said: Callable[..., str]) -> None:
    """It is told as what it is, with advice, not as a bare OSError."""
    data = session.push({"a.txt": "a"}, [case])
    (tmp_path / "cache").write_text("a file is in the way")
    assert str(tmp_path / "cache") in said(lambda: data.path("a.txt"))


def test_pull(session: Session, case: str, tmp_path: Path) -> None:
    """Into a new directory, which can be changed freely; never over one that exists."""
    data = session.push({"a.txt": "a"}, [case])
    place = data.pull(tmp_path / "mine")
    (place / "a.txt").write_text("changed")
    with pytest.raises(Conflict):
        data.pull(tmp_path / "mine")


def test_what_a_failed_run_has_made(ran: Callable[..., Run]) -> None:
    """It can be looked into, although no Plan takes it."""
    made = ran({"a.txt": "a", "fail": ""}).outputs["/out/made"]
    assert not made.is_usable
    assert made.path("a.txt").read_text() == "A"


def test_data_without_content(session: Session, upper: Callable[..., PlanDraft], case: str) -> None:
    """Before a Run has made it there is nothing to read, and that is said; nothing of it stays in the cache."""
    upper().apply().deactivate()
    session.push({"a.txt": "a"}, [case])
    (run,) = session.runs.find(input=session.data[case])
    made = run.outputs["/out/made"]
    assert made.transient == "processing"
    assert made.timestamp is None
    for reading in (lambda: made.path("a.txt"), lambda: made.files):
        with pytest.raises(Conflict, match="has no content yet"):
            reading()
    assert list((session.cache / "trees").iterdir()) == []


def test_details_files_and_origin(session: Session, ran: Callable[..., Run], case: str) -> None:
    """Sizes, who made it, who took it."""
    run = ran({"a.txt": "abc"})
    raw = session.data[case]
    assert raw.details["size"] == 3
    assert [(each["path"], each["size"]) for each in raw.files] == [("a.txt", 3)]
    assert list(raw.used_by) == [run]
    assert run.outputs["/out/made"].run == run
    assert raw.run.image == "knit#uploaded"
    assert "pushed" in raw.why().as_text() or raw.why().codes


def test_a_server_that_is_away(tmp_path: Path, case: str) -> None:
    """What is at hand still shows itself; what must be asked says that the server is away."""
    with Server(tmp_path / "knit") as server:
        profile = server.profile
        session = Session(KnitClient(profile["apiRoot"], profile["token"]), cache=tmp_path / "cache")
        data = session.push({"a.txt": "a"}, [case])
        data.path("a.txt")
    assert case in repr(data)
    with pytest.raises(Exception, match="cannot connect to"):
        data.refresh()
    session.close()
