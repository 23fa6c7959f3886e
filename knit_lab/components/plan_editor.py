"""The Plan editor: a form and the plan file side by side, what applying would do below them, and Apply."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts, plan_editing, plan_verdict
from knit_lab.components.beside import Once, Worker
from knit_lab.components.plan_editing import Editing, Foreseen
from knit_lab.components.plan_form import PlanForm
from knit_lab.display import cards, code
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.plans import Plan
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, KnitError

STILL = 0.4
"""Seconds of not typing after which the other side follows and the server is asked."""

_CSS = "<style>.knit-yaml textarea {font-family: var(--jp-code-font-family, monospace); font-size: 12px}</style>"


class PlanEditor(widgets.VBox):  # type: ignore[misc]
    """Edits a Plan to be. A registered Plan is a start only: applying registers another one beside it."""

    _is_open = False

    def __init__(self, session: Session, source: Any = None) -> None:
        """Begin with a draft, a registered Plan, a plan file or its text, or nothing. Raises `KnitError`."""
        self._session = session
        self.editing: Editing = plan_editing.begun(session, source)
        self.plan: Plan | None = None
        """What was applied last."""
        self.foreseen: Foreseen | None = None
        """What applying would do; None while that is not known."""
        self._worker, self._quiet = Worker(), False
        self._form = PlanForm(session, self._form_changed, self.load_template)
        self.yaml = widgets.Textarea(
            rows=24, layout=widgets.Layout(width="auto", height="440px"), placeholder="a plan file"
        )
        self.yaml.add_class("knit-yaml")
        self.yaml.tooltip = "The plan file (YAML)"
        self._wrong, self._verdict, self._said = parts.Said(), widgets.HTML(), parts.Said()
        self._made = widgets.VBox()
        self._read, self._check = Once(self._read_yaml, STILL, settle=True), Once(self._ask, STILL, settle=True)
        super().__init__(self._layout())
        self.add_class("knit-plan-editor")
        self._show()
        self.yaml.observe(lambda _: self._yaml_changed(), "value")
        self._worker.do(session.client.find_images, self._offer_images, self._said.bad)
        self._ask()
        self._is_open = True

    # --- what people do -----------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Register the Plan; if the same one is there already, that is taken."""
        if not self._is_whole():
            return
        spec, session = dict(self.editing.spec), self._session
        is_there = self.foreseen is not None and "equivalent" in self.foreseen.answer
        self._said.busy("Applying …")
        self._worker.do(
            lambda: PlanDraft(session, spec).apply(), lambda plan: self._applied(plan, is_there), self._said.bad
        )

    def save(self) -> None:
        """Write the plan file to the path in the field, on the kernel's machine, over what is there."""
        path = str(self._path.value).strip()
        try:
            if not path:
                raise InvalidInput("which file?", advice="Write a path, such as clean.plan.yaml")
            plan_editing.write(path, self.editing.text)
        except KnitError as err:
            self._said.bad(err)
        else:
            self._said.good(f"saved as {path}")

    def load_template(self) -> None:
        """Begin anew with what the image in the form says about itself."""
        image = str(self._form.image.value).strip()
        self._said.busy("Asking about the image …")
        self._worker.do(lambda: plan_editing.template_of(self._session, image), self._begin_with, self._said.bad)

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        await self._worker.idle()

    def close(self) -> None:
        """Take the widget from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._read.drop()
            self._check.drop()
            self._worker.close()
            self._close_made()
        super().close()

    # --- what happens -------------------------------------------------------------------------------------------------

    def _form_changed(self) -> None:
        try:
            members = self._form.members()
        except KnitError as err:
            self._wrong.bad(err)
            return
        self._read.drop()  # what was typed on the other side is replaced
        self.editing.fill(members)
        self._write_yaml()
        self._asked_anew()

    def _yaml_changed(self) -> None:
        if not self._quiet:
            self._read.ask()

    def _read_yaml(self) -> None:
        if self.editing.write(str(self.yaml.value)):
            self._form.show(self.editing.spec, self.editing.beside)
        self._asked_anew()

    def _begin_with(self, text: str) -> None:
        self.editing.write(text)
        self._said.clear()
        self._show()
        self._ask()

    def _show(self) -> None:
        self._form.show(self.editing.spec, self.editing.beside)
        self._write_yaml()
        self._tell_error()

    def _write_yaml(self) -> None:
        self._quiet = True
        try:
            self.yaml.value = self.editing.text
        finally:
            self._quiet = False

    def _asked_anew(self) -> None:
        self.foreseen = None
        self._tell_error()
        self._check.ask()

    def _tell_error(self) -> None:
        error = self.editing.error
        if error is None:
            self._wrong.clear()
        else:
            self._wrong.bad(error)
            self._verdict.value = ""
        self._apply.disabled = error is not None

    def _ask(self) -> None:
        """Ask the server, beside the loop, what applying would do."""
        if self.editing.error is not None:
            return
        spec = dict(self.editing.spec)
        self._verdict.value = f'<span style="color:{parts.FAINT}">checking …</span>'

        def told(found: Foreseen) -> None:
            if spec == self.editing.spec and self.editing.error is None:
                self.foreseen = found
                self._verdict.value = plan_verdict.html(found, self.editing.warnings)

        self._worker.do(lambda: plan_editing.foreseen(self._session, spec), told, self._unknown)

    def _unknown(self, err: KnitError) -> None:
        self._verdict.value = ""
        self._wrong.bad(err)

    def _is_whole(self) -> bool:
        """Take what was typed last; returns whether it can be read."""
        if str(self.yaml.value) != self.editing.text:
            self._read.drop()
            self._read_yaml()
        return self.editing.error is None

    def _applied(self, plan: Plan, is_there: bool) -> None:
        self.plan = plan
        self._said.good(f"Plan {plan.id} " + ("was there already" if is_there else "is registered"))
        self._close_made()
        self._made.children = (
            widgets.HTML(cards.plan(plan.detail)),
            parts.row(
                parts.button("▶ Watch its Runs", lambda: self._open(plan.monitor()), "Open the Run monitor"),
                parts.button(
                    "⎇ Plan graph", lambda: self._open(plan.graph().explore()), "What feeds it, what it feeds"
                ),
            ),
        )
        self._ask()

    def _open(self, widget: widgets.Widget) -> None:
        *others, last = self._made.children
        if len(others) > 1:
            last.close()
            self._made.children = (*others, widget)
        else:
            self._made.children = (*others, last, widget)

    def _close_made(self) -> None:
        for each in self._made.children:
            each.close()
        self._made.children = ()

    def _offer_images(self, images: list[Any]) -> None:
        self._form.image.options = sorted({name for image in images for name in image["names"]})

    # --- how it looks -------------------------------------------------------------------------------------------------

    def _layout(self) -> list[widgets.Widget]:
        self._apply = parts.button("Apply", self.apply, "Register this Plan", style="primary")
        self._path = widgets.Text(
            value="" if self.editing.source == plan_editing.SOURCE else self.editing.source,
            placeholder="clean.plan.yaml", layout=widgets.Layout(width="220px"),
        )  # fmt: skip
        left = widgets.VBox([self._form], layout=widgets.Layout(flex="1 1 460px", min_width="0"))
        right = widgets.VBox(
            [widgets.HTML(_CSS), self.yaml, self._wrong], layout=widgets.Layout(flex="1 1 380px", min_width="0")
        )
        both = widgets.HBox([left, right], layout=widgets.Layout(width="100%", flex_flow="row wrap"))
        below = parts.row(self._apply, self._path, parts.button("Save", self.save, "Write the plan file to this path"))
        return [both, self._verdict, below, self._said, self._made]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with the plan file for pages that have no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        forms = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**forms, "text/html": code.yaml(self.editing.text), "text/plain": self.editing.text}
