"""Validation of Plans, rule by rule, and their identity."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import pytest
from domain_world import spec, tag_set
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import images, plans, tags
from knit_server.domain.errors import InvalidInput
from knit_server.domain.ids import PlanId
from knit_server.domain.plans import Annotation, Input, OnNode, Output, Plan, PlanSpec, Preference
from knit_server.domain.tags import Tag

IMAGE = images.parse("lab/x:1")
T = TypeVar("T")
RAW = (Tag("type", "raw"),)
GOOD = PlanSpec(image=IMAGE, inputs=(Input(path="/in", tags=RAW),))


def with_inputs(*paths: str) -> PlanSpec:
    return replace(GOOD, inputs=tuple(Input(path=path, tags=RAW) for path in paths))


def with_tags(*given_tags: Tag) -> PlanSpec:
    return replace(GOOD, inputs=(Input(path="/in", tags=given_tags),))


def with_outputs(*outputs: Output) -> PlanSpec:
    return replace(GOOD, outputs=outputs)


def wish(key: str, value: str, mode: Preference = Preference.MUST) -> PlanSpec:
    return replace(GOOD, on_node=(OnNode(mode, key, value),))


def test_defaults() -> None:
    """A Plan is active and gets one cpu and one gibibyte unless it says otherwise (scenario 20)."""
    checked = plans.check(GOOD)
    assert checked.active
    assert checked.resources == {"cpu": "1", "memory": "1Gi"}
    assert plans.check(replace(GOOD, resources={"cpu": "2"})).resources == {"cpu": "2", "memory": "1Gi"}
    assert plans.check(checked) == checked


BAD_PATHS = ["", "/", "//", "in", "./in", "/a/../b", "/in//x", "/in/./x", "/..", "//in", "/in//", "/a\0b", "/a\ud800",
             "/" + "n" * 256, "/" + "é" * 128, "/n" * 600, " /in"]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: ascii(path[:20]))
def test_bad_paths(path: str) -> None:
    """Paths are absolute, clean, not the root itself, and no longer than can be kept (scenario 8)."""
    for bad in (with_inputs(path), with_outputs(Output(path=path, tags=()))):
        with pytest.raises(InvalidInput) as caught:
            plans.check(bad)
        assert len(str(caught.value)) < 500


def test_no_inputs() -> None:
    """A Plan without inputs would never run (scenario 8); one without outputs is legal."""
    with pytest.raises(InvalidInput, match="no inputs"):
        plans.check(replace(GOOD, inputs=()))
    assert plans.check(GOOD).outputs == ()


@pytest.mark.parametrize(
    "wrong",
    [(), (Tag(tags.ID, "a"), Tag(tags.ID, "b")),
     (Tag(tags.TIMESTAMP, "2026-01-01T00:00:00Z"), Tag(tags.TIMESTAMP, "2026-01-01T00:00:01Z")),
     (Tag(tags.TRANSIENT, "processing"),), (Tag("knit#foo", "x"),), (Tag(tags.TIMESTAMP, "now"),), (Tag("a", "\0"),)],
    ids=str,
)  # fmt: skip
def test_bad_input_tags(wrong: tuple[Tag, ...]) -> None:
    """No tag, contradicting system tags, transient and unknown system tags are refused (scenario 9)."""
    with pytest.raises(InvalidInput):
        plans.check(with_tags(*wrong))


def test_repeated_system_tags_are_one() -> None:
    """The same id twice, and one instant in two zones, ask for one thing (scenario 9)."""
    same = [Tag(tags.ID, "a"), Tag(tags.ID, "a"), Tag(tags.TIMESTAMP, "2026-01-01T00:00:00Z")]
    checked = plans.check(with_tags(*same, Tag(tags.TIMESTAMP, "2026-01-01T09:00:00+09:00")))
    assert checked.inputs[0].tags == (Tag(tags.ID, "a"), Tag(tags.TIMESTAMP, "2026-01-01T00:00:00Z"))


@pytest.mark.parametrize("key", ["knit#id", "knit#timestamp", "knit#transient", "knit#x"])
def test_products_give_no_system_tags(key: str) -> None:
    """Outputs and log may have no tags at all, but none of Knit's (scenario 10)."""
    wrong = (Tag(key, "2026-01-01T00:00:00Z" if key == tags.TIMESTAMP else "failed"),)
    for bad in (with_outputs(Output(path="/out", tags=wrong)), replace(GOOD, log=Output(path=None, tags=wrong))):
        with pytest.raises(InvalidInput):
            plans.check(bad)
    plans.check(replace(with_outputs(Output(path="/out", tags=())), log=Output(path=None, tags=())))


