"""Copy each text of one folder to another in capitals: `python upper.py SOURCE TARGET`.

Markers among the files say what goes wrong: `fail` ends it with exit code 3, `hang` keeps it from ending.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(source: Path, target: Path) -> int:
    """Copy, say of each file that it is done, and do what the markers ask for."""
    for file in sorted(source.rglob("*")):
        if not file.is_file() or file.name in ("fail", "hang"):
            continue
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes().upper())
        print("made", file.relative_to(source), flush=True)
    if (source / "fail").exists():
        print("cannot go on", file=sys.stderr)
        return 3
    while (source / "hang").exists():
        time.sleep(3600)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
