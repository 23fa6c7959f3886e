"""The seven programs make the tutorial's page of real media, and refuse what they cannot use."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import demo
import numpy as np
import pytest
from PIL import Image

Program = Callable[[str, list[Path], Path], "subprocess.CompletedProcess[str]"]
FRAMES = {"cat-sleeping": 36, "highway": 40}


class Links(HTMLParser):
    """The addresses and the anchors of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"}:
                self.addresses.append(value or "")
            if name == "id":
                self.anchors.add(value or "")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def picture(path: Path, size: tuple[int, int] = (32, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize(size).convert("RGB").save(path)


def test_the_chain_makes_the_tutorials_files(chain: Any) -> None:
    """Each program leaves the files that its convention of names promises, and no others."""
    names = {path.name: set(tree(path)) for path in chain.root.iterdir()}
    numbered = [f"{film}/{film}-frame-{n:04}" for film, count in FRAMES.items() for n in range(1, count + 1)]
    assert names["video_mp4_converter"] == {f"{film}.mp4" for film in FRAMES}
    assert names["image_flattener"] == {f"{frame}.jpg" for frame in numbered}
    assert names["image_extracter"] == {"liberty.jpg", "robot.jpg"}
    assert names["image_tracer"] == {f"{n}-traced.png" for n in (*numbered, "liberty", "robot")}
    assert names["movie_gifer"] == {f"{film}{kind}.gif" for film in FRAMES for kind in ("", "-traced")}
    originals = {"originals/liberty.jpg", "originals/robot.jpg", *(f"originals/{film}.gif" for film in FRAMES)}
    traced = {"traced/liberty-traced.png", "traced/robot-traced.png", *(f"traced/{f}-traced.gif" for f in FRAMES)}
    assert names["content_shuffler"] == originals | traced
    assert names["content_collager"] == originals | traced | {"index.html"}


def test_the_page_links_only_to_what_is_there(chain: Any) -> None:
    """Every address of the page is a file beside it or an anchor on it, and every file is shown."""
    folder = chain.root / "content_collager"
    links = Links((folder / "index.html").read_text())
    files = {unquote(address) for address in links.addresses if not address.startswith("#")}
    assert files == set(tree(folder)) - {"index.html"}
    assert {address[1:] for address in links.addresses if address.startswith("#")} <= links.anchors


def test_the_page_needs_nothing_from_elsewhere(chain: Any) -> None:
    """No address of another host, no script and no import of a style sheet."""
    page = (chain.root / "content_collager" / "index.html").read_text()
    assert not re.search(r"https?:|//[a-z]|<script|@import|url\(", page)


def test_gifs_move_and_mp4s_play(chain: Any) -> None:
    """A GIF has a picture for each frame of its movie, and repeats for ever."""
    for film, count in FRAMES.items():
        for kind in ("", "-traced"):
            with Image.open(chain.root / "movie_gifer" / f"{film}{kind}.gif") as gif:
                assert (gif.n_frames, gif.size, gif.info["loop"]) == (count, (640, 360), 0)
        capture = cv2.VideoCapture(str(chain.root / "video_mp4_converter" / f"{film}.mp4"))
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == count
        assert capture.get(cv2.CAP_PROP_FPS) == 10
        capture.release()


def test_traced_pictures_are_edges(chain: Any) -> None:
    """A tracing has the size of its original and holds only black and white."""
    traced = cv2.imread(str(chain.root / "image_tracer" / "liberty-traced.png"), cv2.IMREAD_GRAYSCALE)
    assert traced is not None
    assert traced.shape == (640, 480)
    assert set(np.unique(traced)) == {0, 255}


def test_programs_say_what_they_do(chain: Any) -> None:
    """Each log tells what became of what, and ends with a count or the page."""
    assert "left out, not a movie" in chain.logs["video_mp4_converter"]
    assert "left out, single frames of movies: 76" in chain.logs["content_shuffler"]
    assert all(log.splitlines()[-1].startswith("done: ") for log in chain.logs.values())


@pytest.mark.slow
def test_equal_input_makes_equal_output(chain: Any, second_chain: Any) -> None:
    """A second run of everything gives the same bytes."""
    for name in chain.logs:
        assert tree(chain.root / name) == tree(second_chain.root / name), name


def test_programs_leave_their_inputs_alone(program: Program, media: Path, tmp_path: Path) -> None:
    """The media are as before after the two programs that read them."""
    before = tree(media)
    program("video_mp4_converter", [media], tmp_path / "a")
    program("image_extracter", [media], tmp_path / "b")
    assert tree(media) == before


@pytest.mark.parametrize("name", demo.IMAGES)
def test_a_missing_input_is_named(program: Program, tmp_path: Path, name: str) -> None:
    """A folder that is not there is named; exit code 1 and no traceback."""
    result = program(name, [tmp_path / "nowhere"], tmp_path / "out")
    assert result.returncode == 1
    assert f"{name}.py: the input {tmp_path / 'nowhere'} is not a folder" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", demo.IMAGES)
def test_an_input_without_anything_of_use_fails(program: Program, tmp_path: Path, name: str) -> None:
    """Nothing to work on is an error, not an empty output that would travel on."""
    for side in ("originals", "traced"):
        (tmp_path / "in" / side).mkdir(parents=True)
    (tmp_path / "in" / "originals" / "notes.txt").write_text("no picture")
    result = program(name, [tmp_path / "in"], tmp_path / "out")
    assert result.returncode == 1
    assert re.search(rf"{name}\.py: no (movie|\.mp4 movie|picture|frame)", result.stderr)


BROKEN = {
    "video_mp4_converter": "a/holiday.mov",
    "image_flattener": "a/holiday.mp4",
    "image_tracer": "a/photo.jpg",
    "movie_gifer": "a/a-frame-0001.jpg",
    "content_collager": "originals/photo.jpg",
}


@pytest.mark.parametrize("content", [b"", b"this is no picture and no movie" * 50])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(program: Program, tmp_path: Path, name: str, content: bytes) -> None:
    """A file that cannot be read is named in the error; exit code 1 and no traceback."""
    broken = tmp_path / "in" / BROKEN[name]
    broken.parent.mkdir(parents=True)
    (tmp_path / "in" / "traced").mkdir()
    broken.write_bytes(content)
    result = program(name, [tmp_path / "in"], tmp_path / "out")
    assert result.returncode == 1
    assert str(broken) in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


CLASHES = {
    "image_extracter": ("one/x.jpg", "two/x.jpg"),
    "image_tracer": ("one/x.jpg", "two/x.jpeg"),
    "movie_gifer": ("one/x/x-frame-1.jpg", "two/x/x-frame-01.jpg"),
    "content_shuffler": ("one/x.jpg", "two/x.jpg"),
}


@pytest.mark.parametrize("name", CLASHES)
def test_two_files_never_become_one(program: Program, tmp_path: Path, name: str) -> None:
    """Two sources that would get one name are both named, and refused."""
    for clash in CLASHES[name]:
        picture(tmp_path / clash)
    result = program(name, [tmp_path / "one", tmp_path / "two"], tmp_path / "out")
    assert result.returncode == 1
    assert all(str(tmp_path / clash) in result.stderr for clash in CLASHES[name])
    assert "rename one of them" in result.stderr


def test_frames_are_ordered_by_number(program: Program, tmp_path: Path) -> None:
    """Frame 10 comes after frame 9, however many digits the names have."""
    for number in (10, 9, 1):
        (tmp_path / "in" / "m").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(tmp_path / "in" / "m" / f"m-frame-{number}.png")
    assert program("movie_gifer", [tmp_path / "in"], tmp_path / "out").returncode == 0
    with Image.open(tmp_path / "out" / "m.gif") as gif:
        reds = []
        for index in range(gif.n_frames):
            gif.seek(index)
            reds.append(gif.convert("RGB").getpixel((0, 0))[0])
    assert reds == sorted(reds)
    assert len(reds) == 3


def test_wide_frames_are_shrunk(program: Program, tmp_path: Path) -> None:
    """A movie of a big camera becomes a GIF of at most 640 pixels in width."""
    picture(tmp_path / "in" / "m" / "m-frame-1.jpg", (1920, 1080))
    assert program("movie_gifer", [tmp_path / "in"], tmp_path / "out").returncode == 0
    with Image.open(tmp_path / "out" / "m.gif") as gif:
        assert gif.size == (640, 360)


def test_odd_names_are_escaped_on_the_page(program: Program, tmp_path: Path) -> None:
    """A name cannot break the page or its links, and a picture without a partner is still shown."""
    name = 'a "b" & <c>#100%? 猫.png'
    picture(tmp_path / "in" / "originals" / name)
    (tmp_path / "in" / "traced").mkdir()
    assert program("content_collager", [tmp_path / "in"], tmp_path / "out").returncode == 0
    page = (tmp_path / "out" / "index.html").read_text()
    links = Links(page)
    files = {unquote(address) for address in links.addresses if not address.startswith("#")}
    assert files == {f"originals/{name}"}
    assert {unquote(a[1:]) for a in links.addresses if a.startswith("#")} <= {unquote(a) for a in links.anchors}
    assert "There is no tracing of this one" in page
    assert "<c>" not in page


def test_help_needs_no_input() -> None:
    """Each program explains itself."""
    for name in demo.IMAGES:
        script = demo.HERE / "images" / name / f"{name}.py"
        result = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
        assert "--input" in result.stdout
