"""What all tests share: the programs some of them need, and the settings of hypothesis.

A test marked `postgres`, `bubblewrap`, `graphviz` or `browser` is skipped, with the reason, where that program is
missing. Where CI is set it fails instead, so that nothing is left out unseen; only a machine that forbids bubblewrap
(such as a container without user namespaces) remains a reason to skip.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from knit_server.domain.errors import InvalidInput, KnitError

# Machines differ in speed, and the first example pays for imports: a deadline would make tests flaky. In CI the same
# examples are tried each time, so that a failure has its cause in the change; at home other ones are tried each time.
hypothesis.settings.register_profile(
    "knit",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("knit")

os.environ.pop("KNIT_PROFILE_FILE", None)  # of a terminal of somebody's Jupyter: no test may find that server


def _postgres() -> bool:
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")  # Debian keeps them off PATH
    return shutil.which("postgres") is not None or any(versions)


NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "postgres": ("postgresql", _postgres),
    "bubblewrap": ("bubblewrap", lambda: shutil.which("bwrap") is not None),
    "graphviz": ("graphviz", lambda: shutil.which("dot") is not None),
    "browser": ("chromium", lambda: any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))),
}
"""Marker -> the Debian package it needs, and whether that is here."""


@functools.cache
def _missing(marker: str) -> str | None:
    package, is_here = NEEDS[marker]
    return None if is_here() else f"{package} is missing: apt-get install {package}"


@functools.cache
def _bubblewrap_is_forbidden() -> str | None:
    """Say why this machine does not let bubblewrap work, by trying it."""
    trial = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid", "--", "true"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return None if trial.returncode == 0 else f"this machine forbids bubblewrap: {trial.stderr.strip()[:200]}"


@pytest.fixture
def said() -> Callable[..., str]:
    """What the error says that a call raises, of one kind and no other; it must come with advice."""

    def said(call: Callable[[], object], kind: type[KnitError] = InvalidInput) -> str:
        with pytest.raises(kind) as info:
            call()
        assert type(info.value) is kind
        assert info.value.advice, info.value
        return info.value.reason

    return said


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose program is not here."""
    for marker in NEEDS:
        if item.get_closest_marker(marker) is None:
            continue
        if (reason := _missing(marker)) is not None:
            if os.environ.get("CI"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        if marker == "bubblewrap" and (reason := _bubblewrap_is_forbidden()) is not None:
            pytest.skip(reason)
