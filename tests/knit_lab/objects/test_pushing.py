"""What can be pushed from a notebook, and what comes back of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from knit_lab.objects import pushing
from knit_lab.objects.data import Data
from knit_lab.session import Session
from knit_server.domain.errors import Conflict, InvalidInput, Unsupported

TABLE = {"word": ["a", "ü"], "number": [1, 2]}


def names(data: Data) -> list[str]:
    return [each["path"] for each in data.files if each["kind"] == "file"]


def content(data: Data) -> dict[str, bytes]:
    return {name: data.path(name).read_bytes() for name in names(data)}


def test_a_directory(session: Session, case: str, tmp_path: Path) -> None:
    """It is pushed as it lies, links as links, and has its tags from the start."""
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "below" / "b.txt").write_text("beta")
    (source / "link").symlink_to("below/b.txt")
    data = session.push(source, [case, "type:raw"])
    assert content(data) == {"below/b.txt": b"beta"}
    assert data.path("link").read_bytes() == b"beta"
    assert set(data.tags) == {case, "type:raw"}
    assert data.is_usable
    data_again = session.data[data.id[:12]]
    assert data_again == data
    assert data_again.tags == data.tags


def test_a_file_by_the_text_of_its_path(
    session: Session, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text is a path, `~` included; one tag need not stand in a list."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("x\n1\n")
    data = session.push("~/a.csv", case)
    assert content(data) == {"a.csv": b"x\n1\n"}
    assert data.tags == (case,)


def test_bytes(session: Session, case: str) -> None:
    """They become one file; `name` names it and is a tag."""
    assert content(session.push(b"abc", case)) == {"data.bin": b"abc"}
    named = session.push(b"abc", case, name="model.pt")
    assert content(named) == {"model.pt": b"abc"}
    assert "name:model.pt" in named.tags


def test_a_mapping_of_file_names(session: Session, case: str, tmp_path: Path) -> None:
    """Bytes, texts, paths and DataFrames side by side, in directories if the names say so."""
    (tmp_path / "tree" / "in").mkdir(parents=True)
    (tmp_path / "tree" / "in" / "f").write_text("f")
    (tmp_path / "one.txt").write_text("one")
    data = session.push(
        {
            "raw": b"\0", "b/text.txt": "ü", "b/array": bytearray(b"x"), "one": tmp_path / "one.txt",
            "tree": tmp_path / "tree", "t.csv": pd.DataFrame(TABLE),
        },
        case,
    )  # fmt: skip
    assert content(data) == {
        "raw": b"\0", "b/text.txt": "ü".encode(), "b/array": b"x", "one": b"one", "tree/in/f": b"f",
        "t.csv": "word,number\na,1\nü,2\n".encode(),
    }  # fmt: skip


@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
@pytest.mark.parametrize("ending", ["parquet", "csv", "json", "feather"])
def test_a_dataframe(session: Session, case: str, library: Any, ending: str) -> None:
    """The ending of the name says the format; what is read of it is what was pushed."""
    frame = library.DataFrame(TABLE)
    data = session.push(frame, case, name=f"words.{ending}")
    read = {
        "parquet": pd.read_parquet, "csv": pd.read_csv, "feather": pd.read_feather,
        "json": lambda file: pd.read_json(file, lines=True),
    }[ending]  # fmt: skip
    with data.open(f"words.{ending}") as file:
        assert read(io.BytesIO(file.read())).to_dict("list") == TABLE


def test_a_dataframe_without_a_name_is_parquet(session: Session, case: str) -> None:
    """With a name that says no format, too; the index of pandas is kept there."""
    frame = pd.DataFrame({"x": [1]}, index=["row"])
    assert names(session.push(frame, case)) == ["table.parquet"]
    data = session.push(frame, case, name="words")
    assert pd.read_parquet(data / "words.parquet").index.tolist() == ["row"]


@pytest.mark.parametrize("name", ["../out", "/abs", "", ".", "a/../../b", "a\0b", 5])
def test_names_that_escape(session: Session, name: Any, said: Any) -> None:
    """A name that is no file below the Data is refused, with an example of one that is."""
    assert said(lambda: session.push({name: b"x"})) == f"not a file name: {name!r}"


def test_what_cannot_be_pushed(session: Session, said: Any, tmp_path: Path) -> None:
    """Each refusal says what was wrong and what may be pushed."""
    assert said(lambda: session.push({})) == "there is nothing to push"
    assert said(lambda: session.push({"a": 5})) == "int cannot be pushed"
    assert said(lambda: session.push(5)) == "int cannot be pushed"
    assert said(lambda: session.push(pd.DataFrame(TABLE), name="a.xlsx")) == "no format is known for a.xlsx"
    assert "it does not exist" in said(lambda: session.push(tmp_path / "none"))
    assert "laying out 'a'" in said(lambda: session.push({"a": tmp_path / "none"}))
    (tmp_path / "empty").mkdir()
    assert "is empty" in said(lambda: session.push(tmp_path / "empty"))
    assert "laying out 'a/b'" in said(lambda: session.push({"a": b"", "a/b": b""}), Conflict)


def test_a_dataframe_that_the_format_cannot_hold(session: Session, said: Any) -> None:
    """What the library says is told, with what can be done."""
    frame = pd.DataFrame({"x": [1, "a", object()]})
    assert said(lambda: session.push(frame, name="t.parquet")).startswith("cannot write the DataFrame as t.parquet: ")


def test_a_library_for_a_format_is_missing(
    session: Session, said: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The one to install is named."""

    def missing(*args: object, **more: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    told = said(lambda: session.push(pd.DataFrame(TABLE)), Unsupported)
    assert told == "writing table.parquet needs a library: no pyarrow"


def test_a_directory_with_what_cannot_be_read(tmp_path: Path, said: Any) -> None:
    """The error names the file in the directory that a mapping brought in."""
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")

    def lay_out() -> None:
        with pushing.laid_out({"t": tmp_path / "tree"}):
            raise AssertionError("a pipe cannot be copied")

    assert said(lay_out).startswith("cannot read ")


def test_tags_that_are_none(session: Session) -> None:
    """A tag without a key or a value is refused before anything is sent."""
    with pytest.raises(InvalidInput):
        session.push(b"x", ["untagged"])


def test_a_warning_of_a_push_is_a_warning_here(session: Session, case: str, tmp_path: Path) -> None:
    """What is left out of a Data, such as a socket or a pipe, is told."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_text("a")
    os.mkfifo(tmp_path / "source" / "pipe")
    with pytest.warns(UserWarning, match="pipe") as told:
        data = session.push(tmp_path / "source", case)
    assert {each.filename for each in told} == {__file__}, "the caller's file is named, not one of Knit's"
    assert names(data) == ["a"]
