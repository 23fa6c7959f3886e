"""The golden session: every command of the CLI, with its main flags and forms, and what it said to that.

A real server and real files; the transcripts lie in `golden/`, one file for each part of the session, and
`test_golden.py` compares. After a change that is meant:

    python tests/acceptance/golden.py --write     play the session, write the transcripts, show what is new by git diff

The session itself is in `golden_session.py`, the form of a transcript in `transcript.py`. Read what you write as
somebody would who types these commands: a golden file that is ugly is a command line that is.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from golden_session import PARTS, Session

from knit_cli.reference import walk

FOLDER = Path(__file__).parent / "golden"


def play(folder: Path) -> Iterator[tuple[str, str]]:
    """Play the whole session in `folder`; gives the name of each part and its transcript."""
    with Session(folder) as session:
        for part in PARTS:
            yield part.__name__, session.play(part)


def commands() -> Iterator[str]:
    """Give the full name of every command that does something (`knit plan find`, not `knit plan`)."""
    for command, context in walk():
        if not isinstance(command, click.Group):
            yield context.command_path


def main() -> int:
    """Write the transcripts anew."""
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return 2
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        file.unlink()
    with tempfile.TemporaryDirectory(prefix="knit-golden-") as folder:
        for name, text in play(Path(folder)):
            (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
