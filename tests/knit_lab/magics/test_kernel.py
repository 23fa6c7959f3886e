"""Magics in a real kernel: a notebook from top to bottom, and the Stop button."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from knit_lab.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # sockets of jupyter_client


@pytest.fixture(autouse=True)
def told(profile_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kernels are told of the server as a Jupyter server tells them."""
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(profile_file))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[3])]))
    monkeypatch.chdir(tmp_path)


def executed(*cells: str) -> list[list[Any]]:
    """The outputs of the cells of a notebook that is executed by nbclient."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [each["outputs"] for each in notebook["cells"]]


def texts(outputs: list[Any]) -> str:
    return "".join(each.get("text", "") or each.get("data", {}).get("text/plain", "") for each in outputs)


def test_a_notebook(case: str) -> None:
    """Push, make a Plan of a cell, wait, look: run twice, as after a restart, it is the same Plan."""
    cells = [
        "%load_ext knit_lab\nimport knit_lab as knit",
        f"raw = next(iter(knit.find('{case}')), None) or knit.push({{'a.txt': 'alpha'}}, ['{case}'])",
        f"%%knit plan kernel --in raw={case} --out made=made-by-kernel:{case[5:]} --apply\n"
        "(outputs.made / 'n.txt').write_text(inputs.raw.joinpath('a.txt').read_text().upper())\nprint('ready')",
        "plan = _\nrun = plan.runs.latest.wait(100)\nprint(plan.id)",
        "%knit run show --log --follow {run.id}",
        f"%knit data find -t made-by-kernel:{case[5:]}",
        "%knit lineage --static",
    ]
    first, second = executed(*cells), executed(*cells)
    assert texts(first[3]) == texts(second[3])
    assert "as before" in texts(second[2])
    assert texts(first[4]) == "ready\n"
    assert "text/html" in first[5][-1]["data"]
    assert "image/svg+xml" in first[6][-1]["data"]


def test_a_notebook_that_fails(case: str) -> None:
    """An error stops it, with reason and advice in the output and no traceback."""
    with pytest.raises(CellExecutionError) as caught:
        executed("%load_ext knit_lab", "%knit data fnd", "print('never')")
    assert "unknown subcommand: fnd; did you mean find?" in str(caught.value)
    assert "knit_lab/magics" not in str(caught.value)


class Kernel:
    """A kernel to interrupt."""

    def __init__(self) -> None:
        self.manager: KernelManager
        self.manager, self.client = start_new_kernel()

    def run(self, code: str, *, stop_at: str | None = None) -> tuple[str, list[str]]:
        """Run a cell: what it printed, and the lines of its error; interrupt it once it has printed `stop_at`."""
        asked = self.client.execute(code)
        out, error = "", list[str]()
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                out += content["text"]
                if stop_at is not None and stop_at in out:
                    self.manager.interrupt_kernel()
                    stop_at = None
            elif message["msg_type"] == "error":
                error = content["traceback"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return out, error


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """A fresh kernel, gone afterwards."""
    made = Kernel()
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel(now=True)


def test_the_stop_button(kernel: Kernel, session: Session, case: str, upper: Any) -> None:
    """A command that follows prints as it comes, and Stop ends it shortly; the kernel goes on."""
    session.push({"a.txt": "alpha", "hang": "x"}, [case])
    run = upper().apply().runs.latest
    kernel.run("%load_ext knit_lab")
    out, error = kernel.run(f"%knit run show --log --follow {run.id}", stop_at="made a.txt")
    assert "made a.txt" in out
    assert "interrupted" in "\n".join(error)
    assert "Traceback" not in "\n".join(error)
    out, error = kernel.run(f"%knit run watch {run.id}", stop_at="running")
    assert "interrupted" in "\n".join(error)
    out, error = kernel.run(f"%knit run stop --fail {run.id}\n%knit version")
    assert not error
    assert "0." in out
