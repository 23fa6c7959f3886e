"""Addresses: what names the Data, and what the file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_lab.filesystem import addresses


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("knit://4f2a/a/b.csv", "4f2a/a/b.csv"), ("4f2a/a/b.csv", "4f2a/a/b.csv"), ("knit://", ""), ("", ""), ("/", ""),
        ("knit:///4f2a//a/", "4f2a/a"), ("knit://type:raw,p:x/t.csv", "type:raw,p:x/t.csv"), ("/4f2a/", "4f2a"),
    ],
)  # fmt: skip
def test_plain(written: str, plain: str) -> None:
    """Without the scheme, and with single slashes between names; plain stays plain."""
    assert addresses.plain(written) == plain
    assert addresses.plain(plain) == plain


@pytest.mark.parametrize(
    ("head", "tags"),
    [
        ("4f2a", None), ("4f2a0000-0000", None), ("table.csv", None), ("", None),
        ("type:raw", ("type:raw",)), ("type:raw,project:x", ("project:x", "type:raw")),
        ("project:x,type:raw,project:x", ("project:x", "type:raw")), ("type%3Araw", ("type:raw",)),
        ("where:a%2Fb%2Cc%25d", ("where:a/b,c%d",)), ("a:b%20c", ("a:b c",)), ("a:b c", ("a:b c",)),
        ("a:b+c", ("a:b+c",)),
        ("at:10:30", ("at:10:30",)), ("knit%23id:x", ("knit#id:x",)), ("knit#id:x", ("knit#id:x",)),
    ],
)  # fmt: skip
def test_tags(head: str, tags: tuple[str, ...] | None) -> None:
    """With a colon in it, it is tags, percent-encoded, in any order; else the beginning of an id."""
    assert addresses.tags(head) == tags


@pytest.mark.parametrize("head", ["type:raw,", ",type:raw", "type:raw,project"])
def test_what_is_no_tag(said: Callable[..., str], head: str) -> None:
    """Among tags, a word without a colon is a mistake."""
    assert "tag parse error" in said(lambda: addresses.tags(head))


def test_url(said: Callable[..., str]) -> None:
    """What is written is read back; nothing at all is refused."""
    assert addresses.url("4f2a") == "knit://4f2a"
    assert addresses.url("type:raw", "a:b/c, d", path="x/t.csv") == "knit://type:raw,a:b%2Fc%2C%20d/x/t.csv"
    assert addresses.url("a:b::c") == "knit://a:b%3A%3Ac"
    assert "nothing" in said(addresses.url)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(st.tuples(WORDS.filter(lambda key: ":" not in key and not key.startswith("knit#")), WORDS), min_size=1))
def test_every_tag_has_an_address(pairs: list[tuple[str, str]]) -> None:
    """Whatever is in tags: one address, which fsspec takes for one, and which reads as these tags."""
    tags = [f"{key}:{value}" for key, value in pairs]
    written = addresses.url(*tags, path="a.csv")
    head, inside = addresses.split(addresses.plain(written))
    assert (addresses.tags(head), inside) == (tuple(sorted(set(tags))), "a.csv")
    assert "::" not in written.removeprefix("knit://")
    assert not set(head) & set("*?[]/ ")
