"""The words behind `%%knit plan`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import pytest

from knit_cli.frame import Root
from knit_cli.hosting import WrongWords
from knit_cli.main import hosted
from knit_lab.magics.cells.words import CellWords
from knit_lab.magics.tree import CELL
from knit_server.client.api import KnitClient
from knit_server.domain.errors import InvalidInput


class Keeps:
    """A host that has no server."""

    def __init__(self) -> None:
        self.found: Any = None

    @property
    def stdout(self) -> IO[bytes]:
        raise AssertionError

    def client(self, root: Root) -> KnitClient:
        raise AssertionError

    def take(self, command: str, value: object, about: Mapping[str, Any]) -> None:
        self.found = value

    def say(self, text: str) -> None:
        raise AssertionError

    @contextlib.contextmanager
    def progress(self, total: int | None) -> Iterator[Any]:
        raise AssertionError
        yield


def read(*words: str) -> CellWords:
    host = Keeps()
    assert hosted(["plan", *words], host, CELL) == 0
    assert isinstance(host.found, CellWords)
    return host.found


def test_all_of_them() -> None:
    """Everything that can be said."""
    found = read(
        "clean", "--in", "raw=type:raw,project:x", "-i", "more=knit#id:1", "-o", "made=type:clean", "--arg", "rate=0.5",
        "--log", "type:mine", "--image", "lab/x:1", "--cpu", "2", "--memory", "4Gi", "--apply", "--no-local",
        "--replace", "--to", "plan",
    )  # fmt: skip
    assert found == CellWords(
        name="clean", action="apply", locally=False, inputs={"raw": ["type:raw", "project:x"], "more": ["knit#id:1"]},
        outputs={"made": ["type:clean"]}, log=["type:mine"], args={"rate": "0.5"}, image="lab/x:1",
        resources={"cpu": "2", "memory": "4Gi"}, replace=True, to="plan",
    )  # fmt: skip


def test_what_is_meant_without_them() -> None:
    """It is tried here, and keeps a log."""
    assert read("clean") == CellWords(name="clean", action="try", locally=True, log=["type:log", "cell:clean"])
    assert read("clean", "--no-log").log is None
    assert read("clean", "--apply").locally
    assert not read("clean", "--dry-run").locally
    assert read("clean", "--dry-run", "--local").locally


@pytest.mark.parametrize(
    ("word", "tags"),
    [
        ("raw=a:b", ["a:b"]),
        ("raw= a:b , c:d ", ["a:b", "c:d"]),
        ("raw=title:one, two,kind:x", ["title:one, two", "kind:x"]),
        (r"raw=t:one\,x:two", ["t:one,x:two"]),
        ("raw=time:2026-01-01T10:00,a:b=c", ["time:2026-01-01T10:00", "a:b=c"]),
    ],
)
def test_tags(word: str, tags: list[str]) -> None:
    """Tags with commas between them, and within them."""
    assert read("x", "--in", word).inputs["raw"] == tags


def test_a_name_again_adds_tags() -> None:
    """So that a tag can be given by itself."""
    assert read("x", "--in", "raw=a:b", "--in", "raw=c:d").inputs == {"raw": ["a:b", "c:d"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "NAME missing"),
        (["a b"], "NAME is made of letters, digits"),
        (["x", "--in", "raw"], "--in is NAME=..., not 'raw'"),
        (["x", "--in", "my-raw=a:b"], "'my-raw' cannot be a name in the cell"),
        (["x", "--out", "class=a:b"], "'class' cannot be a name in the cell"),
        (["x", "--out", "_x=a:b"], "'_x' cannot be a name in the cell"),
        (["x", "--out", "made=knit#id:1"], "tags that start with knit# are Knit's own"),
        (["x", "--apply", "--dry-run"], "--apply and --dry-run exclude each other"),
        (["x", "--apply", "--local", "--no-local"], "--local and --no-local exclude each other"),
        (["x", "--log", "a:b", "--no-log"], "--log and --no-log exclude each other"),
        (["x", "--replace"], "--replace goes with --apply"),
        (["x", "--to", "a.b"], "--to: 'a.b' cannot be a name"),
        (["x", "--no-local"], "--no-local leaves nothing to do"),
        (["x", "--ni", "raw=a:b"], "unknown flag: --ni"),
    ],
)
def test_wrong_words(words: list[str], told: str) -> None:
    """Wrong words are refused with the help page as advice."""
    with pytest.raises(WrongWords) as caught:
        read(*words)
    assert told in caught.value.reason
    assert "%%knit plan -- Make a Plan of the cell." in (caught.value.advice or "")


def test_wrong_tags() -> None:
    """A tag that is none names its flag."""
    with pytest.raises(InvalidInput, match=r"nonsense.*--in"):
        read("x", "--in", "raw=nonsense")
