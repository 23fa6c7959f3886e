"""Plan templates: which words of an image's command become inputs and outputs, and a text that reads back as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import tags
from knit_server.wire import planfile, requests, template
from knit_server.wire.template import Program

ENV = (tags.parse("project:demo"),)


@pytest.mark.parametrize(
    ("words", "inputs", "outputs"),
    [
        (["run", "/in/raw", "/out/x"], ["/in/raw"], ["/out/x"]),
        (["/out/b", "/in/z", "/in/a", "/in/z", "/out/a"], ["/in/z", "/in/a"], ["/out/b", "/out/a"]),
        (["in/x", "./out/y"], ["/work/in/x"], ["/work/out/y"]),
        (["/data/out/in"], ["/data/out/in"], []),
        (["/input", "/inner/output", "outer"], [], []),
        (["/in//x/", "/in/./x"], ["/in/x"], []),
        (["/in/a/b", "/in", "/in/c"], ["/in"], []),
        (["--data=/in/x", "-o=/out/y"], ["/in/x"], ["/out/y"]),
        (["sh", "-c", "cat </in/x >'/out/y'; ls /in/z"], ["/in/x", "/in/z"], ["/out/y"]),
        (["in/.."], ["/work"], []),
        (["cp /in/raw/*.txt /in/a[b]/c /out/?/x"], ["/in"], ["/out"]),
        (["/in/.."], [], []),
    ],
)
def test_mountpoints(words: list[str], inputs: list[str], outputs: list[str]) -> None:
    """Paths with a name `in` or `out` are found in the command's order, made absolute, once, none below another."""
    assert template.mountpoints(Program(entrypoint=words, workdir="/work")) == (inputs, outputs)
    assert template.mountpoints(Program(cmd=words, workdir="/work")) == (inputs, outputs)


def test_order() -> None:
    """Entrypoint comes before CMD, CMD before the volumes."""
    program = Program(volumes=["/in/c", "/in/a"], cmd=["/in/b"], entrypoint=["/in/a"])
    assert template.mountpoints(program) == (["/in/a", "/in/b", "/in/c"], [])


@pytest.mark.parametrize(
    ("path", "tag"),
    [("/in/raw", ["type:raw"]), ("/in", []), ("/work/in", ["type:work"]), ("/in/in", []),
     ("/in/model/model.pth", ["type:model.pth"]), ("/in/a:b", ["type:a:b"])],
)  # fmt: skip
def test_types(path: str, tag: list[str]) -> None:
    """The type is the last name that says something; every mountpoint has tags of its own."""
    made = template.of_image("x:1", Program(cmd=[path, "/in2/in/other"]), ENV)
    assert [str(each) for each in made.inputs[0].tags] == ["project:demo", *tag]
    assert [str(each) for each in made.inputs[1].tags] == ["project:demo", "type:other"]


def test_what_a_plan_needs() -> None:
    """Where an image shows no input, or an input would have no tag, there is an example; no image is said so."""
    made = template.of_image("", Program(cmd=["/out/x"]))
    assert [(each.path, [str(tag) for tag in each.tags]) for each in made.inputs] == [("/in", ["example:tag"])]
    assert made.image == template.NO_IMAGE


def test_resources() -> None:
    """cpu and memory come first, with defaults; what else a knitenv names is kept."""
    made = template.scratch((), {"nvidia.com/gpu": "1", "memory": "5Gi"})
    assert list(made.resources.items()) == [("cpu", "1"), ("memory", "5Gi"), ("nvidia.com/gpu", "1")]


def test_system_tags_stay_out() -> None:
    """Tags that only Knit may give are left out of a knitenv's."""
    made = template.scratch((tags.parse("knit#id:x"), *ENV))
    assert [str(tag) for tag in made.log] == ["type:log", "project:demo"]


def test_feeding_itself() -> None:
    """Inputs that the Plan itself would feed are found."""
    assert template.feeding_itself(template.scratch(ENV)) == [("/in", "/out"), ("/in", "")]
    assert template.feeding_itself(template.of_image("x", Program(cmd=["/in/a", "/out/b"]), ENV)) == []


def test_layout() -> None:
    """An empty line, the keys in their order, an empty line; every key has a comment before it."""
    text = template.write(template.of_image("x:1", Program(cmd=["/in/a"]), ENV))
    assert text.startswith("\n# yaml-language-server: $schema=")
    assert text.endswith('\n# service_account: "name"\n\n')
    lines = text.splitlines()
    keys = [line.partition(":")[0] for line in lines if line and line[0].isalpha()]
    assert keys == ["annotations", "image", "entrypoint", "args", "inputs", "outputs", "log", "active", "resources"]
    assert all(lines[lines.index(line) - 1].startswith("#") for line in lines if line and line[0].isalpha())
    assert 'args: ["/in/a"]' in lines


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
tag_texts = st.builds(lambda key, value: f"{key}:{value}", st.text("abc", min_size=1), texts)


@given(st.lists(texts), st.lists(texts), st.lists(texts), st.lists(tag_texts), st.dictionaries(texts, texts))
def test_read_back(
    entrypoint: list[str], cmd: list[str], volumes: list[str], given_tags: list[str], resources: dict[str, str]
) -> None:
    """Whatever an image and a knitenv hold, the file has it to the letter."""
    own = [tags.parse(text) for text in given_tags]
    made = template.of_image("x:1", Program(entrypoint=entrypoint, cmd=cmd, volumes=volumes), own, resources)
    read, warnings = planfile.read(template.write(made), "template")
    assert warnings == []
    assert (read["entrypoint"], read["args"]) == (entrypoint, cmd)
    assert read["resources"] == made.resources
    mounts = [(each["path"], each["tags"]) for each in read["inputs"]]
    assert mounts == [(each.path, [str(tag) for tag in each.tags]) for each in made.inputs]
    assert read["active"] is True
    spec = requests.plan_spec({**read, "resources": {}})
    assert spec.log is not None
    assert set(spec.log.tags) == set(made.log)
