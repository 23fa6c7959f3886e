"""Reading requests: what is taken, and how what is wrong is named."""

from __future__ import annotations

import pytest

from knit_server.domain.errors import InvalidInput
from knit_server.domain.images import ImageName
from knit_server.domain.plans import Annotation, Input, OnNode, Output, PlanSpec, Preference
from knit_server.domain.tags import Tag
from knit_server.wire import requests


def test_a_whole_plan() -> None:
    """Every member is read; tags as texts are trimmed, as objects they are taken as they are (scenario 14)."""
    spec = requests.plan_spec(
        {
            "image": "host:5000/a/b",
            "entrypoint": ["python"],
            "args": None,
            "inputs": [{"path": "/in", "tags": [" a : b:c ", {"key": " a", "value": ""}]}],
            "outputs": [{"path": "/out"}],
            "log": {},
            "annotations": ["k = v=w"],
            "active": False,
            "resources": {"cpu": 2, "memory": "1Gi"},
            "on_node": {"must": ["gpu=yes"], "may": None},
            "service_account": "",
            "unknown": {},
        }
    )
    assert spec == PlanSpec(
        image=ImageName("host:5000/a/b", "latest"),
        entrypoint=("python",),
        inputs=(Input(path="/in", tags=(Tag("a", "b:c"), Tag(" a", ""))),),
        outputs=(Output(path="/out", tags=()),),
        log=Output(path=None, tags=()),
        annotations=(Annotation("k", "v=w"),),
        active=False,
        resources={"cpu": "2", "memory": "1Gi"},
        on_node=(OnNode(Preference.MUST, "gpu", "yes"),),
    )


@pytest.mark.parametrize(
    ("json", "told"),
    [
        (None, "the Plan must be an object, not null"),
        ({}, "image is missing"),
        ({"image": ""}, "image is missing"),
        ({"image": 1}, "image must be a string, not a number"),
        ({"image": "${X}/a"}, "image: not an image name"),
        ({"image": "a@sha256:0"}, "image: image 'a@sha256:0' names a digest"),
        ({"image": "a", "args": "x"}, "args must be a list, not a string"),
        ({"image": "a", "args": ["x", 1]}, "args[1] must be a string, not a number"),
        ({"image": "a", "args": ["x\0"]}, "args[0] holds a NUL character"),
        ({"image": "a", "args": ["\ud800"]}, "args[0] is not valid Unicode text"),
        ({"image": "a", "inputs": "x"}, "inputs must be a list, not a string"),
        ({"image": "a", "inputs": [{}]}, "inputs[0].path is missing"),
        ({"image": "a", "inputs": [{"path": "/x", "tags": ["y"]}]}, "inputs[0].tags[0]: tag parse error: y :no key"),
        ({"image": "a", "outputs": [{"path": "/x", "tags": [{"key": "y"}]}]}, "outputs[0].tags[0].value must be a"),
        ({"image": "a", "inputs": {"x": {"path": "/x"}}}, "inputs is written as a mapping; this version reads a list"),
        (
            {"image": "a", "outputs": {"x": {"path": "/x"}}},
            "outputs is written as a mapping; this version reads a list",
        ),
        ({"image": "a", "log": []}, "log must be an object"),
        ({"image": "a", "active": "yes"}, "active must be a bool, not a string"),
        ({"image": "a", "resources": {"cpu": True}}, "resources.cpu must be a string, not a bool"),
        ({"image": "a", "annotations": ["x"]}, "annotations[0]: not an annotation"),
        ({"image": "a", "on_node": {"must": ["x"]}}, "on_node.must: not a label"),
    ],
)
def test_what_is_wrong_is_named(json: object, told: str) -> None:
    """The message begins with the member that is wrong."""
    with pytest.raises(InvalidInput) as caught:
        requests.plan_spec(json)
    assert str(caught.value).startswith(told)


def test_tag_change() -> None:
    """Objects and texts are taken, null is nothing, the lists are in normal form."""
    add, remove, keys = requests.tag_change(
        {"add": ["b:1", {"key": "a", "value": "2"}, "b:1"], "remove": None, "remove_key": ["k"]}
    )
    assert (add, remove, keys) == ((Tag("a", "2"), Tag("b", "1")), (), ("k",))


@pytest.mark.parametrize("member", [{"add": ["knit#id:x"]}, {"remove": ["knit#x:y"]}, {"remove_key": ["knit#id"]}, 3])
def test_tag_change_refuses_system_tags(member: object) -> None:
    """System tags are Knit's (scenario 6)."""
    with pytest.raises(InvalidInput):
        requests.tag_change(member)


@pytest.mark.parametrize("missing", ["key", "value"])
@pytest.mark.parametrize("wrong", ["absent", None, 1, True, [], {}], ids=repr)
def test_scenario_3_half_a_tag(missing: str, wrong: object) -> None:
    """A tag as an object has key and value, both texts; which member is not, is said."""
    tag: dict[str, object] = {"key": "a", "value": "b", missing: wrong}
    if wrong == "absent":
        del tag[missing]
    with pytest.raises(InvalidInput, match=rf"add\[1\]\.{missing} must be a string"):
        requests.tag_change({"add": ["x:1", tag]})


def test_queries() -> None:
    """Tags, windows, depths and bools of a query."""
    assert requests.tags_of_query([" a:b ", "knit#id:x"]) == (Tag("a", "b"), Tag("knit#id", "x"))
    assert requests.tags_of_query(["knit#transient: other"]) == (Tag("knit#transient", "other"),)  # finds nothing
    assert requests.user_tags_of_query(["b:1", "a:1"]) == (Tag("a", "1"), Tag("b", "1"))
    assert requests.time_window(None, None) == (None, None)
    assert requests.time_window("1970-01-01T00:00:01.5Z", None) == (1500, None)
    assert requests.time_window("1970-01-01T00:00:01Z", "24h0m0s") == (1000, 86_401_000)
    assert [requests.depth("n", text) for text in (None, "0", "7", "all")] == [0, 0, 7, None]
    assert [requests.boolean("b", text) for text in (None, "", "True", "off")] == [None, None, True, False]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: requests.user_tags_of_query(["knit#id:x"]), "tag key knit#id is reserved for system tags"),
        (lambda: requests.time_window(None, "1h"), "duration needs since"),
        (lambda: requests.time_window("2024-01-01", None), "since: not a date and time: '2024-01-01'"),
        (lambda: requests.tags_of_query(["knit#timestamp:yesterday"]), "not a date and time: 'yesterday'"),
        (lambda: requests.time_window("2024-01-01T00:00:00Z", "1"), "duration: not a duration: '1'"),
        (lambda: requests.depth("n", "-1"), "n is not a depth: '-1'"),
        (lambda: requests.depth("n", "١"), "n is not a depth: '١'"),
        (lambda: requests.boolean("b", "maybe"), "b is not a bool: 'maybe'"),
        (lambda: requests.count("c", "-1", 0), "c is not a number: '-1'"),
        (lambda: requests.kinds(["data", "tag"]), "unknown kind: 'tag'"),
    ],
)
def test_queries_refuse(said, call, told: str) -> None:
    """What cannot be read is InvalidInput, which repeats it and names the member."""
    assert said(call) == told


def test_plus_that_was_not_encoded() -> None:
    """A + in a URL arrives as a blank; the advice says how to write it."""
    with pytest.raises(InvalidInput, match="%2B"):
        requests.time_window("2024-01-01T00:00:00 00:00", None)
