"""Tags: reading, checking, normal form, digest."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import tags, times
from knit_server.domain.errors import InvalidInput
from knit_server.domain.tags import Tag

words = st.text(max_size=6)
any_tags = st.builds(Tag, words, words)
few = st.sampled_from(["", "a", "b", "é", "名", "🙂", "a\nb", '"', "\\", " "])
plain_tags = st.builds(Tag, few.filter(lambda key: ":" not in key), few)
stamps = st.sampled_from(["2026-01-01T12:00:00Z", "2026-01-01T21:00:00+09:00", "2026-01-01T12:00:00.001Z"])
stamp_tags = st.builds(Tag, st.just(tags.TIMESTAMP), stamps)


@pytest.mark.parametrize("text", ["aaa:bbb:ccc", "aaa :bbb:ccc", "aaa: bbb:ccc", " aaa:bbb:ccc\t"])
def test_cut_at_the_first_colon(text: str) -> None:
    """Key and value are cut at the first colon and trimmed; values may hold colons (scenario 1)."""
    assert tags.parse(text) == Tag("aaa", "bbb:ccc")


def test_empty_halves_are_legal() -> None:
    """A colon is all a tag needs (scenario 2)."""
    assert [tags.parse(text) for text in (":", "k:", ":v")] == [Tag("", ""), Tag("k", ""), Tag("", "v")]


@pytest.mark.parametrize("text", ["", "key", " ", "🙂"])
def test_no_colon_no_tag(text: str) -> None:
    """Text without a colon is refused in the words that users of Knitfab know (scenario 2)."""
    with pytest.raises(InvalidInput, match=r"tag parse error: .*:no key"):
        tags.parse(text)


def test_normal_form() -> None:
    """Exact duplicates go, the rest is sorted by key, then value (scenario 4)."""
    given_tags = [Tag("b", "1"), Tag("a", "2"), Tag("a", "2")]
    assert tags.normal(given_tags) == (Tag("a", "2"), Tag("b", "1"))


def test_equal_instants_are_duplicates() -> None:
    """Of two timestamps naming one instant the first one's text stays (scenario 5)."""
    first, second = (Tag(tags.TIMESTAMP, f"2024-01-01T{hour}") for hour in ("12:34:56.888+00:00", "15:34:56.888+03:00"))
    assert tags.normal([first, second]) == (first,)
    assert tags.normal([second, first]) == (second,)
    assert tags.canonical(first) == tags.canonical(second) == f"{tags.TIMESTAMP}:2024-01-01T12:34:56.888+00:00"


@given(st.lists(plain_tags | stamp_tags))
def test_normal_form_is_one_per_set(given_tags: list[Tag]) -> None:
    """The normal form is sorted, has no duplicates, is its own normal form, and every given tag's meaning is in it."""
    result = tags.normal(given_tags)
    assert tags.normal(result) == result
    assert list(result) == sorted(result, key=lambda tag: (tag.key.encode(), tag.value.encode()))
    meanings = {tags.canonical(tag) for tag in result}
    assert len(meanings) == len(result)
    assert meanings == {tags.canonical(tag) for tag in given_tags}
    assert set(result) <= set(given_tags)


@given(st.lists(plain_tags))
def test_normal_form_does_not_depend_on_order(given_tags: list[Tag]) -> None:
    """Any order of the same tags has the same normal form."""
    assert tags.normal(given_tags) == tags.normal(reversed(given_tags))


def test_byte_order() -> None:
    """Tags are sorted by the bytes of UTF-8, as a database with the C collation does."""
    assert [tag.key for tag in tags.normal(Tag(key, "") for key in ("é", "z", "Z", "🙂", "ﬁ"))] == [
        "Z",
        "z",
        "é",
        "ﬁ",
        "🙂",
    ]


