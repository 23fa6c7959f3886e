"""The functions of `import knit_lab as knit`: those of the session in use, which is opened when it is first needed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from knit_lab.objects import asking
from knit_lab.session import Session
from knit_server.domain.errors import Unsupported

if TYPE_CHECKING:
    from knit_lab.components.browser import DataBrowser
    from knit_lab.components.monitor import Monitor
    from knit_lab.components.plan_editor import PlanEditor
    from knit_lab.components.plan_list import PlanList
    from knit_lab.components.push_form import PushForm
    from knit_lab.objects.collections import Span, When
    from knit_lab.objects.data import Data
    from knit_lab.objects.drafts import PlanDraft
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.listing import Listing
    from knit_lab.objects.plans import Plan
    from knit_lab.objects.pushing import Source
    from knit_lab.objects.runs import Run

_guard = threading.Lock()
_current: Session | None = None


def connect(
    profile: str | os.PathLike[str] | None = None, *, api_root: str | None = None, token: str | None = None
) -> Session:
    """Find the server, see that it answers, and use it from now on.

    Without arguments it is the Jupyter server that this kernel belongs to, if Knit is in it, else the profile of the
    current directory. Raises `KnitError` with what to do if there is none or it does not answer.
    """
    global _current
    session = Session.open(profile, api_root=api_root, token=token)
    try:
        session.client.health()
    except BaseException:
        session.close()
        raise
    with _guard:
        before, _current = _current, session
    if before is not None and not before.changes.are_followed:  # widgets that it made go on with it
        before.close()
    return session


def current() -> Session:
    """Return the session in use, after finding the server if that was not done yet. Raises `KnitError`."""
    global _current
    with _guard:
        if _current is None:
            _current = Session.open()
        return _current


@overload
def find(*tags: str, newest: Literal[True], **window: Any) -> Data: ...
@overload
def find(*tags: str, newest: Literal[False] = False, **window: Any) -> Listing[Data]: ...


def find(*tags: str, newest: bool = False, **window: Any) -> Data | Listing[Data]:
    """Find Data with all of `tags`; see `Session.find`."""
    return current().find(*tags, newest=True, **window) if newest else current().find(*tags, **window)


def push(
    source: Source, tags: Iterable[str] | str = (), *, name: str | None = None, progress: bool = True
) -> Data:  # fmt: skip
    """Push a directory, file, DataFrame, mapping of files, or bytes as a new Data; see `Session.push`."""
    return current().push(source, tags, name=name, progress=progress)


def plan(source: str | os.PathLike[str] | Mapping[str, Any] | None = None, /, **members: Any) -> PlanDraft:
    """Draft a Plan from a plan file or from its members; see `Session.plan`."""
    return current().plan(source, **members)


def monitor(
    plan: str | Plan | None = None, *, status: Iterable[str] = (), input: str | Data | None = None,  # noqa: A002 - as in `runs.find`
    output: str | Data | None = None, since: When = None, duration: Span = None,
) -> Monitor:  # fmt: skip
    """Watch Runs as they go, in a widget: of a Plan, with an input, an output, in any of some statuses."""
    from knit_lab import opening

    return opening.monitor(
        current(), plan, status=status, input=input, output=output, since=since, duration=duration
    )  # fmt: skip


def plan_editor(source: str | Plan | PlanDraft | None = None) -> PlanEditor:
    """Edit a Plan in a widget: a draft, a plan file or its text, a registered Plan as a start, or nothing."""
    from knit_lab import opening

    return opening.plan_editor(current(), source)


def plan_list(**filters: Any) -> PlanList:
    """List Plans in a widget, to switch, archive and look at; filters as of `plans.find`."""
    from knit_lab import opening

    return opening.plan_list(current(), **filters)


def why(what: str | Data | Plan | Run) -> Explanation:
    """Explain why a Data, a Plan or a Run did what it did, or did not; see `Session.why`."""
    return current().why(what)


# --- widgets ----------------------------------------------------------------------------------------------------------


def push_form(
    path: str | os.PathLike[str] | None = None, tags: Iterable[str] | str = (), *, name: str = ""
) -> PushForm:  # fmt: skip
    """Show the form that pushes: a path of this machine, or files of your computer. Raises `Unsupported`."""
    with _widgets():
        from knit_lab.components.push_form import PushForm
    return PushForm(current(), None if path is None else os.fspath(path), asking.texts(tags), name=name)


def browse(
    *tags: str, since: str = "", duration: str = "", transient: bool | None = None, height: str = "620px"
) -> DataBrowser:  # fmt: skip
    """Show the browser of Data, newest first, with these filters to begin with. Raises `Unsupported`.

    `since` and `duration` are written as in `find`; `transient`: only Data that cannot be used (True), or only those
    that can (False).
    """
    with _widgets():
        from knit_lab.components.browser import DataBrowser
    return DataBrowser(current(), tags, since=since, duration=duration, transient=transient, height=height)


@contextlib.contextmanager
def _widgets() -> Iterator[None]:
    """Say what to install where the libraries of the widgets are missing."""
    try:
        yield
    except ImportError as err:
        advice = 'Install them: pip install "knit-platform[lab]"'
        raise Unsupported(f"the widgets are not installed: {err}", advice=advice) from err
