"""Commands inside another program: results go to the host as they are, texts and remarks where it wants them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import pytest

from knit_cli import hosting
from knit_cli.frame import Root
from knit_cli.hosting import WrongWords
from knit_cli.main import hosted
from knit_server.client.api import KnitClient
from knit_server.domain.errors import InvalidInput, KnitError, NotFound


class Server:
    """What a server would answer."""

    def find_data(self, tags: Any, **window: Any) -> Any:
        if "a:interrupt" in tags:
            raise KeyboardInterrupt
        if "a:none" in tags:
            raise NotFound("there is none", advice="Push some.")
        if "a:gone" in tags:
            raise FileNotFoundError(2, "No such file or directory", "here")
        return [{"knitId": "4f2a", "tags": [*tags]}]

    def push(self, source: Any, tags: Any, *, progress: Any, sent: Any, **others: Any) -> Any:
        progress(3, "a.txt")
        sent()
        return {"knitId": "4f2a", "tags": [*tags]}


class Host:
    """Keeps everything that it is given."""

    def __init__(self) -> None:
        self.stdout = cast("IO[bytes]", io.BytesIO())
        self.roots: list[Root] = []
        self.taken: list[tuple[str, Any, Mapping[str, Any]]] = []
        self.said: list[str] = []
        self.steps: list[tuple[int, str]] = []

    def client(self, root: Root) -> KnitClient:
        self.roots.append(root)
        return cast("KnitClient", Server())

    def take(self, command: str, value: object, about: Mapping[str, Any]) -> None:
        self.taken.append((command, value, about))

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextlib.contextmanager
    def progress(self, total: int | None) -> Iterator[Any]:
        yield lambda done, path: self.steps.append((done, path))

    @property
    def printed(self) -> bytes:
        return cast("io.BytesIO", self.stdout).getvalue()


def test_results_and_flags(capfd: pytest.CaptureFixture[str]) -> None:
    """A result is handed over, with the path of its command; root flags reach who gives the client."""
    host = Host()
    assert hosted(["data", "find", "-t", "a:b", "--profile", "other"], host) == 0
    assert host.taken == [("knit data find", [{"knitId": "4f2a", "tags": ["a:b"]}], {})]
    assert host.roots[0].profile == "other"
    assert host.printed == b""
    assert capfd.readouterr() == ("", ""), "nothing goes past the host"
    assert hosting.present() is None


def test_remarks_and_progress(tmp_path: Path) -> None:
    """Remarks come without stamps; transfers tell the host how far they are."""
    (tmp_path / "a.txt").write_text("abc")
    host = Host()
    assert hosted(["data", "push", "-t", "a:b", str(tmp_path)], host) == 0
    assert host.steps == [(3, "a.txt")]
    assert host.said[0] == f"[[1/1]] sending... {tmp_path}"
    assert host.taken[0][0] == "knit data push"


def test_texts() -> None:
    """What is asked for as a text is written to the host's stdout, help as well."""
    host = Host()
    assert hosted(["version"], host) == 0
    assert b"commit" in host.printed
    assert hosted(["data", "find", "--help"], host) == 0
    assert b"knit data find -- List Data" in host.printed
    assert host.taken == []


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (["data", "find", "-t", "a:none"], KnitError, "there is none"),
        (["data", "find", "-t", "a:gone"], KnitError, "No such file or directory: here"),
        (["data", "find", "-t", "a"], InvalidInput, "a"),
        (["data", "fnd"], WrongWords, "unknown subcommand: fnd; did you mean find?"),
        (["--profile"], WrongWords, "value required: --profile"),
        ([], WrongWords, "no subcommands"),
        (
            ["data", "pull", "3f0c1234-0000-4000-8000-000000000001", "-"],
            InvalidInput,
            "an archive is not written to a notebook",
        ),
    ],
)
def test_errors(words: list[str], kind: type[KnitError], told: str) -> None:
    """What goes wrong is raised, with what helps; wrong words with their help page."""
    with pytest.raises(kind) as caught:
        hosted(words, Host())
    assert told in caught.value.reason
    assert caught.value.advice


def test_interrupts() -> None:
    """Ctrl-C stays what it is."""
    with pytest.raises(KeyboardInterrupt):
        hosted(["data", "find", "-t", "a:interrupt"], Host())
