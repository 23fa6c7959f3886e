"""The JSON shapes of the HTTP API as types: Knitfab's own, and below them Knit's.

Members are declared in the order in which they are written. `NotRequired` members are left out when empty, never null.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from knit_server.wire.lookups import Candidate as Candidate  # named here as well: this is where shapes are looked for
from knit_server.wire.lookups import Check as Check
from knit_server.wire.lookups import FileEntry as FileEntry
from knit_server.wire.lookups import TagUse as TagUse
from knit_server.wire.why_shapes import Why as Why
from knit_server.wire.why_shapes import WhyPoint as WhyPoint
from knit_server.wire.why_shapes import WhyReceipt as WhyReceipt

Json = dict[str, Any]
"""A JSON object whose members Knit does not fix, or not here."""


class Mountpoint(TypedDict):
    """A path with the tags of its input or output."""

    path: str
    tags: list[str]


class LogPoint(TypedDict):
    """The tags of a log."""

    tags: list[str]


class PlanSummary(TypedDict):
    """A Plan in brief: a user's has `image`, a built-in one `name`."""

    planId: str
    image: NotRequired[str]
    entrypoint: NotRequired[list[str]]
    args: NotRequired[list[str]]
    name: NotRequired[str]
    annotations: NotRequired[list[str]]


class UpstreamRef(TypedDict):
    """What can feed an input: an output (`mountpoint`) or the log of a Plan."""

    plan: PlanSummary
    mountpoint: NotRequired[Mountpoint]
    log: NotRequired[LogPoint]


class DownstreamRef(TypedDict):
    """An input that an output can feed."""

    plan: PlanSummary
    mountpoint: Mountpoint


class PlanInput(Mountpoint):
    """An input of a Plan with what can feed it."""

    upstreams: list[UpstreamRef]


class PlanOutput(Mountpoint):
    """An output of a Plan with what it can feed."""

    downstreams: list[DownstreamRef]


class PlanLog(LogPoint):
    """The log of a Plan with what it can feed."""

    downstreams: list[DownstreamRef]


class OnNode(TypedDict):
    """Wishes about nodes: lists of `key=value`."""

    may: NotRequired[list[str]]
    prefer: NotRequired[list[str]]
    must: NotRequired[list[str]]


class PlanDetail(PlanSummary):
    """A Plan in full. `archived` is there, and true, for one in the archive."""

    inputs: list[PlanInput]
    outputs: list[PlanOutput]
    log: NotRequired[PlanLog]
    active: bool
    on_node: NotRequired[OnNode]
    resources: NotRequired[dict[str, str]]
    service_account: NotRequired[str]
    archived: NotRequired[bool]


class Assigned(TypedDict):
    """A Data at a path."""

    path: str
    knitId: str


class ForeseenRuns(TypedDict):
    """The Runs that a Plan would get at once: their status, how many, how many Data fit each input, and the first."""

    status: str
    count: int
    fitting: dict[str, int]
    first: list[list[Assigned]]


class DryRun(TypedDict):
    """What applying a Plan would do now.

    `reason` and `advice` say why it is refused; `equivalent` is the id of the Plan that is there already, `cycle` a
    way from the Plan back to itself. `plan` is the Plan as it would be shown, without its planId; it and `runs` are
    left out where a rule is broken.
    """

    applicable: bool
    valid: bool
    reason: NotRequired[str]
    advice: NotRequired[str]
    equivalent: NotRequired[str]
    cycle: NotRequired[list[str]]
    runs: NotRequired[ForeseenRuns]
    plan: NotRequired[Json]


Applied = PlanDetail | DryRun
"""What applying a Plan answers: the Plan, or with dry_run what would happen."""


class ExitShape(TypedDict):
    """How a Run ended."""

    code: int
    message: str


class RunSummary(TypedDict):
    """A Run in brief."""

    runId: str
    status: str
    updatedAt: str
    exit: NotRequired[ExitShape]
    plan: PlanSummary


class RunMount(Mountpoint):
    """A Data at a path of a Run; the tags are the Plan's, not the Data's."""

    knitId: str


class RunLog(LogPoint):
    """The log of a Run."""

    knitId: str


class RunDetail(RunSummary):
    """A Run in full. `log` is null for a Run without one, never left out."""

    inputs: list[RunMount]
    outputs: list[RunMount]
    log: RunLog | None


class DataUpstream(TypedDict):
    """What made a Data: an output (`mountpoint`) or the log of a Run."""

    mountpoint: NotRequired[Mountpoint]
    log: NotRequired[LogPoint]
    run: RunSummary


class DataDownstream(TypedDict):
    """A Run that took a Data, and where."""

    mountpoint: Mountpoint
    run: RunSummary


