"""A real `knit serve` on a fresh home, for measuring."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from knit_server.client.api import KnitClient


@dataclass
class Server:
    """A running server, a client of it, and a folder for the measurement's files."""

    client: KnitClient
    folder: Path
    pid: int
    url: str
    token: str


@contextlib.contextmanager
def server(*options: str) -> Iterator[Server]:
    """Start `knit serve` and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="knit-bench-") as name:
        folder = Path(name)
        home = folder / "home"
        words = [sys.executable, "-m", "knit_cli.main", "serve", "--home", str(home), "--port", "0", *options]
        environment = {**os.environ, "HOME": name}
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            told = []
            for line in process.stderr:
                told.append(line)
                if line.startswith("next:"):
                    break
            else:
                raise RuntimeError("".join(told))
            profile = yaml.safe_load((home / "handout" / "knitprofile").read_text())
            try:
                with KnitClient(profile["apiRoot"], profile["token"]) as client:
                    yield Server(client, folder, process.pid, profile["apiRoot"], profile["token"])
            finally:  # also when measuring failed, or this would wait for ever
                process.terminate()
                process.stderr.read()
