"""Trace the edges of every picture below the input folders: FOLDER/NAME.jpg becomes FOLDER/NAME-traced.png.

The edges are found with Canny's method and drawn white on black.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

PICTURES = {".jpeg", ".jpg", ".png"}


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def find_pictures(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Each picture with its path below its input folder, sorted."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        pictures = (path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in PICTURES)
        found += [(path, path.relative_to(folder)) for path in sorted(pictures)]
    if not found:
        raise WrongInput(f"no picture ({', '.join(sorted(PICTURES))}) in {', '.join(map(str, folders))}")
    return found


def read_grey(path: Path) -> MatLike:
    """The picture in shades of grey."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
    if picture is None:
        raise WrongInput(f"cannot read the picture {path}: it is broken, empty or no picture at all")
    return picture


def trace(picture: MatLike, low: float, high: float) -> MatLike:
    """The edges: gradients above `high`, and those above `low` that touch them; a light blur keeps noise out."""
    return cv2.Canny(cv2.GaussianBlur(picture, (3, 3), 0), low, high)


def trace_all(folders: list[Path], output: Path, low: float, high: float) -> None:
    """Trace every picture into the output folder; two that would get one name are refused."""
    made: dict[Path, Path] = {}
    counts: Counter[Path] = Counter()
    for source, relative in find_pictures(folders):
        target = output / relative.parent / f"{relative.stem}-traced.png"
        if target in made:
            raise WrongInput(f"{made[target]} and {source} would both become {target}; rename one of them")
        made[target] = source
        done, data = cv2.imencode(".png", trace(read_grey(source), low, high))
        if not done:
            raise WrongInput(f"cannot write {target}: OpenCV could not encode the picture")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.tobytes())
        counts[source.parent] += 1
    for folder, count in counts.items():
        print(f"traced: {count} pictures of {folder}")
    print(f"done: {len(made)} pictures")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders of pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the tracings")
    parser.add_argument("--low", type=float, default=60, help="weakest gradient of an edge's tail (default: 60)")
    parser.add_argument("--high", type=float, default=150, help="weakest gradient that starts an edge (default: 150)")
    args = parser.parse_args()
    try:
        trace_all(args.input, args.output, args.low, args.high)
    except (WrongInput, OSError) as err:
        print(f"image_tracer.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
