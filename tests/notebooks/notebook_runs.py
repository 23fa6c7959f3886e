"""Notebooks as git holds them, and as a kernel leaves them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode, read
from server import Server, environment

SECONDS = 300
"""Seconds that a cell may take, on a machine that is busy with other tests."""
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
FORMAT = {"nbformat": 4, "nbformat_minor": 5}


def stripped(text: str) -> str:
    """The notebook without outputs and without what differs from one execution to the next, keys in order."""
    cells = []
    for cell in json.loads(text)["cells"]:
        lines = "".join(cell["source"]).splitlines(keepends=True)
        kept: dict[str, Any] = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": {}, "source": lines}
        if cell["cell_type"] == "code":
            kept |= {"execution_count": None, "outputs": []}
        cells.append(kept)
    return (
        json.dumps({"cells": cells, "metadata": METADATA, **FORMAT}, indent=1, sort_keys=True, ensure_ascii=False)
        + "\n"
    )


def laid_out(notebooks: Path, folder: Path) -> Path:
    """A copy of the notebooks, with all that lies beside them, as `knit notebooks` makes it; its folder."""
    shutil.copytree(notebooks, folder, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    return folder


def executed(path: Path, server: Server) -> NotebookNode:
    """Run all cells in a new kernel, which is told of `server` as Jupyter tells its kernels; raises at an error."""
    notebook = read(path, as_version=4)
    of_user = {
        f"JUPYTER_{name}_DIR": str(server.folder / f"jupyter-{name.lower()}") for name in ("CONFIG", "DATA", "RUNTIME")
    }
    environ = environment(server.user_home) | of_user | {
        "KNIT_PROFILE_FILE": str(server.handout), "IPYTHONDIR": str(server.folder / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }  # fmt: skip
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute(env=environ)
    return notebook


def outputs(notebook: NotebookNode) -> dict[str, list[NotebookNode]]:
    """The outputs of each code cell, by the id of the cell."""
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