NESTED = [("/in/data", "/in/data/1"), ("/in", "/in"), ("/in/", "/in"), ("/a/b", "/a/b/c/d"), ("/out", "/out/x")]
APART = [("/in/1", "/in/10"), ("/in/data", "/in/dataset"), ("/in", "/in2"), ("/a-b", "/a/b"), ("/a/b/c", "/a/b/d")]


@pytest.mark.parametrize(("one", "other"), NESTED + APART)
def test_overlap(one: str, other: str) -> None:
    """Equal or nested mount paths are refused in any pairing and order; common beginnings of names are not.

    (scenario 11)
    """
    out = {path: Output(path=path, tags=()) for path in (one, other)}
    for first, second in ((one, other), (other, one)):
        shapes = [
            with_inputs(first, second),
            replace(with_inputs(first), outputs=(out[second],)),
            replace(with_inputs("/elsewhere"), outputs=(Output(path=first, tags=()), out[second])),
        ]
        for shape in shapes:
            if (one, other) in APART:
                plans.check(shape)
            else:
                with pytest.raises(InvalidInput, match="overlaps"):
                    plans.check(shape)


paths = st.lists(st.sampled_from(["a", "aa", "b", "a-", "a0"]), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.lists(paths, min_size=1, max_size=4), st.lists(paths, max_size=3))
def test_overlap_against_brute_force(ins: list[str], outs: list[str]) -> None:
    """Overlap is: some path's components begin with all of another's."""
    nested = any(
        one.split("/") == other.split("/")[: len(one.split("/"))]
        for one, other in itertools.permutations(ins + outs, 2)
    )
    candidate = replace(with_inputs(*ins), outputs=tuple(Output(path=path, tags=()) for path in outs))
    if nested:
        with pytest.raises(InvalidInput, match="overlaps"):
            plans.check(candidate)
    else:
        plans.check(candidate)


def test_trailing_slash() -> None:
    """One trailing slash is dropped (scenario 12); inputs and outputs are kept by path."""
    checked = plans.check(replace(with_inputs("/in/2", "/in/1/"), outputs=(Output(path="/out/", tags=()),)))
    assert [each.path for each in checked.inputs] == ["/in/1", "/in/2"]
    assert [each.path for each in checked.outputs] == ["/out"]


LABEL = "a" * 63


