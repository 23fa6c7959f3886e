"""Copy the pictures (PNG and JPEG) out of the input folders, keeping folders and names; other files are left out."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

PICTURES = {".jpeg", ".jpg", ".png"}


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def extract(folders: list[Path], output: Path) -> None:
    """Copy every picture into the output folder; two of one name are refused."""
    output.mkdir(parents=True, exist_ok=True)
    made: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        for source in sorted(path for path in folder.rglob("*") if path.is_file()):
            if source.suffix.lower() not in PICTURES:
                print(f"left out, not a picture: {source}", flush=True)
                continue
            target = output / source.relative_to(folder)
            if target in made:
                raise WrongInput(f"{made[target]} and {source} would both become {target}; rename one of them")
            made[target] = source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            print(f"copied: {source} -> {target}", flush=True)
    if not made:
        raise WrongInput(f"no picture ({', '.join(sorted(PICTURES))}) in {', '.join(map(str, folders))}")
    print(f"done: {len(made)} pictures")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders to look in")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    args = parser.parse_args()
    try:
        extract(args.input, args.output)
    except (WrongInput, OSError) as err:
        print(f"image_extracter.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
