"""Kinds of values: what each takes, and that what is written is read as the same."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.config.kinds import Bytes, Choice, Cores, Duration, FilePath, Kind, Proxies, Text, Urls, Whole, YesNo

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
WRITABLE: list[tuple[Kind, st.SearchStrategy[Any]]] = [
    (Text(), TEXTS),
    (FilePath(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0~"))),
    (Choice(("a", "b")), st.sampled_from(["a", "b"])),
    (YesNo(), st.booleans()),
    (Whole(0, 65535), st.integers(0, 65535)),
    (Cores(), st.none() | st.floats(0.001, 1e6)),
    (Bytes(), st.integers(1, 1 << 60)),
    (Bytes(unbounded=True), st.none() | st.integers(0, 60).map(lambda power: 1 << power)),
    (Duration(), st.integers(0, 10**12) | st.integers(0, 36_500).map(lambda days: days * 86_400_000)),
    (Urls(), st.lists(TEXTS.filter(bool)).map(tuple)),
    (Proxies(), st.lists(st.tuples(TEXTS.filter(bool), TEXTS.filter(bool))).map(tuple)),
]


@pytest.mark.parametrize(("kind", "values"), WRITABLE, ids=lambda each: type(each).__name__)
def test_written_is_read_as_the_same(kind: Kind, values: st.SearchStrategy[Any]) -> None:
    """Every value, written as TOML, is read as itself, also as a line with a comment behind it."""

    @given(values)
    def check(value: Any) -> None:
        read = tomllib.loads(f"it = {kind.write(value)}  # a note")
        assert kind.read(read["it"]) == value

    check()


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (YesNo(), "Yes", True), (YesNo(), "0", False), (Whole(0, 9), "7", 7), (Cores(), "500m", 0.5),
        (Cores(), "ALL", None), (Bytes(), "20Gi", 20 << 30), (Bytes(), "1.5k", 1500), (Bytes(True), "all", None),
        (Duration(), "30s", 30_000), (Duration(), "1.5", 1500), (Duration(), "1d12h", 129_600_000),
        (Duration(), "250ms", 250), (Urls(), " http://a  http://b ", ("http://a", "http://b")),
        (Proxies(), "/a=http://b/?c=d /e=http://f", (("/a", "http://b/?c=d"), ("/e", "http://f"))),
        (Choice(("auto",)), "Auto", "auto"),
    ],
)  # fmt: skip
def test_text_of_people(kind: Kind, text: str, value: Any) -> None:
    """In variables and flags, units and words are understood."""
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Text(), 1), (Text(), "a\nb"), (FilePath(), "a\0b"), (FilePath(), 3), (YesNo(), 1), (YesNo(), "true"),
        (Whole(0, 9), 10), (Whole(0, 9), True), (Whole(0, 9), "7"), (Whole(0, 9), 7.0), (Cores(), 0), (Cores(), -1),
        (Cores(), float("inf")), (Cores(), float("nan")), (Cores(), "many"), (Cores(), True), (Bytes(), 0),
        (Bytes(), "all"), (Bytes(), 1.5), (Bytes(), "-1Gi"), (Bytes(), "0.1"), (Duration(), -1), (Duration(), "3x"),
        (Duration(), ""), (Duration(), "d"), (Duration(), True), (Duration(1000), 0.5), (Duration(0, 1000), "2s"),
        (Duration(), float("nan")), (Duration(), "99999999d"), (Urls(), "http://a"), (Urls(), [1]), (Urls(), [""]),
        (Proxies(), {"path": "/a", "proxy_to": "b"}), (Proxies(), [{"path": "/a"}]),
        (Proxies(), [{"path": "/a", "proxy_to": "b", "more": 1}]), (Proxies(), [{"path": 1, "proxy_to": "b"}]),
        (Choice(("auto",)), "other"), (Choice(("auto",)), 1),
    ],
)  # fmt: skip
def test_refused(kind: Kind, value: Any) -> None:
    """A wrong type, a value out of range, a wrong unit: all are refused in the same way."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is made where the setting is known
        kind.read(value)


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever stands in a variable is understood or refused, and never an error of another kind."""
    for kind, _ in WRITABLE:
        try:
            kind.parse(text)
        except ValueError:
            continue
