"""Programs that the tests of the scheduler run: small functions in the place of images."""

from __future__ import annotations

import contextlib
import os
import socket

from knit_server.executors.base import Attempt, Observation, Phase
from knit_server.testing import OK, copy_inputs, endless, failing


def silent(attempt: Attempt) -> Observation:
    """Write nothing, say nothing."""
    return OK


def partly(attempt: Attempt) -> Observation:
    """Write something, then fail with code 42."""
    copy_inputs(attempt)
    return failing(42)(attempt)


def vanishing(attempt: Attempt) -> Observation:
    """Be gone without a trace."""
    return Observation(phase=Phase.VANISHED)


def special(attempt: Attempt) -> Observation:
    """Leave what no Data can hold beside a file."""
    place = attempt.outputs[0].host
    (place / "good.txt").write_text("good")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(place):  # addresses of sockets are short
        server.bind("socket")
    return OK


def removing(attempt: Attempt) -> Observation:
    """Remove its own output folder."""
    attempt.outputs[0].host.rmdir()
    return OK


def waiting(attempt: Attempt) -> Observation:
    """Write something, and go on until it is stopped or told to end."""
    copy_inputs(attempt)
    return endless(attempt)


def joining(attempt: Attempt) -> Observation:
    """Write into each output all files of all inputs, each after its mount's path."""
    for output in attempt.outputs:
        lines = [
            f"{mount.path}/{path.relative_to(mount.host)}: {path.read_text()}"
            for mount in attempt.inputs
            for path in sorted(mount.host.rglob("*"))
            if path.is_file()
        ]
        (output.host / "joined.txt").write_text("\n".join(lines))
    if attempt.log is not None:
        attempt.log.write_text("joined\n")
    return OK


PROGRAMS = {
    "copy:1": copy_inputs,
    "join:1": joining,
    "silent:1": silent,
    "fail:1": partly,
    "vanish:1": vanishing,
    "special:1": special,
    "remove:1": removing,
    "wait:1": waiting,
}
