"""`import knit_lab as knit`: where the server is, the session in use, and what is said when there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server import Server, until

import knit_lab as knit
from knit_lab import api
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, KnitError, NotFound, Unavailable


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A person who has no profile yet, in an empty folder, outside of Jupyter."""
    for name in ("KNIT_PROFILE_FILE", "KNIT_PROFILE", "KNIT_PROFILE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(api, "_current", None)
    yield tmp_path / "here"
    if api._current is not None:
        api._current.close()


def test_inside_jupyter_the_server_says_where_it_is(profile_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a kernel names the profile of its Jupyter server; nothing else is needed."""
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(profile_file))
    session = knit.connect()
    assert knit.current() is session
    assert knit.data is session.data
    assert knit.plans is session.plans
    assert knit.runs is session.runs
    assert session.client.api_root in repr(session)


def test_by_the_path_of_a_profile(profile_file: Path, tmp_path: Path) -> None:
    """As a text or a Path."""
    mine = shutil.copy(profile_file, tmp_path / "here" / "knitprofile")
    assert knit.connect(str(mine)).client.health()
    assert knit.connect(Path("knitprofile")).client.health()


def test_by_the_profile_of_the_directory(knit_server: Server, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `knit init`, as the command does; the first use connects by itself."""
    monkeypatch.setenv("HOME", str(knit_server.user_home))
    knit_server.also(nobody)
    assert knit.current().client.api_root == knit_server.profile["apiRoot"]
    assert knit.current() is knit.current()


def test_by_address_and_token(knit_server: Server, knit_server_url: str) -> None:
    """Without any profile."""
    token = knit_server.profile["token"]
    assert knit.connect(api_root=knit_server_url, token=token).client.health()


def test_connecting_anew_takes_the_place_of_the_session(profile_file: Path) -> None:
    """What the old one handed out still works."""
    first = knit.connect(profile_file)
    data = knit.push({"a": "a"}, ["case:connecting-anew"])
    second = knit.connect(profile_file)
    assert knit.current() is second is not first
    assert data.refresh().id == knit.find("case:connecting-anew", newest=True).id
    first.close()


def test_connecting_anew_leaves_live_widgets_alone(profile_file: Path) -> None:
    """A cell with `knit.connect()` may be run again while widgets follow changes; they go on."""
    with knit.connect(profile_file) as first:
        kinds: list[str] = []
        first.changes.listen_in_thread(lambda events: kinds.extend(each.kind for each in events))
        until("the stream stands", lambda: "open" in kinds)
        knit.connect(profile_file)
        assert first.changes.are_followed
        knit.push({"a": "a"}, ["case:live-widgets"])
        until("the old one is told", lambda: "data" in kinds)
    assert not first.changes.are_followed


def test_no_profile() -> None:
    """What to do is said."""
    with pytest.raises(KnitError) as info:
        knit.connect()
    assert "knit init" in str(info.value)


def test_a_profile_that_there_is_not() -> None:
    """By name or path: it is said which, and how to get one."""
    with pytest.raises(NotFound, match="knit init"):
        knit.connect("nobody")
    with pytest.raises(KnitError, match="none/knitprofile") as info:
        knit.connect("none/knitprofile")
    assert info.value.advice


def test_jupyter_without_knit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel that was told of a server that is gone says so, and where to look."""
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(tmp_path / "gone"))
    with pytest.raises(NotFound) as info:
        knit.connect()
    assert str(tmp_path / "gone") in info.value.reason
    assert info.value.advice


def test_the_server_is_away() -> None:
    """It is said which, and how to start it; the session in use stays the one before."""
    with pytest.raises(Unavailable, match=r"cannot connect to http://127.0.0.1:9/knit/api(?s:.*)knit serve"):
        knit.connect(api_root="http://127.0.0.1:9/knit/api")
    assert api._current is None


def test_a_wrong_token(knit_server_url: str) -> None:
    """It is said that the token is refused, and where a right one is."""
    with pytest.raises(KnitError) as info:
        knit.connect(api_root=knit_server_url, token="wrong")
    assert "token" in str(info.value)
    assert info.value.advice


def test_what_is_no_knit_server(knit_server_url: str) -> None:
    """Another address of the same host is no API of Knit; that is said."""
    with pytest.raises(KnitError) as info:
        knit.connect(api_root=knit_server_url.removesuffix("/knit/api") + "/elsewhere")
    assert info.value.advice


def test_the_functions_are_those_of_the_session(here: Session, case: str, said: Callable[..., str]) -> None:
    """push, find, plan and why of the module, on the session in use."""
    data = knit.push({"a.txt": "a"}, case)
    assert list(knit.find(case)) == [data]
    assert knit.find(case, newest=True) == data
    assert knit.data[case] == data
    assert knit.why(data).answer["id"] == data.id
    plan = knit.plan(image="upper:1", args=["/in/raw", "/out"], inputs={"/in/raw": case}, outputs={"/out": "m:1"})
    assert plan.dry_run().run_count == 1
    with pytest.raises(TypeError):
        knit.find(case, newest=True, limit=3)  # type: ignore[call-overload]
    with pytest.raises(InvalidInput):
        knit.find("untagged")