@pytest.mark.parametrize("key", ["knit#id", "knit#timestamp", "knit#transient", "knit#x", "knit#"])
def test_users_cannot_give_system_tags(key: str) -> None:
    """A tag change may name no key of Knit's (scenario 6), whatever the value."""
    for value in ("", "processing", "2026-01-01T12:00:00Z"):
        with pytest.raises(InvalidInput):
            tags.require_user([Tag("a", "b"), Tag(key, value)])
    with pytest.raises(InvalidInput, match="reserved"):
        tags.refuse_system_key(key)


def test_what_is_near_a_system_key_is_the_users() -> None:
    """Only the exact prefix is reserved."""
    near = [Tag("Knit#id", "x"), Tag("knit", "x"), Tag("xknit#id", "x")]
    assert tags.require_user(near) == tags.user(near) == tags.normal(near)
    assert tags.user([Tag(tags.ID, "x"), Tag("a", "b")]) == (Tag("a", "b"),)


@pytest.mark.parametrize(
    "tag",
    [Tag("a:b", "c"), Tag(" knit#id", "fake"), Tag("knit#transient", "purged"), Tag("knit#timestamp", "today"),
     Tag("knit#timestamp", "0001-01-01T00:00:00+10:00"), Tag("a\0", "b"), Tag("a", "b\0"),
     Tag("\ud800", "x"), Tag("x", "\udfff"), Tag("k" * (tags.MAX_KEY + 1), ""), Tag("", "v" * (tags.MAX_VALUE + 1))],
    ids=lambda tag: ascii(str(tag)[:30]),
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(tag: Tag) -> None:
    """NUL, half characters, too long ones, bad system values, and keys whose text would be read as another tag."""
    with pytest.raises(InvalidInput) as caught:
        tags.check(tag)
    str(caught.value).encode()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "tag",
    [Tag("k" * tags.MAX_KEY, "v" * tags.MAX_VALUE), Tag("quote\"", "back\\slash"), Tag("line\nbreak", "\r\n"),
     Tag("🙂", "🏳️‍🌈"),
     Tag("knit#timestamp", "2026-01-01T12:00:00Z"), Tag("knit#transient", "failed"), Tag("knit#id", "anything")],
    ids=lambda tag: ascii(str(tag)[:30]),
)  # fmt: skip
def test_what_can_be_kept(tag: Tag) -> None:
    """Everything else is legal, up to the limits themselves (scenario 7)."""
    assert tags.check(tag) is tag


@given(any_tags)
def test_check_takes_or_refuses(tag: Tag) -> None:
    """Any tag is taken or refused, and what is taken as it would be typed survives its text form."""
    try:
        tags.check(tag)
    except InvalidInput:
        return
    trimmed = Tag(tag.key.strip(), tag.value.strip())
    assert tags.parse(str(tag)) == trimmed
    assert tags.parse(str(trimmed)).is_system == tag.is_system


@given(any_tags.filter(lambda tag: str(tag).isprintable()), any_tags.filter(lambda tag: str(tag).isprintable()))
def test_digests_tell_tags_apart(one: Tag, other: Tag) -> None:
    """Equal tags have equal digests of 16 bytes; a colon moved from key to value makes another tag."""
    assert len(tags.digest(one)) == 16
    assert (tags.digest(one) == tags.digest(other)) == (one == other)


def test_digest_is_fixed() -> None:
    """Databases keep digests: they must never change. Key and value are not simply joined."""
    assert tags.digest(Tag("type", "raw")).hex() == "832dfacbe79c553dce48df1f95cb3abe"
    assert len({tags.digest(tag) for tag in (Tag("ab", "c"), Tag("a", "bc"), Tag("", "abc"), Tag("abc", ""))}) == 4


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([0, 540, -330]))
def test_canonical_timestamps(instant: int, offset: int) -> None:
    """Inside identities an instant has one text, whatever zone it was written in."""
    zone = timezone(timedelta(minutes=offset))
    tag = Tag(tags.TIMESTAMP, times.format_instant(instant, zone))
    assert tags.canonical(tag) == f"{tags.TIMESTAMP}:{times.format_instant(instant)}"
