"""What commands find, as the objects of `knit_lab`: the answer of the API goes in, a handle comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knit_lab.display.tables import Kind
from knit_lab.magics import short
from knit_lab.magics.cells.making import TAG
from knit_lab.magics.host import Taken
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import DryRun, PlanDraft
from knit_lab.objects.explanations import Explanation
from knit_lab.objects.listing import Column, Listing
from knit_lab.objects.plans import Plan
from knit_lab.objects.runs import Run
from knit_lab.session import Session

Maker = Callable[[Session, Any, Mapping[str, Any]], object]


def made(session: Session, taken: Sequence[Taken]) -> object:
    """Return what a command found: nothing, one thing, or a list of several."""
    found = [_maker(each.command)(session, each.value, each.about) for each in taken]
    if len(found) < 2:
        return found[0] if found else None
    if all(isinstance(each, Data) for each in found):
        return session.data.listed(found)  # type: ignore[arg-type]
    if all(isinstance(each, Plan) for each in found):
        return session.plans.listed(found)  # type: ignore[arg-type]
    return found


def _maker(command: str) -> Maker:
    return MAKERS.get(command, lambda session, value, about: value)


def _data(session: Session, value: Any, about: Mapping[str, Any]) -> object:
    return Data(session, value)


def _plan(session: Session, value: Any, about: Mapping[str, Any]) -> object:
    if "spec" in about:
        return DryRun(PlanDraft(session, about["spec"]), value)
    return Plan(session, value)


def _graph(session: Session, value: Any, about: Mapping[str, Any]) -> object:
    from knit_lab.graph.views import LineageView, PlanGraphView

    depths = about["upstream"], about["downstream"]
    if "runs" in value:
        return LineageView(session, value["root"], *depths)
    return PlanGraphView(session, value, *depths)


def _lineage(session: Session, what: tuple[str, ...], about: Mapping[str, Any]) -> object:
    data = session.data[what] if what else _newest_result(session)
    return _explored(data.lineage(), static=about["static"])


def _newest_result(session: Session) -> Data:
    """Return the newest Data that is neither a log nor the code of a cell; of few and old ones, the newest."""
    recent = [Data(session, each) for each in session.client.each_data(transient=False, newest_first=True, limit=50)]
    for each in recent:
        is_code = any(tag.startswith(f"{TAG}:") for tag in each.tags)
        if not is_code and "log" not in each.detail["upstream"]:
            return each
    return recent[0] if recent else session.data.newest()


def _plan_graph(session: Session, plan_id: str | None, about: Mapping[str, Any]) -> object:
    found = session.plans[plan_id or short.newest_plan(session.client)["id"]]
    return _explored(found.graph(), static=about["static"])


def _explored(view: Any, *, static: bool) -> object:
    """Return the widget where widgets are installed, else the picture."""
    if static:
        return view
    from knit_server.domain.errors import Unsupported

    try:
        return view.explore()
    except Unsupported:
        return view


def _images(session: Session, value: Any, about: Mapping[str, Any]) -> object:
    return Listing(value if isinstance(value, list) else [value], _IMAGE_COLUMNS, "images")


_FILE_COLUMNS = (
    Column("path", lambda each: each["path"]),
    Column("size", lambda each: each["size"], Kind.SIZE),
    Column("kind", lambda each: each["kind"]),
)
_IMAGE_COLUMNS = (
    Column("names", lambda each: tuple(each["names"])),
    Column("python", lambda each: each["python"]),
    Column("size", lambda each: each["size"], Kind.SIZE),
    Column("created", lambda each: each["created"]),
    Column("digest", lambda each: each["digest"].removeprefix("sha256:"), Kind.ID),
)

MAKERS: dict[str, Maker] = {
    "knit data find": lambda session, value, about: session.data.listed(Data(session, each) for each in value),
    "knit data push": _data,
    "knit data tag": _data,
    "knit data ls": lambda session, value, about: Listing(value, _FILE_COLUMNS, "files"),
    "knit data lineage": _graph,
    "knit plan find": lambda session, value, about: session.plans.listed(Plan(session, each) for each in value),
    **{f"knit plan {verb}": _plan for verb in ("show", "apply", "active", "archive", "annotate", "resource",
                                               "serviceaccount")},
    "knit plan graph": _graph,
    "knit run find": lambda session, value, about: session.runs.listed(Run(session, each) for each in value),
    "knit run show": lambda session, value, about: Run(session, value),
    **{f"knit image {verb}": _images for verb in ("ls", "build", "load", "tag")},
    "knit why": lambda session, value, about: Explanation(session, value),
    short.LINEAGE: _lineage,
    short.GRAPH: _plan_graph,
}  # fmt: skip
"""By the path of the command; what no line is for comes as the API answered it."""
