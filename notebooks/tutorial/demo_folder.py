"""The demo's own folder: made, locked and emptied here, and never a folder that is somebody else's."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

#: The file that says that a folder belongs to the demo, and that the demo at work holds locked.
MARKER = "made-by-knit-demo"


class Refused(Exception):
    """The folder cannot be used; the message says why and what to do."""


@contextlib.contextmanager
def fresh(folder: Path) -> Iterator[Path]:
    """Empty the demo's folder, making it when needed, and hold it; Refused when it is not the demo's or in use."""
    check_own(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARKER).open("a") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise Refused(f"another demo is at work in {folder}; wait for its end, or choose --workdir") from err
        check_no_server(folder / "home")
        if marker.tell() == 0:
            marker.write("This folder is made and removed by `make demo`.\n")
            marker.flush()
        empty(folder)
        yield folder


def check_own(folder: Path) -> None:
    """Refuse what the demo did not make: a file, a link, or a folder with other contents."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Refused(f"{folder} is no folder; choose another place with --workdir")
    if folder.is_dir() and not (folder / MARKER).is_file() and any(folder.iterdir()):
        raise Refused(f"{folder} was not made by this demo; choose another place with --workdir, or remove it yourself")


def check_no_server(home: Path) -> None:
    """Refuse a home on which a Knit server still runs, as far as its `server.json` tells."""
    try:
        server = json.loads((home / "server.json").read_text())
        pid, url = int(server["pid"]), server.get("url", "?")
    except (OSError, ValueError, TypeError, KeyError):
        return
    if is_knit(pid):
        raise Refused(f"a Knit server (process {pid}, {url}) still runs on {home}; stop it first: kill {pid}")


def is_knit(pid: int) -> bool:
    """Whether the process lives and looks like a Knit or Jupyter server; a dead server's number may be reused."""
    try:
        os.kill(pid, 0)
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False
    except OSError:
        return True
    return b"knit" in words or b"jupyter" in words


def empty(folder: Path) -> None:
    """Remove everything but the marker; folders that a store made read-only are opened first."""
    for parent, folders, _files in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | stat.S_IRWXU)
    for child in folder.iterdir():
        if child.name == MARKER:
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
