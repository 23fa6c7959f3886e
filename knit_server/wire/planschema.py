"""The keys of plan files, described once: `planfile` reads and warns by them, editors complete by their JSON Schema.

The schema says what a key looks like; what a Plan must be beyond that `domain.plans` checks (docs/plan-files.md).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from knit_server.domain import retries
from knit_server.wire import requests
from knit_server.wire.shapes import Json


class Kind(enum.Enum):
    """What a key holds."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    BOOL = "a bool"
    INPUTS = "a list of paths with tags"
    OUTPUTS = "a list of paths with tags that are given"
    LOG = "tags that are given"
    TAGS = "a list of tags"
    AMOUNTS = "quantities by name"
    COUNT = "a number"
    DURATION = "a duration"
    ENDS = "a list of ends"
    RETRY = "how often, how far apart, and after which ends"
    WISHES = "lists of labels by how strongly they are wished for"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: its name, what it holds, and a line for people."""

    name: str
    kind: Kind
    about: str
    required: bool = False


PLAN: tuple[Key, ...] = (
    Key(name="annotations", kind=Kind.TEXTS, about="Remarks, key=value. They may be changed later."),
    Key(
        name="image", kind=Kind.TEXT, required=True,
        about="The image to run: [host[:port]/][namespace/]name[:tag]; without a tag, latest.",
    ),
    Key(name="entrypoint", kind=Kind.TEXTS, about="Words in place of the image's ENTRYPOINT; empty keeps it."),
    Key(name="args", kind=Kind.TEXTS, about="Words in place of the image's CMD."),
    Key(
        name="inputs", kind=Kind.INPUTS, required=True,
        about="At least one directory that the program reads. A Run is made for each combination of fitting Data.",
    ),
    Key(name="outputs", kind=Kind.OUTPUTS, about="Empty directories that the program fills; each becomes a Data."),
    Key(name="log", kind=Kind.LOG, about="Keep what the program prints, as a Data with these tags."),
    Key(name="active", kind=Kind.BOOL, about="Whether its Runs are executed; true if left out. May be changed later."),
    Key(
        name="resources", kind=Kind.AMOUNTS,
        about="What each Run asks for; cpu is 1 and memory 1Gi if left out. May be changed later.",
    ),
    Key(name="retry", kind=Kind.RETRY, about="How often each Run is tried. May be changed later."),
    Key(
        name="timeout", kind=Kind.DURATION,
        about="How long each attempt of a Run may take, like 10m or 2h; no limit if left out. May be changed later.",
    ),
    Key(name="on_node", kind=Kind.WISHES, about="Labels of the nodes that its Runs go to."),
    Key(name="service_account", kind=Kind.TEXT, about="The service account of its Runs. May be changed later."),
)  # fmt: skip
"""The keys of a Plan, in the order in which they are told."""

MOUNT: tuple[Key, ...] = (
    Key(name="path", kind=Kind.TEXT, required=True, about="The absolute path that the program uses."),
    Key(name="tags", kind=Kind.TAGS, about="Tags, each key:value."),
)
"""The keys of an input or output."""

LOG: tuple[Key, ...] = (Key(name="tags", kind=Kind.TAGS, about="The tags that the log gets, each key:value."),)
"""The keys of the log."""

WISHES: tuple[Key, ...] = (
    Key(name="may", kind=Kind.TEXTS, about="Nodes with these taints are possible, key=value."),
    Key(name="prefer", kind=Kind.TEXTS, about="Nodes with these labels come first, key=value."),
    Key(name="must", kind=Kind.TEXTS, about="Only nodes with these labels will do, key=value."),
)
"""The keys of `on_node`."""


RETRY: tuple[Key, ...] = (
    Key(name="tries", kind=Kind.COUNT, required=True, about="Attempts in all, the first one included."),
    Key(name="wait", kind=Kind.DURATION, about="The pause before each further attempt, like 30s; none if left out."),
    Key(
        name="on",
        kind=Kind.ENDS,
        about="After which ends there is another attempt: exit (any code but 0), exit:CODE, lost, stuck, timeout; "
        "lost and stuck if left out.",
    ),
)
"""The keys of `retry`."""


def names(keys: Iterable[Key]) -> list[str]:
    """Return the names of `keys`."""
    return [key.name for key in keys]


def schema() -> Json:
    """Return the JSON Schema (draft 7, which editors know) of a plan file.

    Unknown keys are allowed, as `plan apply` only warns of them.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Knit plan file",
        "description": "For each combination of Data that fits the inputs, run the image and tag its outputs. "
        "Unknown keys are allowed and have no effect; `knit plan apply` warns of them.",
        **_object(PLAN),
        "definitions": {
            "text": {"type": ["string", "number", "boolean"]},  # whatever YAML makes of it, it is taken as written
            "texts": {"type": ["array", "null"], "items": {"$ref": "#/definitions/text"}},
            "duration": {"type": "string", "pattern": r"^\s*\+?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+\s*$"},
            "path": {"type": "string", "pattern": r"^(/(?!\.{1,2}(/|$))[^/]+)+/?$"},
            "askedTag": _tag(r"^(?!\s*knit#(?!(id|timestamp)\s*:))[^:]*:"),
            "givenTag": _tag(r"^(?!\s*knit#)[^:]*:"),
        },
    }


