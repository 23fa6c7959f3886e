"""Make animated GIFs of movie frames: one of the frames and one of the traced frames of each movie.

A frame is a picture named MOVIE-frame-NUMBER.jpg, a traced one MOVIE-frame-NUMBER-traced.png; other pictures are left
out. The GIFs are named MOVIE.gif and MOVIE-traced.gif.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from PIL import Image

FRAME = re.compile(r"(?P<movie>.+)-frame-(?P<number>\d+)(?P<traced>-traced)?\.(?:jpe?g|png)", re.IGNORECASE)
#: Frames that the palette of a movie is chosen from; one palette for all frames keeps still parts still.
PALETTE_FRAMES = 6


class WrongInput(Exception):
    """The input cannot be used; the message names the file."""


def find_frames(folders: list[Path]) -> dict[Path, list[Path]]:
    """For each GIF (its path below the output folder) its frames in order."""
    frames: dict[Path, list[tuple[int, Path]]] = defaultdict(list)
    left_out = 0
    for folder in folders:
        if not folder.is_dir():
            raise WrongInput(f"the input {folder} is not a folder")
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            match = FRAME.fullmatch(path.name)
            if match is None:
                left_out += 1
                continue
            name = f"{match['movie']}{match['traced'] or ''}.gif"
            frames[path.relative_to(folder).parent.parent / name].append((int(match["number"]), path))
    if left_out:
        print(f"left out, not frames of a movie: {left_out} files")
    if not frames:
        raise WrongInput(f"no frame (MOVIE-frame-NUMBER.jpg) in {', '.join(map(str, folders))}")
    return {gif: in_order(numbered) for gif, numbered in sorted(frames.items())}


def in_order(numbered: list[tuple[int, Path]]) -> list[Path]:
    """The frames by number; two of one number are refused."""
    numbered.sort()
    for (number, path), (following, other) in pairwise(numbered):
        if number == following:
            raise WrongInput(f"{path} and {other} are both frame {number} of one movie; rename one of them")
    return [path for _, path in numbered]


def read(path: Path, width: int) -> Image.Image:
    """One frame in colour, shrunk to the given width if it is wider."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as err:
        raise WrongInput(f"cannot read the frame {path}: {err}") from err
    if picture.width <= width:
        return picture
    return picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.BOX)


def palette_of(paths: list[Path], width: int) -> Image.Image:
    """One palette that suits the whole movie, taken from a few frames stacked above one another."""
    step = max(1, len(paths) // PALETTE_FRAMES)
    samples = [read(path, width) for path in paths[::step][:PALETTE_FRAMES]]
    stack = Image.new("RGB", (max(s.width for s in samples), sum(s.height for s in samples)))
    top = 0
    for sample in samples:
        stack.paste(sample, (0, top))
        top += sample.height
    return stack.quantize(256)


def animate(paths: list[Path], target: Path, rate: float, width: int) -> None:
    """Write one GIF that repeats for ever; only one frame at a time is held in full colour."""
    palette = palette_of(paths, width)

    def pictures() -> Iterator[Image.Image]:
        for path in paths:
            yield read(path, width).quantize(palette=palette, dither=Image.Dither.NONE)

    frames = pictures()
    first = next(frames)
    target.parent.mkdir(parents=True, exist_ok=True)
    first.save(target, save_all=True, append_images=frames, duration=round(1000 / rate), loop=0)
    size = target.stat().st_size / 1024
    print(f"animated: {len(paths)} frames -> {target}  ({first.width} x {first.height}, {size:.0f} KiB)")


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--input", type=Path, nargs="+", required=True, metavar="DIR", help="folders of frames")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the GIFs")
    parser.add_argument("--rate", type=float, default=10, help="frames a second (default: 10)")
    parser.add_argument("--width", type=int, default=640, help="widest GIF, in pixels (default: 640)")
    args = parser.parse_args()
    if args.rate <= 0 or args.width <= 0:
        parser.error("--rate and --width must be more than 0")
    try:
        movies = find_frames(args.input)
        for gif, paths in movies.items():
            animate(paths, args.output / gif, args.rate, args.width)
    except (WrongInput, OSError) as err:
        print(f"movie_gifer.py: {err}", file=sys.stderr)
        return 1
    print(f"done: {len(movies)} GIFs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