class Nomination(Mountpoint):
    """An input that a Data fits; flat, unlike `DataDownstream`."""

    plan: PlanSummary


class DataDetail(TypedDict):
    """A Data in full."""

    knitId: str
    tags: list[str]
    upstream: DataUpstream
    downstreams: list[DataDownstream]
    nomination: list[Nomination]


# --- Knit's own -------------------------------------------------------------------------------------------------------

LineageEdge = TypedDict("LineageEdge", {"from": str | None, "to": str, "label": str})
"""An arrow from a Data or Run to a Run or Data; from null to a Run without inputs."""


class Lineage(TypedDict):
    """A lineage graph in the order of discovery from the Data `root`."""

    root: str
    data: list[DataDetail]
    runs: list[RunDetail]
    edges: list[LineageEdge]


class OutlineData(TypedDict):
    """A Data of an outline: the user's tags, what its system tags say (`transient` is null for one that is usable),
    and the place in `plans` of the Plan that made it at `path` (null: its log)."""

    knitId: str
    tags: list[str]
    timestamp: str | None
    transient: str | None
    plan: int
    path: str | None


class OutlineRun(TypedDict):
    """A Run of an outline; `plan` is the place of its Plan in `plans`."""

    runId: str
    status: str
    updatedAt: str
    plan: int


class LineageOutline(TypedDict):
    """A lineage graph in the order of discovery from the Data `root`, with no more than a card shows of its nodes."""

    root: str
    plans: list[PlanSummary]
    data: list[OutlineData]
    runs: list[OutlineRun]
    edges: list[LineageEdge]


class PlanPort(TypedDict):
    """An input or output of a Plan; the log has the path null."""

    planId: str
    path: str | None


PlanGraphEdge = TypedDict("PlanGraphEdge", {"from": PlanPort, "to": PlanPort})
"""An output or log that can feed an input."""


class PlanGraph(TypedDict):
    """A plan graph in the order of discovery from the Plan `root`."""

    root: str
    plans: list[PlanDetail]
    edges: list[PlanGraphEdge]


class Image(TypedDict):
    """A local image; `created` is a timestamp, `size` in bytes. `python` is "" for one that was loaded."""

    digest: str
    names: list[str]
    created: str
    size: int
    python: str
    workdir: str
    entrypoint: list[str]
    cmd: list[str]
    env: dict[str, str]
    warnings: list[str]
    volumes: list[str]


class ErrorBody(TypedDict):
    """What every failed request answers. `message` is the reason and, on its own line, the advice."""

    message: str
    reason: str
    advice: NotRequired[str]
    see: NotRequired[str]


# --- requests ---------------------------------------------------------------------------------------------------------


class TagPair(TypedDict):
    """A tag as an object; `key:value` as a string is taken as well."""

    key: str
    value: str


class TagChange(TypedDict, total=False):
    """What to change about the tags of a Data; null is as good as nothing."""

    add: list[TagPair | str] | None
    remove: list[TagPair | str] | None
    remove_key: list[str] | None


class MountpointSpec(TypedDict):
    """A path with tags, as declared."""

    path: str
    tags: list[TagPair | str]


class LogSpec(TypedDict):
    """The tags of a log, as declared."""

    tags: NotRequired[list[TagPair | str]]


class PlanSpec(TypedDict):
    """A Plan as declared."""

    image: str
    entrypoint: NotRequired[list[str] | None]
    args: NotRequired[list[str] | None]
    inputs: list[MountpointSpec]
    outputs: NotRequired[list[MountpointSpec] | None]
    log: NotRequired[LogSpec | None]
    annotations: NotRequired[list[str] | None]
    active: NotRequired[bool | None]
    resources: NotRequired[dict[str, str] | None]
    on_node: NotRequired[OnNode | None]
    service_account: NotRequired[str | None]
    retry: NotRequired[RetryPolicy | None]
    timeout: NotRequired[str | None]


class ResourceChange(TypedDict, total=False):
    """Amounts to set by name, then names of resources to forget; null is as good as nothing."""

    set: dict[str, str] | None
    unset: list[str] | None


class AnnotationChange(TypedDict, total=False):
    """Annotations `key=value` to remove, whole keys to remove, annotations to add; null is as good as nothing."""

    add: list[str] | None
    remove: list[str] | None
    remove_key: list[str] | None


class ServiceAccount(TypedDict):
    """The service account of a Plan."""

    service_account: str


class RetryPolicy(TypedDict):
    """How often a Run is tried in all, the pause before each further attempt (`30s`), and after which ends."""

    tries: int
    wait: NotRequired[str | None]
    on: NotRequired[list[str] | None]


class Timeout(TypedDict):
    """How long an attempt may take, like `10m`."""

    timeout: str


class ImageName(TypedDict):
    """A further name for an image."""

    name: str
