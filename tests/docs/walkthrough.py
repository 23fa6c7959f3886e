"""A page that is a transcript: the commands of docs/getting-started.md are given to a real server, the output compared.

    python tests/docs/walkthrough.py            play the page; say where it differs
    python tests/docs/walkthrough.py --write    play it, and write what was really printed into the page

What a page is made of (an HTML comment stands in the line before a fence):

    ```console                     commands behind `$ `, each with what it prints on stdout and stderr
    <!-- file: NAME --> ```...     a file that the reader makes
    <!-- server --> ```console     the command that goes on in a terminal of its own
    <!-- exit 1 --> ```console     its last command ends with this exit code; the others with 0
    <!-- unsteady --> ```console   what is printed depends on the moment, so it is neither compared nor written anew

A line `...` stands for any number of lines. Ids, times, digests, versions and ports may be others than in the page, but
an id must stand for the same thing throughout; it is replaced in commands by the one that it stands for.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
READERS_HOME = "/home/you"
"""The home directory of whoever reads the page."""
READERS_PORT = 8787
PATIENCE = 120.0

_FENCE = re.compile(r"(?:^<!-- (?P<mark>[^>]*) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"\b[0-9a-f]{8}(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?\b")
_RULES = (
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b(?!-)(?<!-[0-9a-f]{12})"), "<digest>"),
    (_ID, "<id>"),
    (re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d"), "<stamp>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"\b(?:now\b|\d+[smhd] ago\b) *"), "<ago>  "),
    (re.compile(r"(http://127\.0\.0\.1):\d+"), r"\1:<port>"),
    (re.compile(r"sandbox \w+"), "sandbox <sandbox>"),
    (re.compile(r'File "[^"]*(/app/)'), r'File "\1'),  # a program in the weaker sandbox sees where it really is
    (re.compile(r"\b3\.\d+\.\d+\b"), "<python>"),
    (re.compile(r"   *"), "  "),
)
_PASSED_OVER = re.compile(r"[\s|]*[~^]+|note: .*|warning: .*|.* (?:waiting|ready|starting|running|completing) +\S+")
"""Lines that come or do not: Python's marks in a traceback, notes about this machine, statuses on the way."""
ANY = "..."


class Differs(Exception):
    """The page is not what happens."""


@dataclass(frozen=True)
class Step:
    """A command of the page with what it prints there, and where that stands."""

    command: str
    printed: tuple[str, ...]
    begin: int
    end: int
    code: int = 0
    unsteady: bool = False
    is_server: bool = False


@dataclass(frozen=True)
class File:
    """A file that the reader makes."""

    name: str
    text: str


def parse(page: str) -> list[Step | File]:
    """Return what the reader does, in order."""
    found: list[Step | File] = []
    for fence in _FENCE.finditer(page):
        mark = fence["mark"] or ""
        if mark.startswith("file: "):
            found.append(File(mark.removeprefix("file: "), fence["body"]))
        elif fence["kind"] == "console":
            found += _steps(fence["body"], fence.start("body"), mark)
    return found


def _steps(body: str, at: int, mark: str) -> Iterator[Step]:
    starts = [match.start() for match in re.finditer(r"^\$ ", body, re.MULTILINE)]
    assert starts[:1] == [0], f"a block of commands begins with one: {body[:60]!r}"
    for begin, end in zip(starts, [*starts[1:], len(body)], strict=True):
        command, _, printed = body[begin:end].partition("\n")
        code = int(mark.split()[1]) if mark.startswith("exit ") and end == len(body) else 0
        yield Step(
            command=command[2:], printed=tuple(printed.splitlines()), begin=at + begin, end=at + end, code=code,
            unsteady=mark == "unsteady", is_server=mark == "server",
        )  # fmt: skip


def normal(line: str) -> str:
    """Return a line with everything replaced that may differ."""
    for form, stands in _RULES:
        line = form.sub(stands, line)
    return line.rstrip()


class Ids:
    """Which id of the page stands for which of this run."""

    def __init__(self) -> None:
        self.real: dict[str, str] = {}

    def learn(self, page: str, real: str) -> None:
        """Compare two lines that are alike but for their ids. Raises `Differs` for one that stood for another."""
        here, there = _ID.findall(page), _ID.findall(real)
        for ours, theirs in zip(here, there, strict=True) if len(here) == len(there) else ():  # else a path has some
            known = self.real.setdefault(ours[:8], theirs[:8])
            if known != theirs[:8]:
                raise Differs(f"{ours} stood for {known} before, and now for {theirs}: {page}")
            if len(theirs) > 8:
                self.real[ours] = theirs

    def translate(self, text: str) -> str:
        """Return a text of the page with the ids of this run."""
        return _ID.sub(lambda match: self.real.get(match[0], self.real.get(match[0][:8], match[0])), text)


