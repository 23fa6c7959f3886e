"""Opening widgets: where objects and functions ask for them, so that all else works without ipywidgets."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from knit_lab.objects import asking
from knit_server.domain.errors import Unsupported

if TYPE_CHECKING:
    from knit_lab.components.monitor import Monitor
    from knit_lab.components.plan_editor import PlanEditor
    from knit_lab.components.plan_list import PlanList
    from knit_lab.components.run_panel import FollowedRun
    from knit_lab.objects.collections import Span, When
    from knit_lab.objects.data import Data
    from knit_lab.objects.drafts import PlanDraft
    from knit_lab.objects.plans import Plan
    from knit_lab.session import Session


def monitor(
    session: Session, plan: str | Plan | None = None, *, status: Iterable[str] = (), input: str | Data | None = None,  # noqa: A002 - the word of the API
    output: str | Data | None = None, since: When = None, duration: Span = None,
) -> Monitor:  # fmt: skip
    """Watch Runs as they go. Raises `KnitError` for a filter that cannot be understood, `Unsupported`."""
    words = {
        "plan": _word(plan), "input": _word(input), "output": _word(output),
        "since": "" if since is None else str(since),
        "duration": duration_words(duration),
    }  # fmt: skip
    made: Monitor = _component("monitor").Monitor(session, statuses=status, **words)
    return made


def follow(session: Session, run_id: str) -> FollowedRun:
    """Watch one Run: its status, its log, and what can be done about it. Raises `NotFound`, `Unsupported`."""
    made: FollowedRun = _component("run_panel").FollowedRun(session, run_id)
    return made


def plan_editor(session: Session, source: str | Plan | PlanDraft | None = None) -> PlanEditor:
    """Edit a Plan: a draft, a plan file or its text, a registered Plan as a start, or nothing. Raises `KnitError`."""
    made: PlanEditor = _component("plan_editor").PlanEditor(session, source)
    return made


def plan_list(session: Session, **filters: Any) -> PlanList:
    """List Plans, to switch, archive and look at. Raises `KnitError`."""
    made: PlanList = _component("plan_list").PlanList(session, **filters)
    return made


def _component(name: str) -> Any:
    try:
        return importlib.import_module(f"knit_lab.components.{name}")
    except ImportError as err:
        advice = 'Install them: pip install "knit-platform[lab]"'
        raise Unsupported(f"the widgets are not installed: {err}", advice=advice) from err


def _word(what: str | Plan | Data | None) -> str:
    return "" if what is None else what if isinstance(what, str) else what.id


def duration_words(duration: Span) -> str:
    """Write a duration as people do; seconds come as milliseconds. Raises `InvalidInput`."""
    if isinstance(duration, str):
        return duration
    milliseconds = asking.span(duration)
    return "" if milliseconds is None else f"{milliseconds}ms"
