"""The tutorial's material as tests need it: its folder, its sample media and the results of its seven programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "tutorial"
sys.path.insert(0, str(TUTORIAL))  # demo.py imports its neighbours by name, as a script does


def run_program(program: str, inputs: list[Path], output: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the seven programs as its Plan does."""
    script = TUTORIAL / "images" / program / f"{program}.py"
    words = [sys.executable, str(script), "--input", *map(str, inputs), "--output", str(output)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def make_media(folder: Path) -> None:
    """Make the sample media as the demo does."""
    subprocess.run([sys.executable, str(TUTORIAL / "make_media.py"), str(folder)], check=True, stdout=subprocess.PIPE)


@dataclass(frozen=True)
class Chain:
    """A folder for the output of each program, and what each printed."""

    root: Path
    logs: dict[str, str]


#: Each program with the folders it reads, in the order of the tutorial.
STEPS = {
    "video_mp4_converter": ["raw"],
    "image_flattener": ["video_mp4_converter"],
    "image_extracter": ["raw"],
    "image_tracer": ["image_extracter", "image_flattener"],
    "movie_gifer": ["image_flattener", "image_tracer"],
    "content_shuffler": ["movie_gifer", "image_extracter", "image_tracer"],
    "content_collager": ["content_shuffler"],
}


def run_chain(root: Path, raw: Path) -> Chain:
    """Run the seven programs one after another on the media."""
    (root / "raw").symlink_to(raw)
    logs = {}
    for program, sources in STEPS.items():
        result = run_program(program, [root / source for source in sources], root / program)
        assert result.returncode == 0, result.stderr
        logs[program] = result.stdout
    return Chain(root, logs)


@pytest.fixture(scope="session")
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`program(NAME, [INPUT, ...], OUTPUT)` runs one of the seven programs."""
    return run_program


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample media."""
    folder = tmp_path_factory.mktemp("media")
    make_media(folder)
    return folder


@pytest.fixture(scope="session")
def chain(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The results of the whole tutorial, made without Knit."""
    return run_chain(tmp_path_factory.mktemp("chain"), media)


@pytest.fixture
def second_chain(media: Path, tmp_path: Path) -> Chain:
    """The same once more, in another place."""
    return run_chain(tmp_path, media)
