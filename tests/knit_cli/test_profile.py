"""`knit profile`: listing, showing and switching, without showing a token."""

from __future__ import annotations

import json
import stat

import pytest


@pytest.fixture
def two(knit, home):
    """Profiles `a` and `b`, of which `a` is in use, and a broken one."""
    for name in ("a", "b"):
        (home / name).write_text(f"apiRoot: http://{name}.example/knit/api\ntoken: s3cret-{name}\n")
        assert knit("--profile", name, "init", name).code == 0
    store = home.parent / ".knit" / "profile"
    store.write_text(store.read_text() + "broken: {apiRoot: nowhere}\n")
    assert knit("profile", "use", "a").code == 0
    return knit


def row(name: str, used: bool) -> dict[str, object]:
    return {
        "name": name, "inUse": used, "apiRoot": f"http://{name}.example/knit/api", "ownCa": False, "token": True,
    }  # fmt: skip


def test_ls(two) -> None:
    """All of them, which is in use, and what is wrong with a broken one; never a token."""
    result = two("profile", "ls")
    assert json.loads(result.out) == [
        row("a", True), row("b", False), {"name": "broken", "inUse": False, "problem": "apiRoot is not URL: nowhere"},
    ]  # fmt: skip
    assert two("profile", "ls", "--output", "name").out == "a\nb\nbroken\n"
    table = two("profile", "ls", "--output", "table").out
    assert table.splitlines()[1].split() == ["*", "a", "http://a.example/knit/api"]
    for form in ("json", "table", "wide", "name"):
        assert "s3cret" not in two("profile", "ls", "--output", form).out


def test_use(two, home) -> None:
    """Another one is used from then on, here and below; the file is private and has no newline."""
    result = two("profile", "use", "b")
    assert (result.code, result.out) == (0, "")
    assert "this directory uses profile b now" in result.err
    assert (home / ".knitprofile").read_text() == "b"
    assert stat.S_IMODE((home / ".knitprofile").stat().st_mode) == 0o600
    assert json.loads(two("profile", "show").out)["name"] == "b"


def test_use_of_an_unknown_one(two, home) -> None:
    """Those that are there are named, and nothing changes."""
    result = two("profile", "use", "c")
    assert result.code == 1
    assert "there are: a, b, broken" in result.err
    assert "knit --profile c init" in result.err
    assert (home / ".knitprofile").read_text() == "a"


def test_use_of_a_broken_one(two) -> None:
    """It is used as asked, with a warning."""
    result = two("profile", "use", "broken")
    assert result.code == 0
    assert "[WARN] the profile is broken: apiRoot is not URL: nowhere" in result.err


def test_show(two, home) -> None:
    """What is in use, and where that was said."""
    shown = two("profile", "show")
    store = str(home.parent / ".knit" / "profile")
    expected = {**row("a", True), "store": store, "because": str(home / ".knitprofile")}
    assert json.loads(shown.out) == expected
    assert "s3cret" not in shown.out
    assert json.loads(two("profile", "show", "--profile", "b").out)["because"] == "--profile"


def test_nothing_there(knit) -> None:
    """Without a store the list is empty, and there is none to show."""
    assert knit("profile", "ls").out == "[]\n"
    result = knit("profile", "show")
    assert result.code == 1
    assert "knit init" in result.err


def test_an_old_token(ready, server) -> None:
    """A token that the server takes no more: what happened and the next step."""
    server.on("GET /data", {"reason": "the token is missing or wrong", "advice": "x"}, status=403)
    result = ready("data", "find")
    assert result.code == 1
    assert result.err.splitlines()[0] == "the server does not accept this token (status code = 403)"
    assert "Run `knit init` again with the server's knitprofile" in result.err


def test_in_a_terminal_of_jupyter(knit, home, tmp_path, monkeypatch) -> None:
    """Where nothing else is set up, the Jupyter's own server is in use; it is said where that comes from."""
    told = tmp_path / "told"
    told.write_text("apiRoot: http://jupyter.example/knit/api\ntoken: s3cret\n")
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(told))
    (home / ".knitprofile").unlink(missing_ok=True)
    shown = json.loads(knit("profile", "show").out)
    assert (shown["apiRoot"], shown["store"]) == ("http://jupyter.example/knit/api", str(told))
    assert shown["because"].startswith("KNIT_PROFILE_FILE")
    told.unlink()
    result = knit("data", "find")
    assert result.code == 1
    assert "the Knit server of this Jupyter is not there" in result.err
