"""Completion: which words are offered, through the shells' own protocol too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from knit_cli import completion
from knit_cli.frame import Root
from knit_cli.main import TREE

ID = "3f0c1234-0000-4000-8000-000000000001"


class Server:
    """What the server would answer, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def resolve(self, prefix: str, kinds: Any, *, limit: int) -> Any:
        self.asked.append((prefix, *kinds))
        return [{"kind": kinds[0], "id": ID, "about": "done x:1"}]

    def tags_in_use(self, prefix: str, *, limit: int) -> Any:
        self.asked.append(prefix)
        return [{"tag": "type:raw", "count": 3}]

    def find_images(self) -> Any:
        return [{"names": ["lab/gif:1", "x:1"]}]


@pytest.fixture
def offered(home: Path):
    """Complete the last of the words; gives the words offered."""
    server = Server()

    def offer(*words: str) -> list[str]:
        def ask(root: Root, look: Any) -> Any:
            return look(server)

        found = completion.candidates(words[:-1], words[-1], ask)
        return [each.value if each.type == "plain" else f"<{each.type}>" for each in found]

    offer.server = server  # type: ignore[attr-defined]
    return offer


def test_subcommands(offered) -> None:
    """Of the root and of groups, by how they begin; root flags before them."""
    assert offered("") == list(TREE)
    assert offered("da") == ["data"]
    assert offered("data", "p") == ["pull", "push"]
    assert offered("--profile", "x", "run", "sh") == ["show"]
    assert offered("--pro") == ["--profile", "--profile-store"]
    assert offered("nope", "") == []


def test_flags(offered) -> None:
    """Long names of the command's flags, and the root's; not behind `--`."""
    flags = offered("data", "push", "--")
    assert flags[-4:] == ["--profile", "--profile-store", "--env", "--help"]
    assert {"--tag", "--name", "--dereference"} <= set(flags)
    assert offered("data", "push", "--de") == ["--dereference"]
    assert offered("data", "push", "--", "--de") == ["<file>"]
    assert offered("serve", "--over") == ["--overcommit"]


def test_words_of_flags(offered) -> None:
    """What a flag can say, after it or behind `=`."""
    assert offered("data", "find", "--output", "") == ["json", "table", "wide", "name"]
    assert offered("data", "find", "--output=w") == ["--output=wide"]
    assert offered("run", "find", "-s", "d") == ["deactivated", "done"]
    assert offered("serve", "--sandbox", "b") == ["bubblewrap"]
    assert offered("plan", "retry", "--on", "") == ["exit", "lost", "stuck", "timeout"]
    assert offered("data", "lineage", "-n", "") == ["all"]
    assert offered("plan", "active", "") == ["yes", "no"]
    assert offered("data", "find", "--since", "") == []


def test_ids(offered) -> None:
    """Wherever an id is due, of its kind."""
    assert offered("run", "show", "3f") == [ID]
    assert offered("run", "show", "--log", "3f") == [ID]
    assert offered("plan", "active", "no", "") == [ID]
    assert offered("run", "find", "-i", "3") == [ID]
    assert offered("run", "watch", "a", "b", "3") == [ID]
    assert offered.server.asked == [("3f", "run"), ("3f", "run"), ("", "plan"), ("3", "data"), ("3", "run")]
    assert offered("run", "show", ID, "") == []


def test_tags_images_files(offered) -> None:
    """Tags and names of images come from the server; files and directories are the shell's."""
    assert offered("data", "push", "-t", "ty") == ["type:raw"]
    assert offered.server.asked == ["ty"]
    assert offered("plan", "find", "--image", "lab") == ["lab/gif:1"]
    assert offered("image", "rm", "") == ["lab/gif:1", "x:1"]
    assert offered("data", "push", "") == ["<file>"]
    assert offered("image", "build", "") == ["<dir>"]
    assert offered("--env", "") == ["<file>"]


def test_profiles(knit, home, offered) -> None:
    """Profiles are those of the store."""
    (home / "p").write_text("apiRoot: http://a.example/knit/api\n")
    assert knit("--profile", "work", "init", "p").code == 0
    assert offered("--profile", "") == ["work"]
    assert offered("profile", "use", "w") == ["work"]


@pytest.mark.parametrize(
    ("line", "words"),
    [("knit ", ["knit", ""]), ("knit da", ["knit", "da"]), ("knit 'a b' c", ["knit", "a b", "c"]),
     ("knit -t type:r", ["knit", "-t", "type:r"]), ("knit 'a b", ["knit", "a b"]), ("knit a\\ b ", ["knit", "a b", ""]),
     ("knit #x", ["knit", "#x"])],
)  # fmt: skip
def test_split(line: str, words: list[str]) -> None:
    """Words as the shell would read them, the last one as far as it is typed."""
    got = completion.split(line)
    assert got[:-1] == words[:-1]
    assert got[-1].strip("'") == words[-1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(["data", "pu"], ["pull", "push"]), (["data", "find", "--output", "=", "ta"], ["table"]),
     (["data", "find", "-t", "type", ":", "r"], ["raw"]), (["run", "show", "3f"], [ID])],
)  # fmt: skip
def test_bash(ready, server, home, words, expected) -> None:
    """The script, in a real bash: words cut at colons and equals signs are completed as wholes."""
    server.on("GET /tags", [{"tag": "type:raw", "count": 3}])
    server.on("GET /resolve", [{"kind": "run", "id": ID, "about": "done"}])
    wrapper = home / "knit"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m knit_cli.main "$@"\n')
    wrapper.chmod(0o755)
    line = "knit " + " ".join(words).replace(" = ", "=").replace(" : ", ":")
    code = (
        f"{completion.script('bash')}\nCOMP_WORDS=(knit {' '.join(words)}); COMP_CWORD={len(words)}\n"
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}\n_knit_completion {wrapper}\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(knit, shell) -> None:
    """Each shell has its script, which calls this command."""
    result = knit("completion", shell)
    assert result.code == 0
    assert f"_KNIT_COMPLETE={shell}_complete" in result.out
    assert knit("completion", "tcsh").code == 2


def test_silent_without_a_server(knit, monkeypatch, home) -> None:
    """No profile, no server: nothing offered, nothing said."""
    monkeypatch.setenv("_KNIT_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "knit run show 3f")
    monkeypatch.setenv("COMP_CWORD", "3")
    result = knit()
    assert (result.out, result.err) == ("", "")


def test_a_server_that_does_not_answer(home, monkeypatch) -> None:
    """It is not waited for."""
    monkeypatch.setattr(completion, "PATIENCE", 0.05)
    began = time.monotonic()
    stuck = threading.Event()
    monkeypatch.setattr("knit_server.client.profiles.connect", lambda **_: stuck.wait(10))
    assert completion.ask(Root(), lambda knit: []) == []
    assert time.monotonic() - began < 5
    stuck.set()


def test_nonsense_is_silent(monkeypatch, capfdbinary) -> None:
    """Whatever a shell asks, there is no traceback."""
    assert completion.answer({"_KNIT_COMPLETE": "tcsh_complete"}) == 1
    monkeypatch.delenv("COMP_WORDS", raising=False)
    assert completion.answer({**os.environ, "_KNIT_COMPLETE": "zsh_complete"}) == 1
    assert capfdbinary.readouterr() == (b"", b"")
