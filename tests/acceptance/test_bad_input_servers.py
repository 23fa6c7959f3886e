"""Profiles, servers and homes that are not there or not right: what is told, and that nothing is touched."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest
from server import Finished, Server, command, environment, hindered, refused


@pytest.fixture
def person(tmp_path: Path) -> Server:
    """A user without a server."""
    return Server(tmp_path / "person")


def serve(home: Path | str, *flags: str, ordinary: bool = False, cwd: Path | None = None) -> Finished:
    """Give a `knit serve` that must end by itself."""
    return subprocess.run(
        [*(hindered() if ordinary else []), *command(), "serve", "--home", str(home), "--port", "0", *flags],
        capture_output=True, text=True, timeout=60,
        check=False, cwd=cwd, env=environment(cwd or Path(home).parent),
    )  # fmt: skip


# --- profiles ---------------------------------------------------------------------------------------------------------


def test_no_profile_store(person: Server) -> None:
    """Without a store, every command says where it looked and what to do first."""
    store = person.user_home / ".knit" / "profile"
    for words in (("data", "find"), ("plan", "find"), ("run", "find"), ("image", "ls")):
        told = refused(person.knit(*words), f"config file is not found at {store}", "knit init KNIT_PROFILE_FILE")
        assert "`knit serve` names that file" in told


def test_unknown_profile(server: Server, tmp_path: Path) -> None:
    """A profile that is not in the store is named, with the store."""
    store = server.user_home / ".knit" / "profile"
    told = "' not found in the profile store ("
    refused(server.knit("data", "find", cwd=tmp_path), f"profile '{tmp_path}{told}{store})", "knit init")
    refused(server.knit("data", "find", "--profile", "nope"), f"profile 'nope{told}{store})", "knit init")
    refused(server.knit("--profile-store", "/no/such", "data", "find"), "/no/such", "knit init")
    refused(server.knit("data", "find", "--profile"), "usage error: value required: --profile", code=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{apiRoot: 'not a url', cert: {}}", ["apiRoot is not URL: not a url", "absolute URL"]),
        ("{cert: {}}", ["apiRoot is not URL", "http://127.0.0.1:8787/knit/api"]),
        ("{apiRoot: 'http://x/api', cert: {ca: aGVsbG8=}}", ["cert.ca is not PEM", "base64 of a PEM"]),
        ("{apiRoot: [", ["failed to parse profile file"]),
        ("- a list", ["failed to parse profile file", "mapping"]),
        ("", ["failed to parse profile file"]),
        (None, ["failed to read profile file", "No such file", "knit serve"]),
    ],
)
def test_init_with_a_broken_profile(person: Server, text: str | None, words: list[str]) -> None:
    """`knit init` refuses what is no profile, and neither store nor marker appear."""
    file = person.project / "knitprofile"
    if text is not None:
        file.write_text(text)
    refused(person.knit("init", "knitprofile"), "knitprofile", *words)
    assert not (person.user_home / ".knit").exists()
    assert not (person.project / ".knitprofile").exists()


def test_broken_profile_store(server: Server, person: Server) -> None:
    """A store that is garbage, or an entry that is, is told; `knit init` repairs the entry but never the garbage."""
    store = person.user_home / ".knit" / "profile"
    store.parent.mkdir()
    for garbage in ("{{{", "- a\n- b\n", "\0\0"):
        store.write_text(garbage)
        refused(person.knit("data", "find"), "failed to load knitprofile store", str(store), "move it away")
        refused(person.knit("init", str(server.handout)), "failed to load knitprofile store", str(store))
        assert store.read_text() == garbage
    store.write_text(json.dumps({str(person.project): {"apiRoot": "nonsense"}, "other": {"apiRoot": "http://o/"}}))
    refused(person.knit("data", "find"), "may be broken", "apiRoot is not URL", "knit init")
    assert person.knit("init", str(server.handout)).returncode == 0
    assert person.knit("data", "find").returncode == 0
    assert "http://o/" in store.read_text()


# --- servers ----------------------------------------------------------------------------------------------------------


def profile_for(person: Server, root: str, token: str = "t") -> None:
    file = person.project / "knitprofile"
    file.write_text(json.dumps({"apiRoot": root, "cert": {}, "token": token}))
    assert person.knit("init", "knitprofile").returncode == 0


def test_server_that_is_down(person: Server, tmp_path: Path) -> None:
    """Where nobody listens, the message names the address and how to start a server; nothing is half done."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        root = f"http://127.0.0.1:{taken.getsockname()[1]}/knit/api"
        profile_for(person, root)
        (tmp_path / "x").write_text("x")
        for words in (("data", "find"), ("data", "push", str(tmp_path / "x")), ("data", "pull", "-x", "an-id")):
            refused(person.knit(*words), f"cannot connect to {root}", "Is the server running?", "knit serve")
    assert not (person.project / "an-id").exists()


