"""Plans: which image runs on Data with which tags, and what tags its outputs get.

Rules: docs/rules.md, "Plans" and "Plan identity".
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from knit_server.domain import images, resources, retries, tags
from knit_server.domain.errors import InvalidInput
from knit_server.domain.ids import PlanId
from knit_server.domain.images import ImageName
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.tags import Tag, Tags

UPLOADED = "knit#uploaded"
"""Name of the built-in Plan whose Runs are uploads."""
UPLOAD_PATH = "/upload"
IMPORTED = "knit#imported"
"""Name of the built-in Plan whose Runs are imports: Data that were put into a folder."""
IMPORT_PATH = "/imported"
LOG_PATH = "/log"

MAX_ANNOTATION_KEY = 253
MAX_PATH = 1024
"""Longest mount path, in bytes: less than Linux takes, but as much as an index entry holds."""
MAX_NAME = 255
"""Longest name between two slashes, in bytes, as on Linux."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """Where a Plan's program finds a Data, and the tags that Data must have (all of them)."""

    path: str
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a Plan's program leaves a Data, and the tags that Data gets. The log is the output without a path."""

    path: str | None
    tags: Tags

    @property
    def is_log(self) -> bool:
        """Whether this is what the program prints rather than a directory it fills."""
        return self.path is None


class Preference(enum.Enum):
    """How strongly a Plan asks for nodes with a label."""

    MAY = "may"
    PREFER = "prefer"
    MUST = "must"


class OnNode(NamedTuple):
    """One wish about the node that runs a Plan."""

    mode: Preference
    key: str
    value: str


class Annotation(NamedTuple):
    """A remark on a Plan; the same key may come with several values."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, kw_only=True)
class PlanSpec:
    """What a user declares. `image`, `entrypoint`, `args`, `inputs`, `outputs`, `log` and `on_node` are its identity
    and never change; the rest is operation and may be edited in place. `timeout` is in milliseconds."""

    image: ImageName
    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    log: Output | None = None
    on_node: tuple[OnNode, ...] = ()
    active: bool = True
    resources: Mapping[str, str] = field(default_factory=lambda: dict(resources.DEFAULTS))
    annotations: tuple[Annotation, ...] = ()
    service_account: str | None = None
    retry: RetryPolicy | None = None
    timeout: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A registered Plan: a user's (`spec`) or a built-in one (`name`), never both.

    An `archived` one matches nothing and is in no graph; its Runs and what they made stay.
    """

    plan_id: PlanId
    spec: PlanSpec | None = None
    name: str | None = None
    archived: bool = False

    @property
    def active(self) -> bool:
        """Whether its Runs are executed. Built-in Plans always are, archived ones never."""
        return self.spec is None or (self.spec.active and not self.archived)

    @property
    def retry(self) -> RetryPolicy | None:
        """How often its Runs are tried, if it says so."""
        return self.spec.retry if self.spec else None

    @property
    def origin(self) -> str:
        """What a Run of it is called if it is a built-in one, whose Data come from outside."""
        return "import" if self.name == IMPORTED else "upload"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Its inputs by path."""
        return self.spec.inputs if self.spec else ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Its outputs by path, without the log."""
        if self.spec is not None:
            return self.spec.outputs
        return (Output(path=IMPORT_PATH if self.name == IMPORTED else UPLOAD_PATH, tags=()),)

    @property
    def log(self) -> Output | None:
        """Its log, if it keeps one."""
        return self.spec.log if self.spec else None

    @property
    def products(self) -> tuple[Output, ...]:
        """Its outputs and its log: one Data of a Run each."""
        return (*self.outputs, self.log) if self.log else self.outputs


def check(spec: PlanSpec) -> PlanSpec:
    """Return `spec` in normal form, or raise `InvalidInput` for the first rule it breaks (docs/rules.md, "Plans")."""
    on_node = tuple(sorted({_checked_wish(wish) for wish in spec.on_node}, key=_wish_order))
    if not spec.image.repository or not spec.image.tag:
        raise InvalidInput("image has no name or no tag", advice="Write image: name:tag.")
    images.parse(str(spec.image))
    if not spec.inputs:
        raise InvalidInput("the Plan has no inputs", advice="Add at least one entry with path and tags under inputs.")
    inputs = tuple(sorted((_checked_input(each) for each in spec.inputs), key=lambda each: each.path))
    outputs = tuple(sorted((_checked_output(each) for each in spec.outputs), key=lambda each: each.path or ""))
    _refuse_overlap([each.path for each in inputs], [each.path or "" for each in outputs])
    for where, text in _free_texts(spec):
        check_text(where, text)
    return replace(
        spec, on_node=on_node, inputs=inputs, outputs=outputs,
        log=None if spec.log is None else Output(path=None, tags=_output_tags("log", spec.log.tags)),
        resources=resources.check(spec.resources), annotations=checked_annotations(spec.annotations),
        retry=None if spec.retry is None else retries.check_policy(spec.retry),
        timeout=None if spec.timeout is None else retries.check_timeout(spec.timeout),
    )  # fmt: skip


