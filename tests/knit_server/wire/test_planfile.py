"""Plan files: texts survive, what has no effect is told, what is wrong has a place."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.wire import planfile

UNPRINTABLE = "\x85\u2028\u2029\ufeff\ufffe\uffff"
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=UNPRINTABLE))


@given(st.lists(PRINTABLE))
def test_any_text_survives(args: list[str]) -> None:
    """Whatever text is written as a scalar is read as that text."""
    json, warnings = planfile.read(yaml.safe_dump({"args": args}, allow_unicode=True), "f")
    assert (json, warnings) == ({"args": args}, [])


@pytest.mark.parametrize(
    "word",
    ["1.10", "010", "0x1F", "1_000", "yes", "No", "on", "null", "~", "12:30:45", "2026-01-31", ".5", "1e3", "1.",
     "True"],
)  # fmt: skip
def test_plain_words_stay(word: str) -> None:
    """Words that YAML would make something else of stay as written where a text is due."""
    json, _ = planfile.read(
        f"args: [{word}]\nresources: {{cpu: {word}}}\ninputs: [{{path: /x, tags: [{{key: {word}, value: {word}}}]}}]",
        "f",
    )
    assert json == {
        "args": [word],
        "resources": {"cpu": word},
        "inputs": [{"path": "/x", "tags": [{"key": word, "value": word}]}],
    }


def test_a_tag_without_quotes() -> None:
    """A tag needs no quotes, whatever its value looks like."""
    json, _ = planfile.read("log: {tags: [v:1.10, a:yes, 'b:c d']}", "f")
    assert json == {"log": {"tags": ["v:1.10", "a:yes", "b:c d"]}}


def test_absent_and_null() -> None:
    """Null is absent; an empty log is a log; empty lists stay."""
    json, _ = planfile.read("active: ~\nlog: {}\nentrypoint: []\noutputs:\non_node: {may: , must: [a=b]}", "f")
    assert json == {"entrypoint": [], "log": {"tags": []}, "on_node": {"must": ["a=b"]}}


@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("ON", True), ("true", True), ("no", False), ("Off", False)]
)
def test_active_words(word: str, value: bool) -> None:
    """Every word for a bool is taken."""
    assert planfile.read(f"active: {word}", "f")[0] == {"active": value}


def test_unknown_keys_are_told() -> None:
    """Unknown keys are ignored and told with file, line and the likely word, in the order of the file."""
    text = "inputs:\n- path: /x\n  tag: [a:b]\n  tags: [a:b]\nresouces: {cpu: 1}\nlogs: {}\nannotation: []\nzzz: 1\n"
    json, warnings = planfile.read(text, "f.yaml")
    assert json == {"inputs": [{"path": "/x", "tags": ["a:b"]}]}
    assert [each.split(";")[1].strip() for each in warnings] == [
        "did you mean tags?", "did you mean resources?", "did you mean log?", "did you mean annotations?",
        "known keys: annotations, image, entrypoint, args, inputs, outputs, log, active, resources, retry, timeout, "
        "on_node, service_account.",
    ]  # fmt: skip
    assert [each.split(": ")[0] for each in warnings] == [f"f.yaml:{line}" for line in (3, 5, 6, 7, 8)]


def test_only_the_first_document_counts() -> None:
    """What follows `---` need not be YAML, but is told: it may be another Plan. Nothing after `---` is nothing."""
    told = "this document is ignored; only the first of a file counts"
    assert planfile.read("image: a\n---\nimage: b\n", "f") == ({"image": "a"}, [f"f:3: {told}"])
    assert planfile.read("image: a\nimagee: b\n---\n[broken", "f")[1][1:] == [f"f:4: {told}"]
    assert planfile.read("---\n---\nimage: b", "f") == ({}, ["f: the file is empty", f"f:3: {told}"])
    for end in ("---\n", "...\n", "--- # nothing\n...\n"):
        assert planfile.read(f"image: a\n{end}", "f") == ({"image": "a"}, [])


def test_anchors_and_merges() -> None:
    """Aliases and `<<` work; a mapping's own keys win."""
    json, _ = planfile.read("inputs:\n- &a {path: /x, tags: [&t 'a:b']}\n- {<<: *a, path: /y}\nlog: {tags: [*t]}", "f")
    assert json == {
        "inputs": [{"path": "/x", "tags": ["a:b"]}, {"path": "/y", "tags": ["a:b"]}],
        "log": {"tags": ["a:b"]},
    }


def test_an_empty_file() -> None:
    """An empty file is a Plan without members, and told."""
    assert planfile.read("# nothing\n", "f") == ({}, ["f: the file is empty"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image: [", "f:1:9: "),
        ("a: b: c", "f:1:5: "),
        ("image: \x01", "f:1:8: "),
        ("- a", "f:1:1: the Plan must be a mapping"),
        ("image: a\nimage: b", "f:2:1: key 'image' already defined at line 1"),
        ("inputs:\n- path: /x\n  path: /y", "f:3:3: key 'path' already defined at line 2"),
        ("image: {a: b}", "f:1:8: image must be a text, not a mapping"),
        ("args: x", "f:1:7: args must be a list, not a single value"),
        ("args: ['a', [b]]", "f:1:13: args[1] must be a text, not a list"),
        ("args:\n-", "f:2:2: args[0] is empty"),
        ("inputs: [{tags: []}]", "f:1:10: inputs[0] has no path"),
        ("inputs: [{path: /x, tags: [type: raw]}]", "f:1:28: inputs[0].tags[0] must be a text key:value"),
        ("active: perhaps", "f:1:9: active must be true or false, not 'perhaps'"),
        ("? [a]\n: b", "f:1:3: a key of the Plan must be a text"),
        ("&a [*a]", "f:1:1: the Plan must be a mapping"),
        ("<<: &a {<<: *a}", "f:1:9: `<<` refers to itself"),
        ("args: *nowhere", "f:1:7: found undefined alias"),
        ("[" * 1000, "f: it is nested too deeply"),
    ],
)
def test_what_is_wrong_has_a_place(text: str, told: str) -> None:
    """The message begins with file, line and column."""
    with pytest.raises(InvalidInput) as caught:
        planfile.read(text, "f")
    assert caught.value.reason.startswith(told)


def test_a_blank_in_a_tag_is_explained() -> None:
    """`type: raw` is a mapping to YAML; the advice shows how to write the tag."""
    with pytest.raises(InvalidInput) as caught:
        planfile.read("log: {tags: [type: raw]}", "f")
    assert '"type:raw"' in (caught.value.advice or "")


@pytest.mark.parametrize("member", ["inputs", "outputs"])
def test_the_mapping_form_is_recognised(member: str) -> None:
    """Named inputs and outputs are not offered yet, and that is said."""
    with pytest.raises(Unsupported) as caught:
        planfile.read(f"{member}:\n  scan: {{path: /in}}", "f")
    assert f"f:2:3: {member} is written as a mapping" in caught.value.reason
