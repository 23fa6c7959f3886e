"""A real `knit serve` on a home of its own, and the `knit` command as a person would give it.

Everything lies below one folder: the home, the user's own home with the profile store, the project. `until` is the one
place where a test waits for another process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import pytest

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds until something that must happen is given up; what is healthy takes a small part of it."""
READY = "next: knit init "

Finished = subprocess.CompletedProcess[str]


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def until(what: str, look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Look again and again until there is something to see, and return it; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.03)
    return found


def command() -> list[str]:
    """The `knit` that belongs to this Python: the script beside it, else the module."""
    script = Path(sys.executable).with_name("knit")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "knit_cli.main"]


def hindered() -> list[str]:
    """What makes of root a user who may not read everything; skips the test where that is not possible."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may do everything, and there is no setpriv (util-linux) to take that from it")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]


def environment(user_home: Path) -> dict[str, str]:
    """The environment of a person at a terminal, with nothing of this machine's Knit or locale in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KNIT_", "LC_", "JUPYTER"))}
    return kept | {"HOME": str(user_home), "LANG": "C.UTF-8", "TZ": "UTC"}


class Server:
    """One server and one user of it. `start` and `stop` as often as you like: the home stays."""

    def __init__(self, folder: Path, *flags: str, home: Path | None = None) -> None:
        self.folder = folder
        self.home = home or folder / "home"
        self.user_home = folder / "user"
        self.project = folder / "project"
        self.log = folder / "serve.log"
        self.flags = flags
        for each in (self.user_home, self.project):
            each.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the server ---------------------------------------------------------------------------------------------------

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def handout(self) -> Path:
        """The profile that `knit init` takes."""
        return self.home / "handout" / "knitprofile"

    def start(self) -> None:
        """Start it, and return when it says what to do next; then make the project one of this server."""
        self._process = subprocess.Popen(
            [*command(), "serve", "--home", str(self.home), "--port", "0", *self.flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(self.user_home), cwd=self.folder,
        )  # fmt: skip
        said: deque[str] = deque(maxlen=50)
        ready = threading.Event()
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr, said, ready))
        self._reader.start()
        try:
            until("knit serve is ready", lambda: ready.is_set() or self.process.poll() is not None)
            assert ready.is_set(), f"knit serve ended before it was ready:\n{''.join(said)}"
            self.init(self.project)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Ask it to end; its exit code. It must have kept its stdout clean."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Let it end without a chance to tidy up."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            assert process.stdout is not None
            with process.stdout:
                out = process.stdout.read()
            if self._reader is not None:
                self._reader.join()
        assert out == "", "knit serve keeps its stdout clean"
        return code

    def _read(self, lines: IO[str], said: deque[str], ready: threading.Event) -> None:
        with lines, self.log.open("a") as log:
            for line in lines:
                log.write(line)
                log.flush()
                said.append(line)
                if line.startswith(READY):
                    ready.set()

    # --- the command --------------------------------------------------------------------------------------------------

    def init(self, folder: Path) -> None:
        """Make `folder` a project of this server, as `knit init` does."""
        folder.mkdir(parents=True, exist_ok=True)
        done = self.knit("init", str(self.handout), cwd=folder)
        assert done.returncode == 0, done.stderr

    def also(self, folder: Path) -> Path:
        """Make `folder` a part of the project, without asking `knit init`: it would take a process."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".knitprofile").write_text((self.project / ".knitprofile").read_text())
        return folder

    def knit(
        self, *words: str, cwd: Path | None = None, input: str | None = None, ordinary: bool = False,  # noqa: A002
        seconds: float = PATIENCE,
    ) -> Finished:  # fmt: skip
        """Give a `knit` command and wait for its end. `ordinary`: as a user whom modes of files hinder."""
        return subprocess.run(
            [*(hindered() if ordinary else []), *command(), *words], cwd=cwd or self.project, input=input,
            capture_output=True, text=True, check=False, errors="surrogateescape", timeout=seconds,
            env=environment(self.user_home),
        )  # fmt: skip

    @contextlib.contextmanager
    def begin(self, *words: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Give a `knit` command and do not wait; it is killed at the end if it still runs."""
        with subprocess.Popen(
            [*command(), *words], cwd=cwd or self.project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(self.user_home),
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def ask(self, *words: str, cwd: Path | None = None) -> Any:
        """Give a `knit` command that must work and prints JSON; the JSON."""
        done = self.knit(*words, cwd=cwd)
        assert done.returncode == 0, f"knit {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout)

    # --- the API, for many questions, and for those that the command never asks --------------------------------------

    @property
    def profile(self) -> Any:
        return json.loads(self.handout.read_text())

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
        *, token: str | None = None,
    ) -> Answer:  # fmt: skip
        """Send one request to the API; `token` replaces the right one."""
        root = urlsplit(self.profile["apiRoot"])
        sent = {"Authorization": f"token {self.profile['token'] if token is None else token}", **(headers or {})}
        connection = http.client.HTTPConnection(root.hostname or "", root.port, timeout=PATIENCE)
        try:
            with contextlib.suppress(ConnectionError):  # a server may answer, and close, before it has seen all of it
                connection.request(method, root.path + path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Ask the API for JSON that must be there."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.json

    # --- what tests do again and again --------------------------------------------------------------------------------

    def build_act(self) -> None:
        """Build the image `act:1`, whose program does as its arguments say."""
        done = self.knit("image", "build", "-t", "act:1", str(Path(__file__).parent / "act"))
        assert done.returncode == 0, done.stderr

    def push(self, source: Path | str, *tags: str) -> Any:
        """Push a Data that must arrive."""
        return self.ask("data", "push", *(word for tag in tags for word in ("-t", tag)), str(source))

    def apply(self, text: str) -> Any:
        """Apply a plan file that must be taken; the file is of this moment only."""
        file = self.project / "a.plan.yaml"
        file.write_text(text)
        return self.ask("plan", "apply", str(file))

    def run_of(self, plan_id: str, *statuses: str) -> Any:
        """Wait for the one Run of a Plan to stand at one of `statuses`; by default, to end."""
        wanted = statuses or ("done", "failed")

        def look() -> Any:
            runs = self.get(f"/runs?plan={plan_id}")
            assert len(runs) <= 1, "one Run was expected"
            return runs[0] if runs and runs[0]["status"] in wanted else None

        return until(f"a Run of Plan {plan_id} is {' or '.join(wanted)}", look)

    def data(self, tag: str) -> Any:
        """The Data with a tag, as the API has them."""
        from urllib.parse import quote

        return self.get(f"/data?tag={quote(tag, safe='')}")


def plan(
    image: str, args: Sequence[str] = (), *, asks: str, gives: str | None = None, log: str | None = None,
    extra: str = "",
) -> str:  # fmt: skip
    """Write a plan file: one input `/in`, one output `/out` if it `gives` a tag, a `log` with a tag."""
    lines = [f"image: {image}", f"args: {json.dumps(list(args))}", "inputs:"]
    lines += ["  - path: /in", f"    tags: [{json.dumps(asks)}]"]
    if gives is not None:
        lines += ["outputs:", "  - path: /out", f"    tags: [{json.dumps(gives)}]"]
    if log is not None:
        lines += [f"log: {{tags: [{json.dumps(log)}]}}"]
    return "\n".join([*lines, extra, ""])


def clean(done: Finished) -> str:
    """The stderr of a command that must not have said anything on stdout."""
    assert done.stdout == "", f"stdout is for results only: {done.stdout[:500]}"
    return done.stderr


def refused(done: Finished, *words: str, code: int = 1) -> str:
    """Check that a command was refused with a clear message: exit code, words, clean stdout, no traceback."""
    told = clean(done)
    assert done.returncode == code, f"exit code {done.returncode}, not {code}: {told}"
    assert "Traceback" not in told, told
    for word in words:
        assert word in told, f"{word!r} is not in:\n{told}"
    return told


STAMP = re.compile(r"\[knit [a-z ]+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")


def unstamped(stderr: str) -> list[str]:
    """The log lines of a command without their stamps."""
    return [STAMP.sub("", line) for line in stderr.splitlines()]