def align(page: Sequence[str], real: Sequence[str]) -> list[tuple[str, str]] | None:
    """Pair the lines of the page with those that were printed; `...` and lines that come or do not have no partner."""
    ours = [line for line in page if not _PASSED_OVER.fullmatch(line)]
    theirs = [line for line in real if not _PASSED_OVER.fullmatch(line)]
    parts: list[list[str]] = [[]]
    for line in ours:
        if line == ANY:
            parts.append([])
        else:
            parts[-1].append(line)
    pairs: list[tuple[str, str]] = []
    at = 0
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        places = [0] if first else range(at, len(theirs) - len(part) + 1)
        if last and not first:
            places = [len(theirs) - len(part)] if len(theirs) - len(part) >= at else []
        place = next((it for it in places if _alike(part, theirs[it : it + len(part)])), None)
        if place is None or (last and place + len(part) != len(theirs)):
            return None
        pairs += zip(part, theirs[place : place + len(part)], strict=True)
        at = place + len(part)
    return pairs


def _alike(page: Sequence[str], real: Sequence[str]) -> bool:
    return [normal(line) for line in page] == [normal(line) for line in real]


class Reader:
    """Somebody who does what the page says, in a home directory of his own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ids = Ids()
        self.folder = home
        self._left = contextlib.ExitStack()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KNIT", "LC_", "JUPYTER"))}
        programs = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        self._environ = kept | {"HOME": str(home), "PATH": programs, "LANG": "C.UTF-8", "TZ": "UTC", "KNIT_PORT": "0"}

    def __enter__(self) -> Reader:
        self.home.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._left.close()

    def make(self, file: File) -> None:
        """Write a file as the page has it."""
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")

    def give(self, step: Step) -> list[str]:
        """Give a command and return the lines it prints. Raises `Differs` for another exit code than in the page."""
        command = self.ids.translate(step.command).replace(READERS_HOME, str(self.home))
        if step.is_server:
            return [self._shown(line) for line in self._serve(command, len(step.printed))]
        place = self.home / ".place"
        folder, kept = (shlex.quote(str(path)) for path in (self.folder, place))
        script = f"cd {folder} || exit 99\n{command}\ncode=$?\npwd > {kept}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=self._environ, timeout=PATIENCE, check=False,
        )  # fmt: skip
        self.folder = Path(place.read_text().rstrip("\n")) if place.exists() else self.folder
        if done.returncode != step.code:
            raise Differs(f"$ {command}\nends with {done.returncode}, in the page with {step.code}:\n{done.stdout}")
        return [self._shown(line) for line in done.stdout.splitlines()]

    def _shown(self, line: str) -> str:
        return re.sub(r"(http://127\.0\.0\.1):\d+", rf"\1:{READERS_PORT}", line.replace(str(self.home), READERS_HOME))

    def _serve(self, command: str, lines: int) -> list[str]:
        """Start the server and return its last `lines` lines at the start; it ends with the reader."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=self._environ, cwd=self.folder,
        )  # fmt: skip
        assert process.stdout is not None
        self._left.callback(process.wait, PATIENCE)
        said: list[str] = []
        while not (said and said[-1].startswith("next: ")):
            line = process.stdout.readline()
            if not line:
                raise Differs(f"$ {command}\nended:\n{''.join(said)}")
            said.append(line.rstrip("\n"))
        reader = threading.Thread(target=process.stdout.read)  # so that its pipe is never full
        reader.start()
        self._left.callback(process.stdout.close)
        self._left.callback(reader.join)
        self._left.callback(process.send_signal, signal.SIGTERM)
        return said[-lines:] if lines else said


def play(page: str, home: Path, *, strict: bool = True) -> str:
    """Do all that `page` says and return it as it would be written now.

    Raises `Differs` where something else happens; with `strict` off, only where the page cannot be followed.
    """
    pieces: list[tuple[bool, str]] = []  # whether it is the page's, with its ids, and the text
    at = 0
    with Reader(home) as reader:
        for each in parse(page):
            if isinstance(each, File):
                reader.make(each)
                continue
            real = reader.give(each)
            pieces += [(True, f"{page[at : each.begin]}$ {each.command}\n")]
            pieces += [(each.unsteady, f"{line}\n") for line in _new(each, real, reader.ids, strict)]
            at = each.end
        pieces.append((True, page[at:]))
        return "".join(reader.ids.translate(text) if is_ours else text for is_ours, text in pieces)


def _new(step: Step, real: list[str], ids: Ids, strict: bool) -> Sequence[str]:
    """Return the lines that the page should have below a command."""
    if step.unsteady:
        return step.printed
    pairs = align(step.printed, real)
    if pairs is None:
        if strict or ANY in step.printed:
            raise Differs(_difference(step, real))
        pairs = list(
            zip(*(dict.fromkeys(_ID.findall("\n".join(lines))) for lines in (step.printed, real)), strict=False)
        )
    for ours, theirs in pairs:
        ids.learn(ours, theirs)
    if ANY not in step.printed:
        return real
    partners = iter(pairs)
    return [line if line == ANY else next(partners)[1] for line in step.printed if not _PASSED_OVER.fullmatch(line)]


def _difference(step: Step, real: list[str]) -> str:
    ours, theirs = ([normal(line) for line in lines] for lines in (step.printed, real))
    return "\n".join(
        [f"$ {step.command}", *difflib.unified_diff(ours, theirs, "the page", "what is printed", lineterm="")]
    )


def main(arguments: list[str]) -> int:
    """Play the page; with --write, write it anew."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="knit-page-") as folder:
        try:
            new = play(page, Path(folder, "you"), strict="--write" not in arguments)
        except Differs as err:
            print(f"{PAGE.name}: {err}", file=sys.stderr)
            return 1
    if "--write" in arguments:
        PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
