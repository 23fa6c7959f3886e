"""Tags as people give them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from knit_lab.components.tag_input import TagInput, given, wanted
from knit_lab.session import Session

HOSTILE = "x:<script>alert(1)</script>\"'\u202e" + "y" * 1000


@pytest.fixture
def field(session: Session) -> Iterator[TagInput]:
    """An empty field."""
    made = TagInput(session)
    yield made
    made.close()


def test_enter_adds_a_tag_once(session: Session) -> None:
    """Enter takes what is written, trimmed; twice the same is one tag, and the field is empty for the next."""
    changes: list[tuple[str, ...]] = []
    field = TagInput(session, ["a:b"], changed=lambda: changes.append(field.value))
    for text in (" type: raw ", "type:raw", ""):
        field.type(text)
        field._text._handle_custom_msg({"event": "submit"}, [])
    assert field.value == ("a:b", "type:raw")
    assert changes == [("a:b", "type:raw")]
    assert field._text.value == ""


def test_a_click_on_a_chip_removes_it(field: TagInput) -> None:
    """Each tag is a chip, and a click takes it away."""
    field.value = ("a:b", "c:d")
    first, _ = field._chips.children
    assert first.tooltip == "Remove a:b"
    first.click()
    assert field.value == ("c:d",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no colon", "tag parse error: no colon :no key"),
        ("knit#id:x", "tag key knit#id is reserved for system tags"),
        ("a:\0", "holds a NUL character"),
    ],
)
def test_what_is_no_tag_is_said(field: TagInput, text: str, said: str) -> None:
    """What cannot be a tag stays in the field, and why is said; correcting it takes the word back."""
    field.type(text)
    assert not field.submit()
    assert said in field.said
    assert field.value == ()
    field.type("good:tag")
    assert field.said == ""
    assert field.submit()


def test_wrong_tags_are_told_while_typing(field: TagInput) -> None:
    """A reserved key is told before Enter; a tag that is not complete yet is no error."""
    field.type("knit#id:x")
    assert "reserved" in field.said
    field.type("knit")
    assert field.said == ""


def test_completion_offers_tags_in_use(session: Session, case: str) -> None:
    """What is typed is completed from the tags in use, but for those that are there already."""
    session.push({"a": b"a"}, [case, f"{case}-2"])
    field = TagInput(session, [case])
    field.type(case[:-1])
    assert field.options == (f"{case}-2",)


def test_tags_to_look_for_may_be_knits_own(session: Session) -> None:
    """Where tags are looked for, those of Knit itself are tags as well."""
    field = TagInput(session, read=wanted)
    field.type("knit#transient:processing")
    assert field.submit()
    assert field.value == ("knit#transient:processing",)


def test_hostile_tags_are_texts(field: TagInput) -> None:
    """A chip bears a short text without control characters; the tag itself is kept as it is."""
    field.value = (HOSTILE, "line:one\ntwo")
    long, lines = field._chips.children
    assert len(long.description) < 70
    assert "\u202e" not in long.tooltip
    assert "\n" not in lines.description
    assert field.value[0] == HOSTILE
    assert str(given(HOSTILE)) == HOSTILE
