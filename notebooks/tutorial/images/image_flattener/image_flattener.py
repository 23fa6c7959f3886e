"""Split every MP4 movie below the input folders into JPEG frames: MOVIE/MOVIE-frame-0001.jpg and so on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
from cv2.typing import MatLike

JPEG_QUALITY = 90


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def find_movies(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Each movie with its path below its input folder, sorted."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        movies = (path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() == ".mp4")
        found += [(path, path.relative_to(folder)) for path in sorted(movies)]
    if not found:
        raise WrongInput(f"no .mp4 movie in {', '.join(map(str, folders))}")
    return found


def write_frame(target: Path, frame: MatLike) -> None:
    """Write one frame as JPEG."""
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise WrongInput(f"cannot write {target}: OpenCV could not encode the frame")
    target.write_bytes(data.tobytes())


def flatten(movie: Path, folder: Path) -> int:
    """Write the frames of one movie into a new folder; their number."""
    if folder.exists():
        raise WrongInput(f"the frames of {movie} would mix with another movie's in {folder}; rename one of them")
    capture = cv2.VideoCapture(str(movie))
    readable, frame = capture.read()
    if not readable:
        raise WrongInput(f"cannot read the movie {movie}: it is broken, empty or in a format that OpenCV does not know")
    folder.mkdir(parents=True)
    frames = 0
    while readable:
        frames += 1
        write_frame(folder / f"{folder.name}-frame-{frames:04}.jpg", frame)
        readable, frame = capture.read()
    capture.release()
    return frames


def flatten_all(folders: list[Path], output: Path) -> None:
    """Split every movie into a folder of its own below the output folder."""
    total = 0
    for movie, relative in find_movies(folders):
        target = output / relative.with_suffix("")
        frames = flatten(movie, target)
        print(f"split: {movie} -> {target}  ({frames} frames)")
        total += frames
    print(f"done: {total} frames")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders with movies")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the frames")
    args = parser.parse_args()
    try:
        flatten_all(args.input, args.output)
    except (WrongInput, OSError) as err:
        print(f"image_flattener.py: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