@pytest.mark.parametrize(
    ("key", "value"),
    [("", "x"), ("/x", "x"), ("p/", "x"), (LABEL + "a", "x"), ("p" * 254 + "/x", "x"), ("p" * 64 + "/x", "x"),
     ("k", ""), ("k", LABEL + "a"), ("k", "-x"), ("k", "x\n"), ("a/b/c", "x"), ("UP/x", "x"),
     ("k ", "x"), ("ключ", "x")],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_bad_labels(key: str, value: str) -> None:
    """Wishes about nodes follow the syntax of Kubernetes labels (scenario 13)."""
    for mode in Preference:
        with pytest.raises(InvalidInput, match=f"on_node.{mode.value}"):
            plans.check(wish(key, value, mode))


@pytest.mark.parametrize(
    ("key", "value"),
    [(LABEL, LABEL), ("under_score.dot-dash", "x"), (f"{'p' * 63}.{'p' * 63}/x", "V_1.2"), ("example.com/Disk", "ssd")],
)
def test_good_labels(key: str, value: str) -> None:
    """Dots and underscores are legal in names, up to the limits themselves."""
    assert plans.check(wish(key, value)).on_node == (OnNode(Preference.MUST, key, value),)


@pytest.mark.parametrize("name", [("", "1"), ("x", ""), ("X y", "1"), ("x:1", "2"), ("x", "1\n")])
def test_bad_images(name: tuple[str, str]) -> None:
    """An image has a name and a tag of the right shape (scenario 14), also when it did not come from text."""
    with pytest.raises(InvalidInput):
        plans.check(replace(GOOD, image=images.ImageName(*name)))


@pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
def test_texts_that_cannot_be_kept(text: str) -> None:
    """No free text may hold NUL or half characters: a process and a database could not take them."""
    for bad in (
        replace(GOOD, args=("x", text)), replace(GOOD, entrypoint=(text,)), replace(GOOD, service_account=text),
        replace(GOOD, annotations=(Annotation("k", text),)),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            plans.check(bad)


def test_annotations() -> None:
    """Annotations are a set, sorted; a key may have several values, but not be empty or endless."""
    read = [plans.parse_annotation(text) for text in ("b=1", "a = x=y ", "b=0", "b=1")]
    assert plans.checked_annotations(iter(read)) == (Annotation("a", "x=y"), Annotation("b", "0"), Annotation("b", "1"))
    for wrong in (Annotation("", "x"), Annotation("k" * 254, "x")):
        with pytest.raises(InvalidInput):
            plans.checked_annotations([wrong])
    with pytest.raises(InvalidInput):
        plans.parse_annotation("no equals")


def test_wishes_are_read_from_text() -> None:
    """A wish is cut at the first equals sign and trimmed."""
    assert plans.parse_wish(Preference.MAY, " a = b=c") == OnNode(Preference.MAY, "a", "b=c")
    with pytest.raises(InvalidInput, match=r"on_node\.prefer"):
        plans.parse_wish(Preference.PREFER, "a")


# --- identity ---------------------------------------------------------------------------------------------------------

FULL = PlanSpec(
    image=IMAGE, entrypoint=("python",), args=("-v", "x"),
    inputs=(Input(path="/in/1", tags=tag_set("a:1 b:2")), Input(path="/in/2", tags=tag_set("c:3"))),
    outputs=(Output(path="/out/1", tags=tag_set("d:4 e:5")), Output(path="/out/2", tags=())),
    log=Output(path=None, tags=tag_set("type:log l:1")),
    on_node=(OnNode(Preference.MUST, "k", "1"), OnNode(Preference.MAY, "k", "1"), OnNode(Preference.MAY, "j", "2")),
)  # fmt: skip


def shuffled(data: st.DataObject, given_spec: PlanSpec) -> PlanSpec:
    def mix(items: Iterable[T]) -> tuple[T, ...]:
        return tuple(data.draw(st.permutations(list(items))))

    return replace(
        given_spec,
        inputs=mix([replace(each, tags=mix(each.tags)) for each in given_spec.inputs]),
        outputs=mix([replace(each, tags=mix(each.tags)) for each in given_spec.outputs]),
        log=replace(given_spec.log, tags=mix(given_spec.log.tags)) if given_spec.log else None,
        on_node=mix(given_spec.on_node),
    )


@given(st.data())
def test_order_is_no_part_of_identity(data: st.DataObject) -> None:
    """Inputs, outputs, tags and wishes may come in any order: the Plan is the same."""
    one, other = plans.check(FULL), plans.check(shuffled(data, FULL))
    assert one == other
    assert plans.canonical(one) == plans.canonical(other)
    assert plans.identity_hash(one) == plans.identity_hash(other)


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"resources": {"cpu": "9"}}, {"annotations": (Annotation("a", "b"),)},
     {"service_account": "me"}],
    ids=str,
)  # fmt: skip
def test_operation_is_no_part_of_identity(change: dict[str, object]) -> None:
    """Plans that differ only in what may be edited later are equivalent (scenario 15)."""
    one, other = plans.check(FULL), plans.check(replace(FULL, **change))  # type: ignore[arg-type]
    assert plans.canonical(one) == plans.canonical(other)
    assert plans.identity_hash(one) == plans.identity_hash(other)


