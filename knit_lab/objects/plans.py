"""A Plan as a notebook holds it: what it says, its Runs, its graph; switch, archive, explain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from knit_lab.display import cards
from knit_lab.display import html as markup
from knit_lab.display.shown import Shown
from knit_lab.objects.by_path import ByPath
from knit_lab.objects.listing import Listing
from knit_server.client.api import Depth
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.components.monitor import Monitor
    from knit_lab.components.plan_editor import PlanEditor
    from knit_lab.graph.views import PlanGraphView
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.runs import Run
    from knit_lab.session import Session


class Plan(Shown):
    """A registered Plan. What identifies it never changes; `refresh` asks for the rest again."""

    def __init__(self, session: Session, detail: shapes.PlanDetail) -> None:
        self._session = session
        self.detail = detail

    @property
    def id(self) -> str:
        """Its planId."""
        return self.detail["planId"]

    @property
    def image(self) -> str:
        """Its image, or the name of a built-in one."""
        return self.detail.get("image") or self.detail.get("name", "")

    @property
    def active(self) -> bool:
        """Whether its Runs are executed."""
        return self.detail["active"]

    @property
    def inputs(self) -> dict[str, list[str]]:
        """The tags that each input asks for, by path."""
        return ByPath({each["path"]: list(each["tags"]) for each in self.detail["inputs"]})

    @property
    def outputs(self) -> dict[str, list[str]]:
        """The tags that each output gets, by path."""
        return ByPath({each["path"]: list(each["tags"]) for each in self.detail["outputs"]})

    @property
    def runs(self) -> Listing[Run]:
        """Its Runs as they are now, the one that changed last at the end."""
        return self._session.runs.find(plan=self)

    def activate(self) -> Plan:
        """Switch it on: its waiting Runs are executed. Returns itself."""
        self.detail = self._session.client.set_active(self.id, True)
        return self

    def deactivate(self) -> Plan:
        """Switch it off: its Runs are made, but wait. Returns itself."""
        self.detail = self._session.client.set_active(self.id, False)
        return self

    def archive(self, *, undo: bool = False) -> Plan:
        """Hide it and let it match nothing any more, or undo that. Returns itself."""
        self.detail = self._session.client.archive_plan(self.id, undo=undo)
        return self

    def graph(self, upstream: Depth = "all", downstream: Depth = "all") -> PlanGraphView:
        """Follow it to the Plans that can feed it and those it can feed, so many steps."""
        from knit_lab.graph.views import PlanGraphView

        found = self._session.client.plan_graph(self.id, upstream=upstream, downstream=downstream)
        return PlanGraphView(self._session, found, upstream, downstream)

    def monitor(self, *, status: Iterable[str] = ()) -> Monitor:
        """Watch its Runs as they go, in a widget. Raises `Unsupported` without ipywidgets."""
        from knit_lab import opening

        return opening.monitor(self._session, self, status=status)

    def edit(self) -> PlanEditor:
        """Edit a copy of it, in a widget. Raises `Unsupported` without ipywidgets."""
        from knit_lab import opening

        return opening.plan_editor(self._session, self)

    def why(self) -> Explanation:
        """Explain which Data its inputs took and what they wait for."""
        from knit_lab.objects.explanations import Explanation

        return Explanation(self._session, self._session.client.why(self.id))

    def refresh(self) -> Plan:
        """Ask the server again. Returns itself. Raises `NotFound`."""
        self.detail = self._session.client.show_plan(self.id)
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def as_text(self) -> str:
        """Return a line: the id, the name or image and, if it does nothing, that."""
        return cards.line("Plan", self.id, [markup.plan_name(self.detail), *([] if self.active else ["inactive"])])

    def as_html(self) -> str:
        """Return a card."""
        return cards.plan(self.detail)
