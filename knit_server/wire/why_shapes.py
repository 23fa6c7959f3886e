"""The JSON shapes of answers to "why"; `shapes` has them, too."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

Detail = dict[str, Any]
"""Numbers and words of a point, or of a receipt."""


class WhyPoint(TypedDict):
    """One thing that holds now: a code of docs/rules.md, "Why", a sentence, what it is about, what explains it."""

    code: str
    text: str
    planId: NotRequired[str]
    path: NotRequired[str]
    knitId: NotRequired[str]
    runId: NotRequired[str]
    tags: NotRequired[list[str]]
    runs: NotRequired[dict[str, int]]
    detail: NotRequired[Detail]
    points: NotRequired[list[WhyPoint]]


class WhyReceipt(TypedDict):
    """What matching decided, when, and on which event: push, plan or tag."""

    at: str
    event: str
    code: str
    knitId: str
    planId: str
    path: str
    count: int
    detail: Detail


class Why(TypedDict):
    """Why a Data, Plan or Run (`kind`) did what it did: what holds now, what was decided then, commands that help next.

    `log` are the last lines that a Run's program printed; `omitted` counts inputs that are not shown.
    """

    kind: str
    id: str
    standing: str
    now: list[WhyPoint]
    then: list[WhyReceipt]
    log: list[str]
    next: list[str]
    omitted: int
