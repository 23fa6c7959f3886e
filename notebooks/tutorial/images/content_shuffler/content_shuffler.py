"""Sort pictures and animated GIFs by their names: NAME-traced.* goes to `traced`, the others go to `originals`.

Single frames of movies (NAME-frame-NUMBER*) are left out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

SHOWN = {".gif", ".jpeg", ".jpg", ".png"}
FRAME = re.compile(r".+-frame-\d+(?:-traced)?")


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def sort_files(folders: list[Path], output: Path) -> None:
    """Copy every picture and GIF to its place; two that would get one place are refused."""
    made: dict[Path, Path] = {}
    frames = 0
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            if FRAME.fullmatch(source.stem):
                frames += 1
                continue
            if source.suffix.lower() not in SHOWN:
                print(f"left out, neither picture nor GIF: {source}")
                continue
            side = "traced" if source.stem.endswith("-traced") else "originals"
            target = output / side / source.relative_to(folder)
            if target in made:
                raise WrongInput(f"{made[target]} and {source} would both become {target}; rename one of them")
            made[target] = source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            print(f"{side}: {source} -> {target}")
    print(f"left out, single frames of movies: {frames}")
    if not made:
        raise WrongInput(f"no picture and no GIF ({', '.join(sorted(SHOWN))}) in {', '.join(map(str, folders))}")
    print(f"done: {len(made)} files")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders to sort")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="gets `originals` and `traced`")
    args = parser.parse_args()
    try:
        sort_files(args.input, args.output)
    except (WrongInput, OSError) as err:
        print(f"content_shuffler.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
