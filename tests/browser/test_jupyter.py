"""Knit in JupyterLab and in Notebook 7, as a person uses them: import, push, click a graph."""

from __future__ import annotations

import pytest
from lab_page import App, LabPage
from playwright.sync_api import expect


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_push_and_click(lab: LabPage, case: str, app: App) -> None:
    """A notebook finds the server by itself, pushes, draws the lineage; a click on a card shows what it is."""
    lab.open(
        "import knit_lab as knit\nsession = knit.connect()\nprint(session.client.api_root)",
        f"data = knit.push({{'a.txt': b'alpha'}}, ['{case}'])\ndata",
        "data.lineage().explore()",
        app=app, name=f"click-{app}.ipynb",
    )  # fmt: skip
    assert lab.text(0).strip().endswith("/user/ann/knit/api")
    data = lab.jupyter.data(case)[0]
    assert data["knitId"] in lab.wait_for_graph(least=2)
    lab.click_node(data["knitId"])
    expect(lab.page.locator(".knit-details")).to_contain_text(case)
    assert not lab.errors
