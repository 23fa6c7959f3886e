"""`knit init` and what commands say without a profile."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
import yaml

GOOD = "apiRoot: http://127.0.0.1:8787/knit/api/\ncert: {}\ntoken: abc\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_sets_the_directory_up(knit, home) -> None:
    """The profile is stored under the directory's path, 0600 in a 0700 directory, and the directory is marked."""
    (home / "p").write_text(GOOD)
    result = knit("init", "p")
    store = home.parent / ".knit" / "profile"
    assert (result.code, result.out) == (0, "")
    assert f"profile {home} is saved to {store}" in result.err
    assert (home / ".knitprofile").read_text() == str(home)
    assert yaml.safe_load(store.read_text()) == {
        str(home): {"apiRoot": "http://127.0.0.1:8787/knit/api/", "cert": {}, "token": "abc"}
    }
    assert (mode(store), mode(store.parent), mode(home / ".knitprofile")) == (0o600, 0o700, 0o600)
    assert sorted(each.name for each in store.parent.iterdir()) == ["profile"]
    assert knit("init", "p").code == 0


def test_init_keeps_other_profiles(knit, home) -> None:
    """Other entries, and members nobody knows, stay; the file is forced to 0600."""
    store = home.parent / ".knit" / "profile"
    store.parent.mkdir()
    store.write_text("other: {apiRoot: 'http://x/api', extra: 1}\n")
    store.chmod(0o644)
    (home / "p").write_text(GOOD)
    assert knit("init", "p", "--profile", "mine").code == 0
    found = yaml.safe_load(store.read_text())
    assert found["other"] == {"apiRoot": "http://x/api", "extra": 1}
    assert "mine" in found
    assert (home / ".knitprofile").read_text() == "mine"
    assert mode(store) == 0o600


def test_init_in_a_subdirectory_reuses_the_name(knit, home, monkeypatch) -> None:
    """Below a directory that is set up, its name is inherited."""
    (home / ".knitprofile").write_text("  shared \nignored\n")
    (home / "sub").mkdir()
    monkeypatch.chdir(home / "sub")
    Path("p").write_text(GOOD)
    assert "profile shared is saved" in knit("init", "p").err


def pem(text: str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "failed to read profile file (p) : No such file or directory"),
        ("a: [", "failed to parse profile file (p) : "),
        ("just text", "failed to parse profile file (p) : it is not a mapping"),
        ("apiRoot: /api", "p: knit profile is invalid: apiRoot is not URL: /api"),
        ("cert: {}", "p: knit profile is invalid: apiRoot is not URL: (empty)"),
        ("apiRoot: 'http://h:99999/api'", "p: knit profile is invalid: apiRoot is not URL"),
        ("{apiRoot: 'http://h/api', cert: {ca: '%%'}}", "p: knit profile is invalid: cert.ca is not PEM"),
        (f"{{apiRoot: 'http://h/api', cert: {{ca: {base64.b64encode(b'x').decode()}}}}}", "cert.ca is not PEM"),
    ],
)
def test_init_refuses(knit, home, content, told) -> None:
    """A file that is no profile exits 1, and changes nothing."""
    if content is not None:
        (home / "p").write_text(content)
    result = knit("init", "p")
    assert result.code == 1
    assert told in result.err
    assert not (home / ".knitprofile").exists()


def test_init_takes_a_ca(knit, home) -> None:
    """A certificate as base64 of a PEM is taken."""
    (home / "p").write_text(f"apiRoot: https://h/api\ncert: {{ca: {pem()}}}\n")
    assert knit("init", "p").code == 0


def test_init_cannot_save(knit, home) -> None:
    """A store that cannot be written is named."""
    (home / "p").write_text(GOOD)
    (home / "file").write_text("")
    result = knit("init", "p", "--profile-store", "file/store")
    assert result.code == 1
    assert "failed to save profile store (file/store) : " in result.err


def test_without_a_store(knit, home) -> None:
    """Without a store, the message names it and says how to get one."""
    result = knit("data", "find")
    store = home.parent / ".knit" / "profile"
    assert result.code == 1
    assert result.err.startswith(f"config file is not found at {store}: failed to load knitprofile store ({store})\n")
    assert "knit init" in result.err


def test_without_a_profile(knit, home) -> None:
    """A name that is not in the store is told with the store."""
    (home / "store").write_text("{}")
    result = knit("data", "find", "--profile-store", "store")
    assert result.code == 1
    assert f"profile '{home}' not found in the profile store (store)" in result.err


def test_a_broken_profile(knit, home) -> None:
    """A profile that is wrong says so and sends back to init."""
    (home / "store").write_text("x: {apiRoot: nowhere}")
    result = knit("data", "find", "--profile-store=store", "--profile=x")
    assert "may be broken" in result.err
    assert "knit init" in result.err


def test_nobody_answers(ready, home) -> None:
    """A refused connection is told with the URL and how to start a server."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (home / "p").write_text(f"apiRoot: http://127.0.0.1:{port}/knit/api\n")
    ready("init", "p")
    result = ready("data", "find")
    assert result.code == 1
    assert f"cannot connect to http://127.0.0.1:{port}/knit/api" in result.err
    assert "knit serve" in result.err


def test_a_redirect(ready, server) -> None:
    """A redirect is not followed; where it points is told."""
    server.on("GET /data", status=302, headers={"Location": "https://elsewhere/"})
    result = ready("data", "find")
    assert result.code == 1
    assert result.err.startswith("redirect (status code = 302)\n")
    assert "https://elsewhere/" in result.err


def test_a_token_that_is_not_accepted(ready, server) -> None:
    """A server that knows nobody by this token is no matter of the command; the advice is to init again."""
    server.on("GET /data", {"message": "Forbidden"}, status=403)
    result = ready("data", "find")
    assert result.err.startswith("the server does not accept this token (status code = 403)\nForbidden\n")
    assert "knit init" in result.err


@pytest.mark.parametrize("content", ["tag: [nocolon]", "tag: [", "tag: {a: b}", "- x"])
def test_a_broken_knitenv(ready, server, home, content) -> None:
    """A knitenv that is wrong is fatal where it is used, and only there."""
    (home / "knitenv").write_text(content)
    (home / "x").write_text("x")
    result = ready("data", "push", "x")
    assert result.code == 1
    assert "failed to load knitenv" in result.err
    server.on("GET /data", [])
    assert ready("data", "find").code == 0


def test_a_missing_knitenv(ready, server, home) -> None:
    """A knitenv that is not there adds nothing, even when named."""
    (home / "x").write_text("x")
    server.on("POST /data", {"knitId": "k"})
    assert ready("data", "push", "x", "--env", "nowhere").code == 0