def checked_annotations(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Return the set of `annotations`, sorted by key then value. Raises `InvalidInput`."""
    given = set(annotations)
    for each in given:
        if not each.key or len(each.key) > MAX_ANNOTATION_KEY:
            raise InvalidInput(
                f"annotation {str(each)[:80]!r} has no key, or one of over {MAX_ANNOTATION_KEY} characters",
                advice="Write it as key=value.",
            )
        check_text("annotation", str(each))
    return tuple(sorted(given))


def parse_annotation(text: str) -> Annotation:
    """Read `key=value`, cut at the first `=`, both halves trimmed. Raises `InvalidInput`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"not an annotation: {text!r}", advice="Write key=value.")
    return Annotation(key.strip(), value.strip())


def parse_wish(mode: Preference, text: str) -> OnNode:
    """Read `key=value` of an `on_node` list. Raises `InvalidInput`."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"on_node.{mode.value}: not a label: {text!r}", advice="Write key=value.")
    return OnNode(mode, key.strip(), value.strip())


# --- identity ---------------------------------------------------------------------------------------------------------


def canonical(spec: PlanSpec) -> str:
    """Return the identity of a checked spec as canonical JSON: equal Plans give equal texts and only they do.

    A field with its default value is left out, so that fields added later change nothing for Plans without them.
    """
    fields: dict[str, object] = {
        "image": str(spec.image),
        "inputs": [[each.path, [tags.canonical(tag) for tag in each.tags]] for each in spec.inputs],
    }
    if spec.entrypoint:
        fields["entrypoint"] = list(spec.entrypoint)
    if spec.args:
        fields["args"] = list(spec.args)
    if spec.outputs:
        fields["outputs"] = [[each.path, [str(tag) for tag in each.tags]] for each in spec.outputs]
    if spec.log is not None:
        fields["log"] = [str(tag) for tag in spec.log.tags]
    if spec.on_node:
        fields["on_node"] = [[wish.mode.value, wish.key, wish.value] for wish in spec.on_node]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def identity_hash(spec: PlanSpec) -> str:
    """Return the SHA-256 that Knitfab would index a checked spec by: hex over its parts, joined without separators.

    Different Plans may share it (docs/rules.md, "Plan identity"); `canonical` decides.
    """
    parts = [spec.image.repository, spec.image.tag]
    parts += [f"{wish.key}={wish.value}:{wish.mode.value}" for wish in spec.on_node]
    mounts = [(each.path, each.tags) for each in spec.inputs] + [(each.path or "", each.tags) for each in spec.outputs]
    for path, asked in mounts:
        parts += [path, *(tags.canonical(tag) for tag in asked)]
    if spec.log is not None:
        parts += [LOG_PATH, *(str(tag) for tag in spec.log.tags)]
    if spec.entrypoint:
        parts += ["entrypoint", *spec.entrypoint]
    if spec.args:
        parts += ["args", *spec.args]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


# --- what feeds what --------------------------------------------------------------------------------------------------


def feeds(output: Output, asked: Input) -> bool:
    """Whether Data of `output` can fit `asked` by tags alone.

    An input that names a Data or an instant is fed by nobody (docs/rules.md, "Plan graph").
    """
    return bool(asked.tags) and not any(tag.is_system for tag in asked.tags) and set(asked.tags) <= set(output.tags)


class Feeds:
    """Which inputs a set of Plans offers to an output, without looking at every input for every output."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._by_tag: dict[Tag, list[tuple[Plan, Input]]] = {}
        for plan in plans:
            for asked in plan.inputs:
                if asked.tags and not any(tag.is_system for tag in asked.tags):
                    self._by_tag.setdefault(asked.tags[0], []).append((plan, asked))

    def fed_by(self, output: Output) -> list[tuple[Plan, Input]]:
        """Return the (Plan, input) pairs that Data of `output` can fit, by plan id and path."""
        pairs = [pair for tag in output.tags for pair in self._by_tag.get(tag, ()) if feeds(output, pair[1])]
        return sorted(pairs, key=lambda pair: (pair[0].plan_id, pair[1].path))


