"""A page with a notebook, as a person has it before them: JupyterLab's or Notebook 7's.

Commands go through the application object that the page exposes, so that nothing depends on menus or on luck with
timing; everything that a widget is for is done by real clicks and keys (`page`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from jupyter_lab import JupyterLab
from playwright.sync_api import Error, Locator, Page, expect

App = Literal["lab", "notebook"]

PATIENCE_MS = 60_000
"""How long to wait for what must come; the first page of a fresh Chromium is slow."""

expect.set_options(timeout=20_000)

HARMLESS = ("reading 'schema'", "Command 'filebrowser:open-path' not registered")
"""What Notebook 7 throws by itself when a page is opened."""

_PANEL = "window.jupyterapp.shell.currentWidget"
_READY = """() => {
  const context = window.jupyterapp?.shell?.currentWidget?.context;
  return context?.isReady && context.sessionContext?.session?.kernel?.status === "idle"
    && context.sessionContext.session.kernel.connectionStatus === "connected";
}"""
_CELLS = f"{_PANEL}.content.widgets"
_CY = "document.querySelectorAll('.custom-widget')[graph]?._cyreg?.cy"


class LabPage:
    """One browser tab. `errors`: what its scripts threw and nobody caught, but for what is `HARMLESS`."""

    def __init__(self, page: Page, jupyter: JupyterLab, pictures: Path) -> None:
        self.page, self.jupyter, self._pictures = page, jupyter, pictures
        self.errors: list[str] = []
        page.on("pageerror", self._threw)

    def _threw(self, error: Error) -> None:
        if not any(known in str(error) for known in HARMLESS):
            self.errors.append(str(error))

    # --- notebooks ----------------------------------------------------------------------------------------------------

    def open(
        self, *cells: str, name: str = "untitled.ipynb", app: App = "lab", dark: bool = False, run: bool = True
    ) -> LabPage:  # fmt: skip
        """Open a new notebook with these code cells, wait for its kernel, and with `run` run them all."""
        self._write(name, cells)
        return self.show(name, app=app, dark=dark, run=run)

    def show(self, name: str, *, app: App = "lab", dark: bool = False, run: bool = False) -> LabPage:
        """Open a notebook that is there, by its path below `jupyter.notebooks`."""
        self.jupyter.settle(theme="JupyterLab Dark" if dark else "JupyterLab Light")
        page = f"lab/workspaces/auto-t/tree/{name}" if app == "lab" else f"notebooks/{name}"
        self.page.goto(self.jupyter.url(page, reset=""), timeout=PATIENCE_MS)
        self.page.wait_for_function(_READY, timeout=PATIENCE_MS)
        if app == "lab":  # more room for the notebook
            self.page.evaluate("window.jupyterapp.shell.collapseLeft?.()")
        if run:
            self.run_all()
        return self

    def run_all(self, *, may_fail: bool = False) -> None:
        """Run all cells and wait for their end. Unless it `may_fail`, no cell may have raised."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self._settled(may_fail=may_fail)

    def run_cell(self, source: str, *, may_fail: bool = False) -> int:
        """Add a code cell at the end, run it, wait for its end, and return its index."""
        index: int = self.page.evaluate(
            f"""async source => {{
              const panel = {_PANEL}, app = window.jupyterapp;
              panel.content.activeCellIndex = panel.content.widgets.length - 1;
              await app.commands.execute("notebook:insert-cell-below");
              panel.content.activeCell.model.sharedModel.setSource(source);
              await app.commands.execute("notebook:run-cell");
              return panel.content.activeCellIndex;
            }}""",
            source,
        )
        self._settled(may_fail=may_fail)
        return index

    def cell(self, index: int) -> Locator:
        """A cell with its outputs, by its index."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of a cell, as the notebook file has them."""
        found: list[dict[str, Any]] = self.page.evaluate(f"index => {_CELLS}[index].model.toJSON().outputs", index)
        return found

    def text(self, index: int) -> str:
        """What the outputs of a cell say in plain text."""
        said = []
        for output in self.outputs(index):
            plain = output.get("text") or output.get("data", {}).get("text/plain", "")
            said.append("".join(plain) if isinstance(plain, list) else plain)
        return "".join(said)

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def _settled(self, *, may_fail: bool) -> None:
        self.page.wait_for_function(_READY, timeout=PATIENCE_MS)
        raised = self.page.evaluate(
            f"""() => {_CELLS}.flatMap(cell => (cell.model.toJSON().outputs || []))
                  .filter(output => output.output_type === "error").map(output => output.traceback.join("\\n"))"""
        )
        assert may_fail or not raised, "\n".join(raised)

    def _write(self, name: str, cells: Sequence[str]) -> None:
        made = [
            {
                "cell_type": "code",
                "id": f"c{at}",
                "metadata": {},
                "source": text,
                "outputs": [],
                "execution_count": None,
            }
            for at, text in enumerate(cells)
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        file = self.jupyter.notebooks / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(notebook))

    # --- graphs -------------------------------------------------------------------------------------------------------

    def wait_for_graph(self, graph: int = 0, *, least: int = 1) -> list[str]:
        """Wait until the canvas number `graph` of the page has cards with places; the ids of its cards."""
        self.page.wait_for_function(
            f"""([graph, least]) => {{
              const cy = {_CY};
              return cy && cy.nodes().length >= least && cy.elements().boundingBox().w > 50;
            }}""",
            arg=[graph, least], timeout=PATIENCE_MS,
        )  # fmt: skip
        return self.nodes(graph)

    def nodes(self, graph: int = 0) -> list[str]:
        """The ids of the cards that a canvas shows."""
        found: list[str] = self.page.evaluate(f"graph => {_CY}.nodes().map(node => node.id())", graph)
        return found

    def node(self, node_id: str, graph: int = 0) -> dict[str, Any]:
        """A card as it is drawn: its data, its classes, and where its middle is on the page."""
        self.page.locator(".custom-widget").nth(graph).scroll_into_view_if_needed()
        found: dict[str, Any] = self.page.evaluate(
            f"""([graph, id]) => {{
              const cy = {_CY}, node = cy.getElementById(id), box = cy.container().getBoundingClientRect();
              if (node.empty()) return null;
              const at = node.renderedPosition();
              return {{data: node.data(), classes: node.classes(), x: box.x + at.x, y: box.y + at.y, zoom: cy.zoom()}};
            }}""",
            [graph, node_id],
        )
        assert found is not None, f"no card {node_id}; there are {self.nodes(graph)}"
        return found

    def click_node(self, node_id: str, graph: int = 0) -> None:
        """Click a card with the mouse, where it is drawn."""
        at = self.node(node_id, graph)
        self.page.mouse.click(at["x"], at["y"])

    # --- pictures -----------------------------------------------------------------------------------------------------

    def screenshot(self, name: str, *, of: Locator | None = None) -> Path:
        """Save a picture of the page, or `of` a part of it; see `jupyter_lab.images_folder`."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        path = self._pictures / f"{name}.png"
        (self.page if of is None else of).screenshot(path=path)
        return path

    def until(self, what: str, look: Callable[[], bool], seconds: float = 20.0) -> None:
        """Look again and again, while the page goes on, until `look` is true."""
        for _ in range(int(seconds * 20)):
            if look():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
