"""A real JupyterLab, with Notebook 7 beside it, on a home of its own: Knit as its extension, below a base URL.

It is the acceptance tests' `Server` in another shape: `knit`, `push`, `apply`, `run_of` and `get` work as there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from server import PATIENCE, Server, environment, until

BASE_URL = "/user/ann/"
TOKEN = "token-of-ann"
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
"""What JupyterLab is told in place of its defaults: to ask nobody about news, and to draw every cell."""


class JupyterLab(Server):
    """JupyterLab and Notebook 7 in one process, and one user of both. Notebooks lie in `notebooks`; the command
    is given in `project`, which is set up by `knit init` as notebooks are not."""

    program: Sequence[str] = (sys.executable, "-m", "jupyterlab")
    """What is started, with flags behind it."""

    def __init__(self, folder: Path, *flags: str, home: Path | None = None) -> None:
        super().__init__(folder, *flags, home=home)
        self.log = folder / "jupyter.log"
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def root(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}{BASE_URL.rstrip('/')}"

    def url(self, path: str, **query: str) -> str:
        """The address of a page, with the token in it."""
        return f"{self.root}/{quote(path)}?{urlencode({'token': TOKEN, **query})}"

    def environ(self) -> dict[str, str]:
        """The environment of the server: nothing of this machine's Jupyter, and nothing that leads to a Knit."""
        of_jupyter = {f"JUPYTER_{name}_DIR": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "IPYTHONDIR": str(self.folder / "ipython")}
        return environment(self.user_home) | of_jupyter | quiet

    def settle(self, **changed: object) -> None:
        """Write JupyterLab's settings; `changed` are those of the themes, which a page reads when it is opened."""
        for plugin, values in {**SETTINGS, "apputils-extension/themes": changed}.items():
            file = self.folder / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def start(self) -> None:
        """Start it, and return when both Jupyter and Knit answer; then make the project one of this server."""
        self.settle()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.program, "--allow-root", "--no-browser", f"--port={self.port}",
                 "--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE_URL}", f"--IdentityProvider.token={TOKEN}",
                 f"--ServerApp.root_dir={self.notebooks}", f"--KnitExtension.home={self.home}",
                 "--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True",
                 "--JupyterNotebookApp.expose_app_in_browser=True", *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, env=self.environ(), cwd=self.notebooks,
            )  # fmt: skip
        try:
            until("Knit in JupyterLab is ready", self._answers)
            self.init(self.project)
        except BaseException:
            self.kill()
            raise

    def execute(self, *cells: str, seconds: float = PATIENCE) -> list[str]:
        """Run cells in one new kernel that the server starts; what each printed. A cell that raises fails the test."""
        from jupyter_client.blocking.client import BlockingKernelClient

        kernel = self._ask("POST", "api/kernels")["id"]
        client = BlockingKernelClient(connection_file=str(self.folder / "runtime" / f"kernel-{kernel}.json"))
        client.load_connection_file()
        client.start_channels(hb=False)  # on a busy machine, hearts that beat late are taken for dead ones
        try:
            client.wait_for_ready(timeout=PATIENCE)
            return [_run(client, cell, seconds) for cell in cells]
        finally:
            client.stop_channels()
            self._ask("DELETE", f"api/kernels/{kernel}")

    def end_kernels(self) -> None:
        """End all kernels: each takes memory, and there are many tests."""
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> Any:
        asked = urllib.request.Request(
            f"{self.root}/{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"JupyterLab ended:\n{self.log.read_text()[-4000:]}"
        asked = urllib.request.Request(self.url("knit/api/health"))
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                return answer.status == 200 and self.handout.exists()
        except (urllib.error.URLError, ConnectionError):
            return False

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise


def _run(client: Any, code: str, seconds: float) -> str:
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        said.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

    reply = client.execute_interactive(code, output_hook=hear, timeout=seconds)["content"]
    assert reply["status"] == "ok", "\n".join(reply.get("traceback", [str(reply)]))
    return "".join(said)


def images_folder(fallback: Path) -> Path:
    """Where pictures go: `docs/images` when they are asked for by KNIT_SCREENSHOTS=1, else `fallback`."""
    if os.environ.get("KNIT_SCREENSHOTS") == "1":
        return Path(__file__).parents[2] / "docs" / "images"
    return fallback
