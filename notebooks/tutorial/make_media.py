"""Make the sample media of the tutorial: two pictures and two films, drawn by the programs in `drawings/`.

    python make_media.py OUTDIR

The same versions of numpy and opencv-python-headless make the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
from drawings import cat, highway, liberty, robot
from drawings.canvas import Picture

#: Ten frames a second make whole hundredths of a second, the only durations that a GIF knows.
FRAMES_PER_SECOND = 10
#: Motion JPEG: each frame by itself, as many cameras store it, so that the conversion to MPEG-4 has something to do.
CODEC = "jpeg"
JPEG_QUALITY = 90


def write_picture(target: Path, picture: Picture) -> None:
    """Write one JPEG file; OSError when the folder cannot be written."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise OSError(f"OpenCV could not encode {target.name}")
    target.write_bytes(data.tobytes())


def write_film(target: Path, draw: Callable[[int], Picture], frames: int) -> None:
    """Write one QuickTime film; OSError when OpenCV cannot."""
    height, width = draw(0).shape[:2]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        part = Path(folder) / target.name
        film = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*CODEC), FRAMES_PER_SECOND, (width, height))
        if not film.isOpened():
            raise OSError(f"OpenCV could not start to write {target}")
        for frame in range(frames):
            film.write(draw(frame))
        film.release()
        part.replace(target)


def make_media(folder: Path) -> list[Path]:
    """Write the four files of the tutorial into the folder, making it when needed; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"liberty.jpg": liberty.draw, "robot.jpg": robot.draw}
    films = {"cat-sleeping.mov": (cat.draw, cat.FRAMES), "highway.mov": (highway.draw, highway.FRAMES)}
    for name, draw in pictures.items():
        write_picture(folder / name, draw())
    for name, (draw_frame, frames) in films.items():
        write_film(folder / name, draw_frame, frames)
    return [folder / name for name in (*pictures, *films)]


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUTDIR", type=Path, help="folder that gets the files; made when missing")
    folder: Path = parser.parse_args().folder
    try:
        made = make_media(folder)
    except OSError as err:
        print(f"make_media.py: cannot write the media into {folder}: {err}", file=sys.stderr)
        return 1
    for path in made:
        print(f"{path}  {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
