"""The reference in docs/notebook-api.md, made of signatures and docstrings of what a notebook holds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any


def reference() -> str:
    """Every public member of the module, of a session, and of what they return."""
    import knit_lab
    from knit_lab.graph.views import GraphView, LineageView, PlanGraphView
    from knit_lab.objects.collections import DataCollection, PlanCollection, RunCollection
    from knit_lab.objects.data import Data
    from knit_lab.objects.drafts import DryRun, PlanDraft
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.listing import Listing
    from knit_lab.objects.plans import Plan
    from knit_lab.objects.runs import Run
    from knit_lab.session import Session

    named = ((name, getattr(knit_lab, name)) for name in sorted(set(knit_lab.__all__) - {"data", "plans", "runs"}))
    functions = ((name, each) for name, each in named if inspect.isfunction(each) and "ipython" not in name)
    parts = _table("knit", "the functions of `import knit_lab as knit`", functions)
    for kind, what in (
        (DataCollection, "`knit.data`"), (PlanCollection, "`knit.plans`"), (RunCollection, "`knit.runs`"), (Data, ""),
        (Plan, ""), (PlanDraft, ""), (DryRun, ""), (Run, ""), (Explanation, ""), (Listing, ""), (GraphView, ""),
        (LineageView, ""), (PlanGraphView, ""), (Session, ""),
    ):  # fmt: skip
        parts += _table(kind.__name__, what or _first(kind), _members(kind))
    return "\n".join(parts)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(kind).items():
        if name == "__getitem__" and kind.__name__.endswith("Collection"):
            yield "[...]", member
        if not name.startswith("_") and _doc(member):
            yield name, member


def _table(title: str, what: str, members: Iterator[tuple[str, Any]]) -> list[str]:
    rows = [f"| `{_written(name, member)}` | {_first(member)} |" for name, member in members]
    if not rows:
        return []
    return ["", f"### {title}", "", f"{what[0].upper()}{what[1:]}".rstrip("."), "", "| | |", "|---|---|", *rows]


def _written(name: str, member: Any) -> str:
    function = inspect.unwrap(member.__func__ if isinstance(member, classmethod | staticmethod) else member)
    if name == "[...]" or not inspect.isfunction(function):
        return name
    signature = inspect.signature(function)
    kept = [
        each.replace(annotation=each.empty)
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    return f"{name}{inspect.Signature(kept)}".replace("|", "\\|")


def _doc(member: Any) -> str:
    if isinstance(member, property | classmethod | staticmethod | cached_property) or inspect.isfunction(member):
        return inspect.getdoc(member) or ""
    return ""


def _first(member: Any) -> str:
    """The first paragraph of a docstring, on one line of a table."""
    paragraph = (inspect.getdoc(member) or "").split("\n\n")[0]
    return re.sub(r"\s+", " ", paragraph).replace("|", "\\|")
