"""What people are shown of Plans, Runs and Data, put together from values of the domain.

These are the shapes of the HTTP API (`knit_server.wire.codecs` writes them as JSON), without any JSON in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knit_server.domain.data import Data
from knit_server.domain.errors import KnitError
from knit_server.domain.ids import KnitId, PlanId
from knit_server.domain.plans import Input, Output, Plan
from knit_server.domain.runs import Assignment, Run


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """What can feed an input: an output or the log of a Plan."""

    plan: Plan
    output: Output


@dataclass(frozen=True, kw_only=True)
class Downstream:
    """What an output can feed: an input of a Plan."""

    plan: Plan
    input: Input


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """A Plan with its neighbours. `upstreams` go with `plan.inputs`, `downstreams` with `plan.products`, one each."""

    plan: Plan
    upstreams: tuple[tuple[Upstream, ...], ...]
    downstreams: tuple[tuple[Downstream, ...], ...]


THIS_PLAN = PlanId("this Plan")
"""Stands for the id of a Plan that is not registered."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What applying a Plan would do now: raise `refusal`, or register `plan` and make `count` Runs.

    `plan` is in normal form and named `THIS_PLAN`; None if it breaks a rule. `fitting` counts the Data for each input,
    `first` are the inputs of the first Runs.
    """

    plan: PlanView | None = None
    refusal: KnitError | None = None
    fitting: Mapping[str, int] = field(default_factory=dict)
    count: int = 0
    first: tuple[tuple[Assignment, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """A Run and its Plan."""

    run: Run
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A Run with the Data it takes and makes, by path. Outputs of a deleted Run have an empty knitId."""

    run: Run
    plan: Plan
    inputs: tuple[Assignment, ...]
    outputs: tuple[Assignment, ...]
    log: KnitId | None


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A Run that took a Data, and at which input."""

    input: Input
    run: RunSummary


@dataclass(frozen=True, kw_only=True)
class NominationView:
    """A Plan's input that a Data fits."""

    plan: Plan
    input: Input


@dataclass(frozen=True, kw_only=True)
class DataView:
    """A Data with where it comes from, who took it, and the inputs it fits."""

    data: Data
    output: Output
    producer: RunSummary
    consumers: tuple[Consumer, ...]
    nominations: tuple[NominationView, ...]
