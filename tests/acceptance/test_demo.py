"""`make demo` as a newcomer meets it: real programs, images with libraries, a real server, the real command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the words of one whole demo."""
    folder = tmp_path_factory.mktemp("demo") / "knit-demo"
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks" / "tutorial" / "demo.py", "--workdir", folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(folder.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "work", done.stdout


def test_the_demo_ends_with_what_the_tutorial_promises(demo: tuple[Path, str]) -> None:
    """Seven Plans, eight Runs, fifteen Data; the user's own profile store is left alone."""
    work, words = demo
    assert "7 Plans, 8 Runs done, 15 Data: as it should be." in words
    assert not (work.parents[1] / ".knit").exists()


def test_the_page_shows_pictures_that_exist(demo: tuple[Path, str]) -> None:
    """Every picture on the collage page is there: two pictures and two movies, original and traced."""
    work, _ = demo
    (page,) = work.glob("outputs/content_collager/*/index.html")
    sources: list[str] = []

    class Pictures(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            sources.extend(value or "" for name, value in attrs if tag == "img" and name == "src")

    Pictures().feed(page.read_text(encoding="utf-8"))
    assert len(sources) == 8
    assert all((page.parent / source).stat().st_size > 1000 for source in sources)


def test_the_plan_graph_is_the_tutorials(demo: tuple[Path, str]) -> None:
    """Seven clusters; 32 nodes; 25 edges inside Plans and nine between them."""
    dot = (demo[0] / "plan-graph.dot").read_text(encoding="utf-8")
    edges = re.findall(r'^\s*"[^"]+" -> "[^"]+"(.*);$', dot, re.MULTILINE)
    nodes = re.findall(r'^\s*"[^"]+" \[', dot, re.MULTILINE)
    assert dot.count("subgraph") == 7
    assert len(nodes) == 32
    assert sum("label=" in edge for edge in edges) == 25
    assert sum("label=" not in edge for edge in edges) == 9


def test_the_lineage_graph_is_the_tutorials(demo: tuple[Path, str]) -> None:
    """Fifteen Data, eight Runs and one root; 27 edges."""
    dot = (demo[0] / "lineage-graph.dot").read_text(encoding="utf-8")
    assert len(re.findall(r'^\s*"(?:d[^"]+|r[^"]+|root#0)" \[', dot, re.MULTILINE)) == 24
    assert len(re.findall(r'^\s*"[^"]+" -> "[^"]+"', dot, re.MULTILINE)) == 27