def _object(keys: Iterable[Key], tag: str = "") -> Json:
    found = tuple(keys)
    required = names(key for key in found if key.required)
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": {key.name: {"description": key.about, **_member(key, tag)} for key in found},
    }


def _member(key: Key, tag: str) -> Json:
    if key.name == "path":
        return {"$ref": "#/definitions/path"}
    if key.kind is Kind.TEXT:
        return {"type": "string", "minLength": 1} if key.required else {"type": ["string", "null"]}
    if key.kind is Kind.BOOL:
        words = [form for word in requests.BOOLS for form in (word, word.capitalize(), word.upper())]
        return {"enum": [True, False, None, *dict.fromkeys(words)]}
    if key.kind is Kind.DURATION:
        return {"anyOf": [{"$ref": "#/definitions/duration"}, {"type": "null"}]}
    if key.kind is Kind.TAGS:
        required = {"minItems": 1} if tag == "askedTag" else {}
        return {"type": ["array", "null"], **required, "items": {"$ref": f"#/definitions/{tag}"}}
    return _NESTED[key.kind]()


def _tag(pattern: str) -> Json:
    text = {"$ref": "#/definitions/text"}
    pair = {"type": "object", "required": ["key", "value"], "properties": {"key": text, "value": text}}
    return {"anyOf": [{"type": "string", "pattern": pattern}, pair]}


def _mounts(tag: str, *, required: bool) -> Json:
    mount = _object(MOUNT, tag)
    if required:
        return {"type": "array", "minItems": 1, "items": {**mount, "required": names(MOUNT)}}
    return {"type": ["array", "null"], "items": mount}


def _nullable(found: Json) -> Json:
    return {**found, "type": [found["type"], "null"]}


_NESTED: dict[Kind, Callable[[], Json]] = {
    Kind.TEXTS: lambda: {"$ref": "#/definitions/texts"},
    Kind.INPUTS: lambda: _mounts("askedTag", required=True),
    Kind.OUTPUTS: lambda: _mounts("givenTag", required=False),
    Kind.LOG: lambda: _nullable(_object(LOG, "givenTag")),
    Kind.AMOUNTS: lambda: {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number"]}},
    Kind.COUNT: lambda: {"type": "integer", "minimum": 1, "maximum": retries.MAX_TRIES},
    Kind.ENDS: lambda: {
        "type": ["array", "null"],
        "minItems": 1,
        "items": {"type": "string", "pattern": rf"^({'|'.join(retries.words())}|exit:[1-9][0-9]{{0,2}})$"},
    },
    Kind.RETRY: lambda: _nullable(_object(RETRY)),
    Kind.WISHES: lambda: _nullable(_object(WISHES)),
}
