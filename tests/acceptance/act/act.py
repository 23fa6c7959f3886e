"""What a Plan's program may do, well or badly: `python act.py DEED [ARGUMENT...]`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path


def copy(source: str, target: str) -> None:
    """Do it well."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    print("copied", ", ".join(sorted(os.listdir(target))))


def leave(target: str, code: str) -> None:
    """Write half of something, and end with a code."""
    Path(target, "half.txt").write_text("half\n")
    print("I leave now")
    sys.exit(int(code))


def eat() -> None:
    """Take ever more memory."""
    print("I am hungry", flush=True)
    held = []
    while True:
        held.append(b"\xff" * (8 << 20))


def meddle(source: str) -> None:
    """Change, add and remove inputs."""
    for file in list(Path(source).iterdir()):
        for deed in (lambda file=file: file.write_text("meddled"), file.unlink, lambda: Path(source, "new").touch()):
            try:
                deed()
                print("done")
            except OSError as err:
                print("refused:", err.strerror)


def children(target: str, mark: str) -> None:
    """Leave background processes behind, one of them in a session of its own."""
    waiting = [sys.executable, "-c", "import time; time.sleep(3600)", mark]
    for alone in (False, True):
        subprocess.Popen(waiting, start_new_session=alone)
    Path(target, "done.txt").write_text("done\n")


def forever(target: str) -> None:
    """Make something, and never end."""
    Path(target, "so-far.txt").write_text("so far\n")
    print("I have begun", flush=True)
    while True:
        time.sleep(3600)


def flood(mebibytes: str) -> None:
    """Print a lot, of all bytes there are."""
    block = bytes(range(256)) * 4096
    for _ in range(int(mebibytes)):
        sys.stdout.buffer.write(block)


def fill(target: str) -> None:
    """Write until the disk is full."""
    with Path(target, "big").open("wb") as file:
        while True:
            file.write(os.urandom(1 << 20))


def count(target: str, seconds: str) -> None:
    """Print a line now and a line later."""
    print("one", flush=True)
    time.sleep(float(seconds))
    print("two", flush=True)
    Path(target, "count.txt").write_text("2\n")


if __name__ == "__main__":
    deed, *words = sys.argv[1:]
    globals()[deed](*words)
