"""`jupyter server` as a user starts it, with Knit in it."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx

DEADLINE = 60.0
TOKEN = "jupyters-own"


class Jupyter:
    """`jupyter server` with the extension, as its installation enables it. `token` may be None: it has none."""

    def __init__(
        self,
        folder: Path,
        home: Path,
        *options: str,
        token: str | None = TOKEN,
        certificate: Path | None = None,
        runtime: Path | None = None,
    ) -> None:
        self.folder, self.home, self.token, self.certificate = folder, home, token, certificate
        folder.mkdir()
        self.runtime = runtime or folder / "runtime"
        self.log = folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        names = ("HOME", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
        environ = {**os.environ, **{name: str(folder / name.lower()) for name in names}}
        environ["JUPYTER_RUNTIME_DIR"] = str(self.runtime)
        environ.pop("JUPYTER_TOKEN", None)
        chosen = [] if token is None else [f"--IdentityProvider.token={token}"]
        chosen += [] if certificate is None else [f"--ServerApp.certfile={certificate}"]
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", "--allow-root", f"--port={self.port}", "--no-browser",
                 "--ServerApp.port_retries=0", "--ServerApp.base_url=/user/me/", *chosen,
                 '--ServerApp.jpserver_extensions={"knit_server": True}', f"--KnitExtension.home={home}",
                 f"--ServerApp.root_dir={folder}", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=folder,
            )  # fmt: skip

    @property
    def root(self) -> str:
        """Its base URL."""
        return f"{'https' if self.certificate else 'http'}://localhost:{self.port}/user/me"

    def client(self) -> httpx.Client:
        """A client of the whole server."""
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        verify = ssl.create_default_context(cafile=self.certificate) if self.certificate else False
        return httpx.Client(base_url=self.root, headers=headers, timeout=DEADLINE, trust_env=False, verify=verify)

    def ready(self) -> Jupyter:
        """Wait until Jupyter answers."""
        deadline = time.monotonic() + DEADLINE
        with self.client() as client:
            while True:
                try:
                    if client.get("/api").status_code == 200:
                        return self
                except httpx.TransportError:
                    assert self.popen.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def told(self, count: int = 1) -> list[Path]:
        """The profiles that lie in Jupyter's runtime folder, once there are `count`."""
        deadline = time.monotonic() + DEADLINE
        while len(found := sorted(self.runtime.glob("*.knitprofile"))) != count:  # Jupyter answers a moment before
            assert time.monotonic() < deadline, f"{found}\n{self.log.read_text()}"
            time.sleep(0.02)
        return found

    def told_by(self, other: Jupyter) -> None:
        """Wait for the profile of another server that shares the folder."""
        deadline = time.monotonic() + DEADLINE
        while not list(self.runtime.glob(f"*-{other.popen.pid}-*.knitprofile")):
            assert time.monotonic() < deadline, other.log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it as a supervisor does."""
        self.popen.terminate()
        assert self.popen.wait(DEADLINE) == 0, self.log.read_text()
