"""Tags: `key:value` pairs that say what a Data is, what an input asks for and what an output gives.

Rules: docs/rules.md, "Tags".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from knit_server.domain import times
from knit_server.domain.errors import InvalidInput

SYSTEM_PREFIX = "knit#"
ID = "knit#id"
TIMESTAMP = "knit#timestamp"
TRANSIENT = "knit#transient"
SYSTEM_KEYS = frozenset({ID, TIMESTAMP, TRANSIENT})

PROCESSING = "processing"
FAILED = "failed"

MAX_KEY = 1024
"""Longest key, in characters."""
MAX_VALUE = 1 << 20
"""Longest value, in characters."""


class Tag(NamedTuple):
    """One `key:value` pair. Keys hold no colon when written as text; values may."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"

    @property
    def is_system(self) -> bool:
        """Whether the key is reserved for Knit itself."""
        return self.key.startswith(SYSTEM_PREFIX)


Tags = tuple[Tag, ...]
"""A set of tags in normal form: sorted by key, then value; see `normal`."""


def parse(text: str) -> Tag:
    """Read `key:value`, cut at the first colon, both halves trimmed. Raises `InvalidInput`."""
    return check(_cut(text))


def parse_wanted(text: str) -> Tag:
    """Read a tag to look for, like `parse`; a `knit#transient` of any value is one, though no Data may have it."""
    tag = _cut(text)
    return tag if tag.key == TRANSIENT else check(tag)


def check(tag: Tag) -> Tag:
    """Refuse what cannot be kept or has no meaning. Raises `InvalidInput`."""
    if len(tag.key) > MAX_KEY or len(tag.value) > MAX_VALUE:
        raise InvalidInput(
            f"the tag {str(tag)[:60]}... is too long",
            advice=f"A key has at most {MAX_KEY} characters, a value {MAX_VALUE}.",
        )
    try:
        str(tag).encode()
    except UnicodeEncodeError as err:
        raise InvalidInput(
            f"the tag {str(tag)!r} is not valid Unicode text", advice="Write it in UTF-8, without half surrogates."
        ) from err
    if ":" in tag.key or (tag.key.strip().startswith(SYSTEM_PREFIX) and not tag.is_system):
        raise InvalidInput(
            f"the tag key {tag.key!r} would be read as another one",
            advice="A key has no colon and no blanks around knit#.",
        )
    if "\0" in tag.key or "\0" in tag.value:
        raise InvalidInput(f"the tag {str(tag)!r} holds a NUL character", advice="Remove it; no database can keep it.")
    if tag.key == TIMESTAMP:
        times.parse_instant(tag.value)
    if tag.key == TRANSIENT and tag.value not in (PROCESSING, FAILED):
        raise InvalidInput(
            f"{TRANSIENT} is not {tag.value!r}", advice=f"Knit knows {TRANSIENT}:{PROCESSING} and {TRANSIENT}:{FAILED}."
        )
    return tag


def normal(tags: Iterable[Tag]) -> Tags:
    """Return the set in normal form: duplicates dropped, sorted by key then value (byte order).

    Two `knit#timestamp` naming the same instant are duplicates; the first one's text is kept.
    """
    first: dict[tuple[str, str | int], Tag] = {}
    for tag in tags:
        first.setdefault((tag.key, _meaning(tag)), tag)
    return tuple(sorted(first.values(), key=lambda tag: (tag.key.encode(), tag.value.encode())))


def user(tags: Iterable[Tag]) -> Tags:
    """Return the tags that are the user's own, in normal form."""
    return normal(tag for tag in tags if not tag.is_system)


def require_user(tags: Iterable[Tag]) -> Tags:
    """Return `tags`, checked, in normal form; raises `InvalidInput` if one is not valid or is a system tag."""
    given = [check(tag) for tag in tags]
    for tag in given:
        refuse_system_key(tag.key)
    return normal(given)


def refuse_system_key(key: str) -> None:
    """Raise `InvalidInput` if `key` is reserved for Knit."""
    if key.startswith(SYSTEM_PREFIX):
        raise InvalidInput(
            f"tag key {key} is reserved for system tags",
            advice=f"Choose a key that does not begin with {SYSTEM_PREFIX}.",
        )


def digest(tag: Tag) -> bytes:
    """Return 16 bytes that stand for the tag in an index (tags may be longer than an index entry can be)."""
    key = tag.key.encode()
    return hashlib.blake2b(len(key).to_bytes(4, "big") + key + tag.value.encode(), digest_size=16).digest()


def canonical(tag: Tag) -> str:
    """Return the text of the tag inside identities: timestamps in UTC, so that equal instants are equal texts."""
    if tag.key == TIMESTAMP:
        return f"{TIMESTAMP}:{times.format_instant(times.parse_instant(tag.value))}"
    return str(tag)


def _cut(text: str) -> Tag:
    key, colon, value = text.partition(":")
    if not colon:
        raise InvalidInput(
            f"tag parse error: {text[:60]} :no key", advice="Write a tag as key:value, for example type:raw."
        )
    return Tag(key.strip(), value.strip())


def _meaning(tag: Tag) -> str | int:
    return times.parse_instant(tag.value) if tag.key == TIMESTAMP else tag.value
