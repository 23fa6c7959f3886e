"""The graph flags that `plan graph` and `data lineage` share, and showing a graph in the form asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from knit_cli import frame, hosting, output
from knit_server.domain.errors import InvalidInput, KnitError

if TYPE_CHECKING:
    from knit_server.client.api import Depth

_F = TypeVar("_F", bound=Callable[..., Any])

FORMS = ("dot", "svg", "png", "text")
_GIVE_UP = 600  # seconds; Graphviz is quadratic, and worse, in large graphs


def options(unit: str) -> Callable[[_F], _F]:
    """Declare the flags: directions, depth in `unit`, form, and the file to write."""

    def declare(function: _F) -> _F:
        for each in (
            frame.value("--output", "-o", "target", metavar="FILE", help="Write to this file instead of stdout."),
            frame.value(
                "--format", "form", metavar="|".join(FORMS), default="dot",
                help="The form: dot source, a picture (needs Graphviz), or a tree for the terminal; dot by default.",
            ),
            frame.value(
                "--numbers", "-n", metavar="DEPTH|all", default="3",
                help=f"How many {unit} to go in each direction; 3 by default.",
            ),
            frame.switch("--downstream", "-d", default=None, help="Go downstream."),
            frame.switch("--upstream", "-u", default=None, help="Go upstream."),
        ):  # fmt: skip
            function = each(function)
        return function

    return declare


def checked(form: str, target: str | None) -> str:
    """Return `form` if it is one, and one that can be shown where it goes. Raises `UsageError`, `InvalidInput`."""
    if form not in FORMS:
        raise frame.usage(f"--format is one of {', '.join(FORMS)}, not {form!r}")
    if form == "png" and target is None:
        output.refuse_terminal("a picture", "Name a file: -o graph.png.")
    return form


def given(found: object, form: str, target: str | None, upstream: Depth, downstream: Depth) -> bool:
    """Hand a graph to the host, which shows it itself, unless a tree or a file is asked for."""
    wanted = form in ("dot", "svg") and target is None
    return wanted and hosting.given(found, upstream=upstream, downstream=downstream)


def show(dot: Callable[[], str], text: Callable[[], str], form: str, target: str | None) -> None:
    """Write the graph to the file `target`, or to stdout."""
    if form == "text":
        content = (text() + "\n").encode("utf-8", "backslashreplace")
    else:
        content = dot().encode("utf-8", "backslashreplace")
        content = content if form == "dot" else picture(content, form)
    if target is None:
        output.binary_stdout().write(content)
        output.binary_stdout().flush()
        return
    try:
        Path(target).write_bytes(content)
    except OSError as err:
        raise InvalidInput(f"cannot write {target}: {err.strerror}", advice="Choose another file for -o.") from err


def picture(source: bytes, form: str) -> bytes:
    """Draw DOT by Graphviz. Raises `KnitError` if it is not there or fails."""
    try:
        drawn = subprocess.run(["dot", f"-T{form}"], input=source, capture_output=True, timeout=_GIVE_UP, check=False)
    except FileNotFoundError as err:
        raise KnitError(
            "Graphviz is not installed: there is no program `dot`",
            advice="Install graphviz (for example: apt install graphviz), or use --format text or --format dot.",
        ) from err
    except subprocess.TimeoutExpired as err:
        raise KnitError(
            f"Graphviz did not finish within {_GIVE_UP} seconds", advice="Show fewer steps with -n, or use text."
        ) from err
    if drawn.returncode != 0:
        told = drawn.stderr.decode("utf-8", "replace").strip()
        raise KnitError(f"Graphviz failed: {told or drawn.returncode}", advice="Use --format text or --format dot.")
    return drawn.stdout
