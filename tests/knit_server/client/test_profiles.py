"""Finding and keeping profiles, apart from the command that uses them (tests/knit_cli/test_init.py)."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from knit_server.client import profiles
from knit_server.client.profiles import KnitEnv, Profile, Selection
from knit_server.domain.errors import InvalidInput, NotFound
from knit_server.domain.tags import Tag


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "dir" / "store"


def test_select_climbs(tmp_path, monkeypatch) -> None:
    """The nearest regular file `.knitprofile` wins; a directory of that name does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert profiles.select(cwd=inner) == Selection(name=str(inner), store=tmp_path / ".knit" / "profile")
    (tmp_path / ".knitprofile").write_text("outer\n")
    (inner / ".knitprofile").mkdir()
    assert profiles.select(cwd=inner).name == "outer"
    (tmp_path / "a" / ".knitprofile").write_text(" inner  \nrest")
    assert profiles.select(cwd=inner).name == "inner"
    assert profiles.select(cwd=inner, name="x", store="~/s") == Selection(name="x", store=tmp_path / "s")


def test_save_and_load(store) -> None:
    """What was saved is loaded; a trailing slash is trimmed; the token never shows in a repr."""
    selection = Selection(name="on", store=store)
    profiles.save(selection, {"apiRoot": "http://h/api/", "cert": {}, "token": "t"})
    profiles.save(Selection(name="other", store=store), {"apiRoot": "https://h/api"})
    loaded = profiles.load(selection)
    assert loaded == Profile(api_root="http://h/api", token="t")
    assert "token" not in repr(loaded)
    assert profiles.load(Selection(name="other", store=store)).api_root == "https://h/api"
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


def test_a_store_that_is_a_link_stays_private(store, tmp_path) -> None:
    """Saving replaces the file; nothing is written through a link laid in its way."""
    store.parent.mkdir()
    (tmp_path / "elsewhere").write_text("{}")
    store.symlink_to(tmp_path / "elsewhere")
    profiles.save(Selection(name="x", store=store), {"apiRoot": "http://h/api", "token": "t"})
    assert (tmp_path / "elsewhere").read_text() == "{}"
    assert not store.is_symlink()


@pytest.mark.parametrize("content", ["[", "- a", "just text", b"\xff", "[" * 1000])
def test_a_broken_store(store, content) -> None:
    """A store that cannot be read is told with its path, and is not overwritten by init."""
    store.parent.mkdir()
    store.write_bytes(content if isinstance(content, bytes) else content.encode())
    selection = Selection(name="x", store=store)
    with pytest.raises(InvalidInput, match="failed to load knitprofile store"):
        profiles.load(selection)
    with pytest.raises(InvalidInput):
        profiles.save(selection, {"apiRoot": "http://h/api"})


@pytest.mark.parametrize("url", ["", "h/api", "ftp://h/api", "http:///api", "http://h:x/api", "http://h/a b", "//h"])
def test_urls_that_are_none(store, url) -> None:
    """apiRoot is an absolute http(s) URL."""
    profiles.save(Selection(name="x", store=store), {"apiRoot": url})
    with pytest.raises(InvalidInput, match="may be broken: apiRoot is not URL"):
        profiles.load(Selection(name="x", store=store))


def test_connect(tmp_path, store) -> None:
    """A client for the profile in use, ready to be used; no request is made."""
    profiles.save(Selection(name="x", store=store), {"apiRoot": "http://h/api/"})
    with profiles.connect(name="x", store=store) as knit:
        assert knit.api_root == "http://h/api"
    with pytest.raises(NotFound):
        profiles.connect(name="y", store=store)


def test_knitenv_keeps_texts(tmp_path) -> None:
    """Tags and quantities are the texts that were written; unknown keys are ignored."""
    (tmp_path / "knitenv").write_text("tag: [v:1.10, {key: n, value: 010}]\nresource: {cpu: 0.50}\nother: 1\n")
    (tmp_path / "below").mkdir()
    assert profiles.load_env(cwd=tmp_path / "below") == KnitEnv(
        tags=(Tag("n", "010"), Tag("v", "1.10")), resources={"cpu": "0.50"}
    )


@pytest.mark.parametrize("content", ["", "# nothing", "tag:\nresource: ~\n"])
def test_knitenv_may_be_empty(tmp_path, content) -> None:
    """A file without anything adds nothing."""
    (tmp_path / "knitenv").write_text(content)
    assert profiles.load_env(cwd=tmp_path) == KnitEnv()


class TestOfJupyter:
    """`KNIT_PROFILE_FILE`, by which a Jupyter server tells its terminals where it is."""

    @pytest.fixture
    def told(self, tmp_path, monkeypatch) -> dict[str, str]:
        monkeypatch.setenv("HOME", str(tmp_path / "user"))
        (tmp_path / "told").write_text('{"apiRoot": "http://jupyter/knit/api", "token": "t"}')
        return {profiles.VARIABLE: str(tmp_path / "told")}

    def test_it_counts_last(self, told, tmp_path) -> None:
        """Before it go a name or store that is given, a `.knitprofile`, and the directory's own profile."""
        found = profiles.select(cwd=tmp_path, environ=told)
        assert profiles.is_of_jupyter(found)
        assert profiles.load(found) == Profile(api_root="http://jupyter/knit/api", token="t")
        for given in ({"name": "x"}, {"store": tmp_path / "s"}):
            assert profiles.select(cwd=tmp_path, environ=told, **given).else_file is None
        profiles.save(profiles.select(cwd=tmp_path, environ={}), {"apiRoot": "http://own/knit/api"})
        assert not profiles.is_of_jupyter(found)
        assert profiles.load(found).api_root == "http://own/knit/api"
        (tmp_path / ".knitprofile").write_text("other")
        with pytest.raises(NotFound, match="profile 'other' not found"):
            profiles.load(profiles.select(cwd=tmp_path, environ=told))

    def test_init_makes_a_profile_of_the_directory(self, told, tmp_path) -> None:
        """What is kept for a directory is named by it, in a terminal of Jupyter, too."""
        assert profiles.select(cwd=tmp_path, environ=told).name == str(tmp_path)

    def test_a_server_that_has_ended(self, told, tmp_path) -> None:
        """The file is gone with its server: that is said, and what to do."""
        (tmp_path / "told").unlink()
        with pytest.raises(NotFound, match="the Knit server of this Jupyter is not there") as info:
            profiles.load(profiles.select(cwd=tmp_path, environ=told))
        assert "Restart the kernel" in str(info.value.advice)


def test_a_mark_that_cannot_be_read(said, tmp_path) -> None:
    """A `.knitprofile` that is no text is told, with a way round it."""
    (tmp_path / ".knitprofile").write_bytes(b"\xff")
    told = said(lambda: profiles.select(cwd=tmp_path))
    assert told.startswith(f"cannot read {tmp_path / '.knitprofile'}: ")