def find_cycle(new: Plan, others: Iterable[Plan]) -> list[PlanId] | None:
    """Return the ids along a way from `new` back to itself, or None. Activity does not matter."""
    index = Feeds([new, *others])
    came_from: dict[PlanId, PlanId] = {}
    queue = [new]
    for plan in queue:
        for fed in (pair[0] for output in plan.products for pair in index.fed_by(output)):
            if fed.plan_id == new.plan_id:
                way = [new.plan_id, plan.plan_id]
                while way[-1] != new.plan_id:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if fed.plan_id not in came_from:
                came_from[fed.plan_id] = plan.plan_id
                queue.append(fed)
    return None


# --- parts of `check` -------------------------------------------------------------------------------------------------

_LABEL = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_MAX_PREFIX = 253


def _checked_wish(wish: OnNode) -> OnNode:
    prefix, slash, name = wish.key.rpartition("/")
    prefix_ok = not slash or (len(prefix) <= _MAX_PREFIX and _DNS_NAME.fullmatch(prefix))
    if not prefix_ok or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(wish.value):
        raise InvalidInput(
            f"on_node.{wish.mode.value}: not a label: {wish.key}={wish.value}",
            advice="Key and value follow the syntax of Kubernetes labels (at most 63 characters each).",
        )
    return wish


def _wish_order(wish: OnNode) -> tuple[int, str, str]:
    return list(Preference).index(wish.mode), wish.key, wish.value


def _checked_path(kind: str, path: str) -> str:
    stripped = path.removesuffix("/")
    parts = stripped.split("/")
    if not stripped or parts[0] or any(part in ("", ".", "..") for part in parts[1:]):
        raise InvalidInput(
            f"{kind} path {path[:80]!r} is not an absolute, clean path",
            advice="Begin it with / and use no empty, '.' or '..' component; / itself is not possible.",
        )
    check_text(f"{kind} path", path)
    if len(stripped.encode()) > MAX_PATH or any(len(part.encode()) > MAX_NAME for part in parts):
        raise InvalidInput(
            f"{kind} path {path[:80]!r} is too long",
            advice=f"It may have {MAX_PATH} bytes, and {MAX_NAME} between two slashes.",
        )
    return stripped


def _free_texts(spec: PlanSpec) -> Iterator[tuple[str, str]]:
    yield from (("entrypoint", word) for word in spec.entrypoint)
    yield from (("args", word) for word in spec.args)
    if spec.service_account is not None:
        yield "service_account", spec.service_account


def check_text(where: str, text: str) -> None:
    """Refuse what neither a database nor a process can take."""
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise InvalidInput(
            f"{where} {text[:80]!r} is not valid Unicode text", advice="Write it in UTF-8, without half surrogates."
        ) from err
    if "\0" in text:
        raise InvalidInput(f"{where} {text[:80]!r} holds a NUL character", advice="Remove it.")


def _checked_input(asked: Input) -> Input:
    path = _checked_path("input", asked.path)
    normal = tags.normal(tags.check(tag) for tag in asked.tags)
    if not normal:
        raise InvalidInput(f"input {path} asks for no tag", advice="Give it at least one tag that its Data must have.")
    for tag in normal:
        if tag.is_system and tag.key not in (tags.ID, tags.TIMESTAMP):
            raise InvalidInput(
                f"input {path} asks for {tag}", advice="Inputs may ask for knit#id and knit#timestamp only."
            )
    for key in (tags.ID, tags.TIMESTAMP):
        if sum(tag.key == key for tag in normal) > 1:
            raise InvalidInput(f"input {path} asks for two different {key}", advice="No Data can have both; keep one.")
    return Input(path=path, tags=normal)


def _checked_output(given: Output) -> Output:
    path = _checked_path("output", given.path or "")
    return Output(path=path, tags=_output_tags(f"output {path}", given.tags))


def _output_tags(where: str, given: Iterable[Tag]) -> Tags:
    normal = tags.normal(tags.check(tag) for tag in given)
    for tag in normal:
        if tag.is_system:
            raise InvalidInput(f"{where} gives the system tag {tag}", advice="Only Knit itself gives tags with knit#.")
    return normal


def _refuse_overlap(inputs: list[str], outputs: list[str]) -> None:
    """Refuse equal or nested mount paths, compared component by component."""
    named = [(path.split("/"), f"input {path}") for path in inputs] + [
        (path.split("/"), f"output {path}") for path in outputs
    ]
    named.sort(key=lambda pair: pair[0])
    for (outer, first), (inner, second) in itertools.pairwise(named):
        if inner[: len(outer)] == outer:
            raise InvalidInput(
                f"{second} overlaps {first}", advice="Give every input and output a directory of its own."
            )
