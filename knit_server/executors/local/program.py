"""What a container would start: command line, environment and working directory of an attempt in its image."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from knit_server.domain.errors import InvalidInput
from knit_server.executors.base import Attempt, Image
from knit_server.executors.local.recipe import DEFAULT_PATH

MARK = "KNIT_ATTEMPT"
REFUSED = "tmp/.knit-refused"
# Where the images of python have it: a Dockerfile or Plan may name it in full.
_PYTHON = re.compile(r"/usr/local/bin/(python(?:3(?:\.\d+)?)?)")
_LONGEST_REASON = 1000

# Starts "$@", or says as Docker does why it cannot, with the exit codes of a shell. $0 is where to say it.
LAUNCH = """
no() { echo "exec: \\"$2\\": $3" >&2; echo "exec: \\"$2\\": $3" >"$0"; exit "$1"; }
case $1 in
*/*) [ -e "$1" ] || no 127 "$1" "stat $1: no such file or directory"
     [ -f "$1" ] && [ -x "$1" ] || no 126 "$1" "permission denied" ;;
*) command -v -- "$1" >/dev/null || no 127 "$1" "executable file not found in \\$PATH" ;;
esac
exec "$@"
"""


def command_line(image: Image, entrypoint: Sequence[str], args: Sequence[str]) -> list[str]:
    """Entrypoint and arguments with container semantics. Raises `InvalidInput` where nothing is left to run.

    An entrypoint drops the image's CMD; arguments alone go to the image's ENTRYPOINT.
    """
    command = [*entrypoint, *args] if entrypoint else [*image.entrypoint, *(args or image.cmd)]
    if not command:
        raise InvalidInput(
            f"nothing to run: neither the Plan nor the image {', '.join(image.names)} names a program",
            advice="Give the Plan an `entrypoint`, or the Dockerfile an ENTRYPOINT or CMD.",
        )
    return command


def with_python(command: list[str], venv: Path | None) -> list[str]:
    """The command with a built image's Python where it is named by the path it has in python's images."""
    found = None if venv is None else _PYTHON.fullmatch(command[0])
    return command if venv is None or found is None else [str(venv / "bin" / "python3"), *command[1:]]


def environment(
    image: Image, attempt: Attempt, venv: Path | None, home: str, translate: Callable[[str], str] = str
) -> dict[str, str]:
    """The program's whole environment: nothing of the server's own goes in.

    `translate` turns paths in the image's and the attempt's values into those that the program can open.
    """
    given = {name: translate(value) for name, value in {**image.env, **attempt.env}.items()}
    env = {"PATH": DEFAULT_PATH, "HOME": home, "LANG": "C.UTF-8", **given}
    if venv is not None:
        env["PATH"] = f"{venv / 'bin'}:{env['PATH']}"
    return {**env, "KNIT_RUN_ID": attempt.id.run_id, MARK: str(attempt.id)}


def refusal(root: Path) -> str | None:
    """Why the program could not be started, as `LAUNCH` left it below the attempt's root."""
    try:
        file = os.open(root / REFUSED, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None  # the program's own doing
        return os.read(file, _LONGEST_REASON).decode(errors="replace").strip() or None
    finally:
        os.close(file)