def test_host_that_is_not_there(person: Server) -> None:
    """A host without an address is told as that."""
    profile_for(person, "http://no-such-host.invalid/knit/api")
    refused(person.knit("data", "find"), "no-such-host.invalid", "Check apiRoot")


def test_server_that_is_something_else(server: Server, person: Server) -> None:
    """An address where something else answers is told with what to check."""
    root = server.profile["apiRoot"].removesuffix("/knit/api")
    profile_for(person, f"{root}/elsewhere", server.profile["token"])
    refused(person.knit("run", "find"), "404", "ends in /knit/api")


def test_wrong_token(server: Server, person: Server, source: Path) -> None:
    """A wrong, old or missing token is told with what to do; nothing of a push is kept."""
    before = len(server.get("/data"))
    for token in ("wrong", ""):
        profile_for(person, server.profile["apiRoot"], token)
        for words in (("data", "find"), ("data", "push", str(source)), ("run", "show", "--log", "x")):
            told = refused(person.knit(*words), "403", "token", "knit init")
            assert "Authorization" not in told, "that is for programmers"
    assert len(server.get("/data")) == before


# --- homes ------------------------------------------------------------------------------------------------------------


def test_second_server_on_a_home(server: Server) -> None:
    """A home has one server: the second one ends at once, and names the first one's pid and URL."""
    url = server.profile["apiRoot"].removesuffix("/knit/api")
    refused(serve(server.home), f"the home {server.home} is in use by process {server.process.pid}", url, "--home DIR")
    assert server.knit("data", "find").returncode == 0
    assert server.handout.exists()


def test_home_that_is_a_file(tmp_path: Path) -> None:
    """A home, or a folder above it, that is a file is named, with how to choose another; the file stays."""
    (tmp_path / "file").write_text("mine")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        refused(serve(home, cwd=tmp_path), str(tmp_path / "file"), "--home DIR or KNIT_HOME")
    assert (tmp_path / "file").read_text() == "mine"


def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    """A home that its user may not write to is told before anything starts."""
    (tmp_path / "closed").mkdir(mode=0o500)
    told = serve(tmp_path / "closed" / "home", ordinary=True, cwd=tmp_path)
    refused(told, "cannot be written", "Permission denied", "--home DIR or KNIT_HOME")
    assert list((tmp_path / "closed").iterdir()) == []


def test_words_of_serve_that_are_wrong(tmp_path: Path) -> None:
    """Wrong flags of `knit serve` are usage errors; a certificate or port that cannot be used is named."""
    for flags, told in ((("--port", "many"), "--port"), (("--sandbox", "glass"), "glass"), (("--hme", "x"), "--hme")):
        refused(serve(tmp_path / "home", *flags), "usage error", told, code=2)
    assert not (tmp_path / "home").exists()
    refused(serve(tmp_path / "home", "--certfile", "/no/such.pem"), "/no/such.pem", "PEM")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused(serve(tmp_path / "home", "--port", port), f"port {port}", "is taken", "--port N")


def test_token_file_that_is_broken(tmp_path: Path) -> None:
    """A token file with something else in it is told, and not replaced."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("two words\n")
    refused(serve(home), str(home / "token"), "holds no token", "Remove the file")
    assert (home / "token").read_text() == "two words\n"
