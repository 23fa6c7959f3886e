"""What tests in a real browser share: JupyterLab, the system's Chromium, and a page that a test may use as it likes.

    def test_mine(lab: LabPage) -> None:
        lab.open("import knit_lab as knit", "knit.push({'a.txt': b'a'}, ['type:a']).lineage().explore()")
        lab.click_node(lab.wait_for_graph()[0])

Each test here has the marker `browser`. A failing one keeps a picture of its page and says where. Pictures that tests
take (`lab.screenshot`) go into docs/images with KNIT_SCREENSHOTS=1, else into the test's own folder.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "acceptance"))

from jupyter_lab import JupyterLab, images_folder  # found by the lines above: tests are no packages
from lab_page import LabPage
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
WINDOW = {"width": 1400, "height": 1000}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Keep a picture of the page of a test that failed."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(lab, LabPage):
        path = item.funcargs["tmp_path"] / "failed.png"  # type: ignore[attr-defined]
        lab.page.screenshot(path=path, full_page=True)
        report.sections.append(("the page", f"{path}\n" + "\n".join(lab.errors)))
    return report


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """One JupyterLab for all tests, with the image `act:1`; tests keep apart by their tags and notebooks' names."""
    with JupyterLab(tmp_path_factory.mktemp("lab")) as running:
        running.build_act()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. One for each module: while playwright is open, no asynchronous test can run."""
    found = next(path for path in CHROMIUM if Path(path).is_file())
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@pytest.fixture
def lab(
    browser: Browser, jupyter: JupyterLab, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LabPage]:  # fmt: skip
    """A page of its own, with nothing of other tests in it; the kernels that it started end with it."""
    with browser.new_context(viewport=WINDOW, base_url=jupyter.root) as context:
        yield LabPage(context.new_page(), jupyter, images_folder(tmp_path))
    jupyter.end_kernels()


@pytest.fixture
def case(request: pytest.FixtureRequest) -> str:
    """A tag that no other test has."""
    return "case:" + "".join(char if char.isalnum() else "-" for char in request.node.name)
