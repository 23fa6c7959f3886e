"""The sample media are real pictures and films, small, and the same every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import demo
import numpy as np
import pytest

FILMS = {"cat-sleeping.mov": 36, "highway.mov": 40}


def make(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(demo.HERE / "make_media.py"), str(folder)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def frames(path: Path) -> list[np.ndarray]:
    capture, found = cv2.VideoCapture(str(path)), []
    readable, frame = capture.read()
    while readable:
        found.append(frame)
        readable, frame = capture.read()
    capture.release()
    return found


def test_the_four_files_are_there_and_small(media: Path) -> None:
    """The folder holds the tutorial's four files, below 3 MB together."""
    files = {path.name: path.stat().st_size for path in media.iterdir()}
    assert files.keys() == {"liberty.jpg", "robot.jpg", *FILMS}
    assert sum(files.values()) < 3_000_000


def test_media_are_the_same_every_time(media: Path, tmp_path: Path) -> None:
    """A second making gives equal bytes and leaves nothing else behind."""
    assert make(tmp_path).returncode == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in media.iterdir()}


@pytest.mark.parametrize("name", ["liberty.jpg", "robot.jpg"])
def test_pictures_have_edges_to_trace(media: Path, name: str) -> None:
    """Edges are a few percent of the pixels: a drawing, neither blank nor noise."""
    picture = cv2.imread(str(media / name), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert 0.02 < np.count_nonzero(cv2.Canny(picture, 60, 150)) / picture.size < 0.15


@pytest.mark.parametrize("name", FILMS)
def test_films_move(media: Path, name: str) -> None:
    """Each frame differs from the one before, and the film closes into a loop without a jump."""
    film = frames(media / name)
    assert len(film) == FILMS[name]
    assert film[0].shape == (360, 640, 3)
    steps = [float(np.mean(cv2.absdiff(a, b) > 24)) for a, b in zip(film, [*film[1:], film[0]], strict=True)]
    assert min(steps) > 0.001
    assert steps[-1] < 2 * max(steps[:-1])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the way is named, and the exit code is 1."""
    (tmp_path / "taken").write_text("")
    result = make(tmp_path / "taken")
    assert result.returncode == 1
    assert str(tmp_path / "taken") in result.stderr
    assert "Traceback" not in result.stderr
