"""Convert every movie below the input folders to MPEG-4, keeping folders and names; other files are left out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

MOVIES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
#: MPEG-4 part 2, the MP4 codec that OpenCV's wheels can write on every machine.
CODEC = "mp4v"
#: Used only for a movie that does not say its own rate.
DEFAULT_RATE = 10.0


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def find_movies(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Each movie with its path below its input folder, sorted."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if path.suffix.lower() in MOVIES:
                found.append((path, path.relative_to(folder)))
            else:
                print(f"left out, not a movie: {path}")
    if not found:
        raise WrongInput(f"no movie ({', '.join(sorted(MOVIES))}) in {', '.join(map(str, folders))}")
    return found


def convert(source: Path, target: Path) -> int:
    """Convert one movie, frame by frame; the number of frames."""
    capture = cv2.VideoCapture(str(source))
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate < 1000 else DEFAULT_RATE
    readable, frame = capture.read()
    if not readable:
        raise WrongInput(
            f"cannot read the movie {source}: it is broken, empty or in a format that OpenCV does not know"
        )
    height, width = frame.shape[:2]
    target.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*CODEC), rate, (width, height))
    if not writer.isOpened():
        raise WrongInput(f"cannot write {target}: a movie of {width} x {height} pixels at {rate:g} frames a second")
    frames = 0
    while readable:
        writer.write(frame)
        frames += 1
        readable, frame = capture.read()
    writer.release()
    capture.release()
    print(f"converted: {source} -> {target}  ({frames} frames, {width} x {height}, {rate:g} a second)")
    return frames


def convert_all(folders: list[Path], output: Path) -> None:
    """Convert every movie into the output folder; two that would get one name are refused."""
    made: dict[Path, Path] = {}
    for source, relative in find_movies(folders):
        target = output / relative.with_suffix(".mp4")
        if target in made:
            raise WrongInput(f"{made[target]} and {source} would both become {target}; rename one of them")
        made[target] = source
        convert(source, target)
    print(f"done: {len(made)} movies")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders with movies")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the MP4 movies")
    args = parser.parse_args()
    try:
        convert_all(args.input, args.output)
    except (WrongInput, OSError) as err:
        print(f"video_mp4_converter.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
