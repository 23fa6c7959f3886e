"""A process killed while it stores leaves nothing that looks finished and is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from knit_server.storage import Store

ENDLESS = """
import os, sys
from knit_server.content.tree import Entry
from knit_server.storage import Store
store = Store(sys.argv[1])
while True:
    with store.writer() as writer:
        stored = writer.add_files([(Entry(str(n), "file"), [os.urandom(200_000)]) for n in range(4)])
    print(stored.manifest_key, flush=True)
"""


def test_killed_while_storing(tmp_path: Path) -> None:
    """Every manifest that can be found is whole, and so is everything that was reported before the kill."""
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = {process.stdout.readline().strip() for _ in range(5)}
        process.kill()
        reported |= {line.strip() for line in process.stdout}
    store = Store(tmp_path)
    found = {name for name, _ in store.manifests()}
    assert reported <= found
    for name in found:
        assert store.verify(store.manifest(name)) == []
    for stray in list(store.strays()):
        store.delete_stray(stray)
    assert list(store.strays()) == []
