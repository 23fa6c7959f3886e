"""Changing a Plan's operation: removals and additions in their order, nothing else touched, all or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import images
from knit_server.domain.editing import AnnotationChange, ResourceChange, ServiceAccountChange
from knit_server.domain.errors import InvalidInput
from knit_server.domain.plans import Annotation, Input, PlanSpec, canonical, check
from knit_server.domain.tags import Tag

SPEC = check(
    PlanSpec(
        image=images.parse("x:1"), inputs=(Input(path="/in", tags=(Tag("a", "1"),)),),
        annotations=(Annotation("k", "1"), Annotation("k", "2"), Annotation("l", "1")),
    )
)  # fmt: skip

NAMES = st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "disk"])


def test_unset_wins_and_no_default_steps_in() -> None:
    """What is both set and unset is gone; an unset cpu has no limit."""
    new = ResourceChange(set={"cpu": "4", "nvidia.com/gpu": "1"}, unset=("cpu", "never")).of(SPEC)
    assert new.resources == {"memory": "1Gi", "nvidia.com/gpu": "1"}


@given(st.dictionaries(NAMES, st.sampled_from(["1", "500m", "2Gi"])), st.lists(NAMES))
def test_resources_change_by_name(wanted: dict[str, str], gone: list[str]) -> None:
    """Each name on its own: gone if unset, else as set, else as before. Identity does not change."""
    new = ResourceChange(set=wanted, unset=tuple(gone)).of(SPEC)
    for name in ("cpu", "memory", "nvidia.com/gpu", "disk"):
        expected = None if name in gone else wanted.get(name, SPEC.resources.get(name))
        assert new.resources.get(name) == expected
    assert canonical(new) == canonical(SPEC)


@pytest.mark.parametrize("wanted", [{"cpu": "much"}, {"cpu": "-1"}, {"c p u": "1"}, {"": "1"}])
def test_wrong_amounts(wanted: dict[str, str]) -> None:
    """A wrong name or amount is refused, also where it is unset in the same breath."""
    with pytest.raises(InvalidInput):
        ResourceChange(set=wanted, unset=tuple(wanted)).of(SPEC)


def test_annotations_are_removed_before_they_are_added() -> None:
    """Keys, then pairs go; what is added stays, even if it is removed in the same change."""
    change = AnnotationChange(
        add=(Annotation("k", "2"), Annotation("m", "")), remove=(Annotation("l", "1"), Annotation("no", "")),
        remove_keys=("k", "none"),
    )  # fmt: skip
    assert [str(each) for each in change.of(SPEC).annotations] == ["k=2", "m="]


@pytest.mark.parametrize("key", ["", "k" * 254, "\0"])
def test_wrong_annotations(key: str) -> None:
    """Keys keep to their rules."""
    with pytest.raises(InvalidInput):
        AnnotationChange(add=(Annotation(key, "v"),)).of(SPEC)


def test_service_account() -> None:
    """It is set and taken away; an empty or impossible one is refused."""
    robot = ServiceAccountChange("robot").of(SPEC)
    assert robot.service_account == "robot"
    assert ServiceAccountChange(None).of(robot) == SPEC
    for name in ("", "a\0b"):
        with pytest.raises(InvalidInput):
            ServiceAccountChange(name).of(SPEC)
