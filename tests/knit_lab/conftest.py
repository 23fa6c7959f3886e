"""What tests of the notebook package share: a real server, a session on it, and an image whose program is tiny.

    def test_mine(session: Session, case: str) -> None:
        session.push({"a.txt": "alpha"}, [case])
        run = upper(session, case).apply().runs.latest.wait()

Tests share the server and keep apart by the tag `case`, which no other test has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from server import Server  # found by the line above: tests are no packages

from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.client.api import KnitClient

UPPER = Path(__file__).parent / "upper"


@pytest.fixture(scope="session")
def knit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real `knit serve` with the images `upper:1` and `act:1`."""
    with Server(tmp_path_factory.mktemp("knit")) as running:
        running.build_act()
        done = running.knit("image", "build", "-t", "upper:1", str(UPPER))
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="session")
def knit_server_url(knit_server: Server) -> str:
    """The root of its API."""
    return str(knit_server.profile["apiRoot"])


@pytest.fixture(scope="session")
def profile_file(knit_server: Server) -> Path:
    """The `knitprofile` that it hands out, token included."""
    return Path(knit_server.handout)


@pytest.fixture(scope="session")
def new_session(knit_server: Server) -> Callable[[Path], Session]:
    """`new_session(CACHE)`: a further session on the server; whoever asks for it closes it."""

    def made(cache: Path) -> Session:
        profile = knit_server.profile
        return Session(KnitClient(profile["apiRoot"], profile["token"]), cache=cache)

    return made


@pytest.fixture
def session(new_session: Callable[[Path], Session], tmp_path: Path) -> Iterator[Session]:
    """A session on the server, with an empty cache of its own."""
    opened = new_session(tmp_path / "cache")
    yield opened
    opened.close()


@pytest.fixture
def here(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The same session, as the one that `import knit_lab` uses."""
    from knit_lab import api

    monkeypatch.setattr(api, "_current", session)
    return session


@pytest.fixture
def case(request: pytest.FixtureRequest) -> str:
    """A tag that no other test has."""
    return "case:" + re.sub(r"\W+", "-", request.node.name)


@pytest.fixture
def upper(session: Session, case: str) -> Callable[..., PlanDraft]:
    """`upper()`: a draft of the Plan that makes capitals of Data with the tag `case`, tagged `made:<test>`.

    Any member of the Plan may be given in place of its own. Data with a file `fail` let its Runs fail, with a file
    `hang` they do not end.
    """

    def drafted(**members: Any) -> PlanDraft:
        made = case.replace("case:", "made:", 1)
        mine = {
            "image": "upper:1", "args": ["/in/raw", "/out/made"], "inputs": {"/in/raw": case},
            "outputs": {"/out/made": made}, "log": [f"log-{made}"],
        }  # fmt: skip
        return session.plan(mine | members)

    return drafted


@pytest.fixture
def ran(session: Session, case: str, upper: Callable[..., PlanDraft]) -> Callable[..., Run]:
    """`ran({"a.txt": "alpha"})`: push these files, apply the Plan of `upper`, and give its Run once it has ended."""

    def ended(files: dict[str, Any], **members: Any) -> Run:
        session.push(files, [case])
        return upper(**members).apply().runs.latest.wait(60, check=False)

    return ended