@pytest.mark.parametrize(
    "change",
    [{"image": images.parse("lab/x:2")}, {"entrypoint": ()}, {"args": ("x", "-v")}, {"args": ("-vx",)}, {"args": ()},
     {"inputs": FULL.inputs[:1]}, {"outputs": FULL.outputs[:1]}, {"log": None}, {"log": Output(path=None, tags=())},
     {"on_node": FULL.on_node[:2]}, {"inputs": (Input(path="/in/1", tags=tag_set("a:1")), FULL.inputs[1])},
     {"entrypoint": ("python", "-v"), "args": ("x",)}],
    ids=lambda change: "-".join(change),
)  # fmt: skip
def test_everything_else_is_identity(change: dict[str, object]) -> None:
    """Another order of arguments, other tags, paths, wishes or image make another Plan (scenario 15)."""
    assert plans.canonical(plans.check(FULL)) != plans.canonical(plans.check(replace(FULL, **change)))  # type: ignore[arg-type]


def test_a_collision_of_hashes_is_told_apart() -> None:
    """Knitfab's hash joins without separators, so different Plans can share it; the canonical text decides.

    (scenario 16)
    """
    one = plans.check(replace(GOOD, args=("ab", "c")))
    other = plans.check(replace(GOOD, args=("a", "bc")))
    assert plans.identity_hash(one) == plans.identity_hash(other)
    assert plans.canonical(one) != plans.canonical(other)


def test_canonical_text_is_fixed() -> None:
    """Databases keep this text: it must never change. Fields at their defaults are absent from it."""
    assert json.loads(plans.canonical(plans.check(GOOD))) == {"image": "lab/x:1", "inputs": [["/in", ["type:raw"]]]}
    assert plans.canonical(plans.check(FULL)) == (
        '{"args":["-v","x"],"entrypoint":["python"],"image":"lab/x:1",'
        '"inputs":[["/in/1",["a:1","b:2"]],["/in/2",["c:3"]]],"log":["l:1","type:log"],'
        '"on_node":[["may","j","2"],["may","k","1"],["must","k","1"]],'
        '"outputs":[["/out/1",["d:4","e:5"]],["/out/2",[]]]}'
    )


def test_instants_in_identity() -> None:
    """An input that names an instant is the same Plan in whatever zone the instant is written."""
    utc, tokyo = (
        plans.check(with_tags(Tag(tags.TIMESTAMP, text)))
        for text in ("2026-01-01T00:00:00Z", "2026-01-01T09:00:00.000+09:00")
    )
    assert plans.canonical(utc) == plans.canonical(tokyo)
    assert plans.identity_hash(utc) == plans.identity_hash(tokyo)


def test_built_in_plan() -> None:
    """Uploads have a Plan without image and inputs, with one output without tags, always active."""
    upload = Plan(plan_id=PlanId("u"), name=plans.UPLOADED)
    assert upload.active
    assert (upload.inputs, upload.log) == ((), None)
    assert upload.products == (Output(path="/upload", tags=()),)


def test_products() -> None:
    """Products are outputs and log, as many as a Run makes Data."""
    plan = Plan(plan_id=PlanId("p"), spec=spec("x", {"/in": "a:1"}, {"/b": "", "/a": ""}, "type:log"))
    assert [each.path for each in plan.products] == ["/a", "/b", None]
    assert [each.is_log for each in plan.products] == [False, False, True]
    assert not replace(plan, spec=replace(plan.spec or GOOD, active=False)).active
