"""Plan files to start from: what an image runs -> the YAML of a Plan for it, with comments that explain every key.

Which words of an image's command name inputs and outputs: docs/images.md, "Plan templates".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from knit_server.domain import resources as quantities
from knit_server.domain import tags as domain_tags
from knit_server.domain.errors import InvalidInput
from knit_server.domain.tags import Tag

NO_IMAGE = "IMAGE:TAG"
"""Stands for the name of an image that has none."""
SCHEMA = "https://raw.githubusercontent.com/knit-platform/knit/main/docs/plan.schema.json"
"""Where editors find the JSON Schema of plan files."""

_SCRATCH_IMAGE = "image:version"
_EXAMPLE = Tag("example", "tag")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_+-]*")
_PATTERN = re.compile(r"/[^/]*[*?\[].*")  # a shell's pattern and what lies below: the directory above is what counts
_SHELL = re.compile(r"""[\s;&|<>()'"`]+""")


@dataclass(frozen=True, kw_only=True)
class Program:
    """What an image runs: its ENTRYPOINT, CMD, VOLUMEs and WORKDIR."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    volumes: Sequence[str] = ()
    workdir: str = "/"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """An input or output: an absolute path, and tags."""

    path: str
    tags: tuple[Tag, ...]


@dataclass(frozen=True, kw_only=True)
class Template:
    """A Plan to be edited. `log` are the tags of the log."""

    image: str
    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    inputs: tuple[Mount, ...] = ()
    outputs: tuple[Mount, ...] = ()
    log: tuple[Tag, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)


def scratch(tags: Iterable[Tag] = (), resources: Mapping[str, str] | None = None) -> Template:
    """A Plan from nothing, with the tags and resources of a knitenv."""
    own = domain_tags.user(tags)
    given = own or (_EXAMPLE,)
    return Template(
        image=_SCRATCH_IMAGE,
        inputs=(Mount(path="/in", tags=given),),
        outputs=(Mount(path="/out", tags=given),),
        log=_log(own),
        resources=_amounts(resources),
    )


def of_image(
    image: str, program: Program, tags: Iterable[Tag] = (), resources: Mapping[str, str] | None = None
) -> Template:
    """A Plan for an image, with the tags and resources of a knitenv.

    A Plan needs an input, and an input a tag: where the image shows none, there are an example's.
    """
    own = domain_tags.user(tags)
    inputs, outputs = mountpoints(program)
    return Template(
        image=image or NO_IMAGE,
        entrypoint=tuple(program.entrypoint),
        args=tuple(program.cmd),
        inputs=tuple(
            Mount(path=path, tags=(*own, *_type(path, "in")) or (_EXAMPLE,)) for path in inputs or _other(outputs)
        ),
        outputs=tuple(Mount(path=path, tags=(*own, *_type(path, "out"))) for path in outputs),
        log=_log(own),
        resources=_amounts(resources),
    )


def mountpoints(program: Program) -> tuple[list[str], list[str]]:
    """Paths of inputs and outputs among the words of a program, in the order in which they are first seen.

    No path lies below another, for no Plan may have that: the outer one stays.
    """
    seen: dict[str, str] = {}
    for word in (*program.entrypoint, *program.cmd, *program.volumes):
        for piece in _pieces(word):
            parts = piece.split("/")
            kind = "in" if "in" in parts else "out" if "out" in parts else None
            path = posixpath.normpath(posixpath.join("/", program.workdir, piece)).replace("//", "/")
            if kind and path != "/":
                seen.setdefault(path, kind)
    outer = [path for path in seen if not any(path.startswith(other + "/") for other in seen)]
    return [path for path in outer if seen[path] == "in"], [path for path in outer if seen[path] == "out"]


def feeding_itself(template: Template) -> list[tuple[str, str]]:
    """Inputs that ask for nothing but what an output ("" is the log) gives, which would be a cycle: (input, output)."""
    gives = [*((each.path, each.tags) for each in template.outputs), ("", template.log)]
    return [(asked.path, path) for asked in template.inputs for path, given in gives if set(asked.tags) <= set(given)]


def write(template: Template) -> str:
    """The plan file. `wire.planfile.read` reads it back as it is."""
    return _TEXT.format(
        schema=SCHEMA,
        image=_quoted(template.image),
        entrypoint=_flow(template.entrypoint),
        args=_flow(template.args),
        inputs=_mounts("inputs", template.inputs),
        outputs=_mounts("outputs", template.outputs),
        log="\n".join(_tags(template.log, "  ")),
        resources="\n".join(f"  {_word(name)}: {_word(amount)}" for name, amount in template.resources.items()),
    )


# --- words to paths ---------------------------------------------------------------------------------------------------


def _pieces(word: str) -> list[str]:
    """The parts of a word that may be paths: of `--data=/in/x` the value, of a shell's line the words, without `*`."""
    pieces = [_PATTERN.sub("", piece) for piece in _SHELL.split(word) if piece]
    return [piece.partition("=")[2] if piece.startswith("-") and "=" in piece else piece for piece in pieces]


def _type(path: str, kind: str) -> Iterator[Tag]:
    """The tag that says what lies at a path, by its last name that is more than `in` or `out`."""
    names = path.strip("/").split("/")
    while names and names[-1] == kind:
        names.pop()
    if names and names[-1]:
        try:
            yield domain_tags.parse(f"type:{names[-1]}")
        except InvalidInput:  # no tag can have such a name
            return


def _other(outputs: Sequence[str]) -> list[str]:
    """A path for the input of an image that shows none."""
    return ["/input" if any(path == "/in" or path.startswith("/in/") for path in outputs) else "/in"]


def _log(own: tuple[Tag, ...]) -> tuple[Tag, ...]:
    return (Tag("type", "log"), *own)


def _amounts(resources: Mapping[str, str] | None) -> dict[str, str]:
    given = dict(resources or {})
    return {name: given.pop(name, default) for name, default in quantities.DEFAULTS.items()} | given


# --- the text ---------------------------------------------------------------------------------------------------------


_TEXT = """
# yaml-language-server: $schema={schema}
# A Plan: for every combination of Data that fits the inputs, Knit runs the image once.
# Edit this file, then register it: knit plan apply FILE

# Notes for people: as many key=value as you like; they change nothing about what the Plan does.
annotations: []
#  - "purpose=what this Plan is for"
#  - "contact=who to ask about it"

# The container image, with its tag.
image: {image}

# The program to start in place of the image's ENTRYPOINT; empty leaves that as it is.
entrypoint: {entrypoint}

# Its arguments in place of the image's CMD. Name the paths of the inputs and outputs below.
args: {args}

# What the program reads: a Data with all these tags is mounted, read-only, at the path, as a directory.
# Choose tags that no output of this very Plan has.
{inputs}

# What the program writes: each path is an empty directory; what is in it at the end becomes a Data with these tags.
{outputs}

# What the program prints becomes a Data as well. Leave the key out to keep no log.
log:
{log}

# false: Runs are made, but wait until `knit plan active yes`.
active: true

# What each Run may use at most: cores, bytes, and whatever else the machines offer.
resources:
{resources}

# How often a Run is tried, how far apart, and after which ends: exit (any code but 0), exit:CODE, lost, stuck, timeout.
# retry:
#   tries: 3
#   wait: 30s
#   on: [lost, stuck]
#
# How long each attempt of a Run may take.
# timeout: 2h

# Only where Runs are executed by Kubernetes: nodes to run on, by label. With `may`, tainted nodes are allowed;
# with `prefer`, nodes are chosen if possible; with `must`, there are no others.
# on_node:
#   may: ["accelerator=gpu"]
#   prefer: ["disk=fast"]
#   must: ["zone=here"]
#
# Only where Runs are executed by Kubernetes: the account that the program acts as.
# service_account: "name"

"""


def _mounts(name: str, mounts: Sequence[Mount]) -> str:
    return "\n".join([f"{name}:" if mounts else f"{name}: []", *(line for each in mounts for line in _mount(each))])


def _mount(mount: Mount) -> Iterator[str]:
    yield f"  - path: {_quoted(mount.path)}"
    yield from _tags(mount.tags, "    ")


def _tags(tags: Sequence[Tag], indent: str) -> Iterator[str]:
    yield f"{indent}tags:" if tags else f"{indent}tags: []"
    yield from (f"{indent}  - {_quoted(str(tag))}" for tag in dict.fromkeys(tags))


def _flow(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, words))}]"


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char == " " or char.isprintable():
        return char
    return {"\n": "\\n", "\t": "\\t"}.get(char) or f"\\U{ord(char):08x}"
