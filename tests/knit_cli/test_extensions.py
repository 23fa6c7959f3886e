"""Extension commands: found on PATH, told which profile is in use, given their words as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

SHOW = """#!/bin/sh
echo "words:$#:$*"
echo "$KNIT_PROFILE|$KNIT_PROFILE_STORE|$KNIT_ENV" >&2
cat
exit ${CODE:-0}
"""


class Place(NamedTuple):
    """A PATH of two folders, and a project in which `knit` is called."""

    first: Path
    second: Path
    project: Path

    def knit(self, *words: str, text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.first}{os.pathsep}{self.second}{os.pathsep}/usr/bin{os.pathsep}/bin"
        surroundings = {"HOME": str(self.project.parent), "PATH": path, "LANG": "C.UTF-8", **environ}
        return subprocess.run(
            [sys.executable, "-m", "knit_cli.main", *words], cwd=self.project, env=surroundings, input=text,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip


def program(folder: Path, name: str, text: str = SHOW) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "first", tmp_path / "second", tmp_path / "home" / "project")
    for folder in made:
        folder.mkdir(parents=True)
    return made


def test_words_streams_and_environment(place: Place) -> None:
    """All words but the root flags are passed as they are; the streams are its own; values are resolved."""
    program(place.first, "knit-greet")
    (place.project / ".knitprofile").write_text("team\n")
    (place.project / "knitenv").write_text("tag: []\n")
    done = place.knit("greet", "-xn", "--colour=red", "a  b", "-h", "--help", "-", "--", "--profile", "p", text="hi\n")
    assert done.returncode == 0
    assert done.stdout == "words:9:-xn --colour=red a  b -h --help - -- --profile p\nhi\n"
    assert done.stderr == f"team|{place.project.parent}/.knit/profile|{place.project}/knitenv\n"


def test_root_flags_stand_anywhere(place: Place) -> None:
    """The three root flags are taken from before and behind the name, and told instead."""
    program(place.first, "knit-greet")
    done = place.knit("--profile", "p", "greet", "a", "--profile-store=s", "b", "--env", "../e")
    assert done.stdout == "words:2:a b\n"
    assert done.stderr == f"p|{place.project}/s|{place.project.parent}/e\n"


def test_no_profile_is_needed(place: Place) -> None:
    """Without a profile the name is the directory; without a knitenv its variable is empty, whatever it was outside."""
    program(place.first, "knit-greet")
    done = place.knit("greet", KNIT_ENV="/old", KNIT_PROFILE="old")
    assert done.stderr == f"{place.project}|{place.project.parent}/.knit/profile|\n"


def test_a_reader_that_leaves_ends_the_program(place: Place) -> None:
    """As for every program in a pipe, nobody listening is the end."""
    program(place.first, "knit-yes", "#!/bin/sh\nyes\necho still here >&2\n")
    script = f"{sys.executable} -m knit_cli.main yes | head -1"
    path = f"{place.first}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", script], cwd=place.project, env={"HOME": "/", "PATH": path}, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("y\n", "still here\n")


@pytest.mark.parametrize("code", [1, 2, 77, 255])
def test_exit_codes(place: Place, code: int) -> None:
    """The exit code of the program is that of the command, with nothing said about it."""
    program(place.first, "knit-greet", SHOW.replace("echo ", ": "))
    done = place.knit("greet", CODE=str(code))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_killed(place: Place) -> None:
    """A program that is killed by a signal looks so."""
    program(place.first, "knit-die", "#!/bin/sh\nkill -KILL $$\n")
    assert place.knit("die").returncode == -signal.SIGKILL


def test_the_first_on_path(place: Place) -> None:
    """Of two programs the first counts; endings are no part of the name; only programs count."""
    (place.first / "knit-greet").mkdir()
    (place.first / "knit-zebra").write_text("not executable")
    program(place.second, "knit-greet.exe", "#!/bin/sh\necho second\n")
    assert place.knit("greet").stdout == "second\n"
    program(place.first, "knit-greet.cmd", "#!/bin/sh\necho first\n")
    assert place.knit("greet").stdout == "first\n"
    assert place.knit("zebra").stderr.startswith("usage error: unknown subcommand: zebra\n")


def test_an_empty_entry_is_the_current_directory(place: Place) -> None:
    """As for shells."""
    program(place.project, "knit-here", "#!/bin/sh\necho here\n")
    assert place.knit("here", PATH=f"/nowhere{os.pathsep}{os.pathsep}/usr/bin:/bin").stdout == "here\n"
    assert place.knit("here", PATH="/nowhere:/usr/bin").returncode == 2


def test_built_ins_win(place: Place) -> None:
    """A program named like a built-in is not called; only the help warns of it."""
    hidden = program(place.first, "knit-version")
    shown = program(place.second, "knit-greet")
    done = place.knit("version")
    assert done.stdout.startswith("0.")
    assert done.stderr == ""
    page = place.knit("--help").stderr
    told = page.partition("Extensions:\n")[2]
    assert told == (
        f"  {'greet':<28} (= {shown})\n"
        f"  [WARN] {hidden} is hidden by the built-in `knit version`; give it another name to use it\n"
    )
    assert "Extensions" not in place.knit("data", "--help").stderr


def test_unknown_words_show_what_there_is(place: Place) -> None:
    """The usage error for an unknown word lists extensions; without any there is no such section."""
    assert "Extensions" not in place.knit("nope").stderr
    program(place.first, "knit-greet")
    done = place.knit("nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Extensions:\n  greet " in done.stderr


def test_cannot_be_started(place: Place) -> None:
    """A script whose interpreter is missing gives a clear error, no traceback."""
    file = program(place.first, "knit-greet", "#!/no/such/interpreter\n")
    done = place.knit("greet")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{file} cannot be started: No such file or directory\n")


def test_path_is_not_read_for_built_ins(place: Place) -> None:
    """A built-in, and the help of one, never look for programs; an extension loads no heavy library."""
    program(place.first, "knit-greet")
    code = (
        "import sys, knit_cli.main\n"
        "def refuse(*_): raise AssertionError('PATH was read')\n"
        "import os; os.scandir = refuse\n"
        "knit_cli.main.main(['version']); knit_cli.main.main(['data', 'find', '--help'])\n"
        "print('knit_cli.extensions' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
