"""`knit doctor`: what may be wrong between this directory and the server, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from knit_cli import frame, hosting, output, session
from knit_server import __version__
from knit_server.domain import images, times
from knit_server.domain.errors import InvalidInput, KnitError

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient
    from knit_server.wire.shapes import Json

SKEW = 5_000
"""Milliseconds by which clocks may differ before it is worth a warning: times as typed are off by it."""

_WORDS = {"ok": "ok", "warn": "warn", "fail": "FAIL"}


class Finding(NamedTuple):
    """What was found about one thing: `level` is ok, warn or fail."""

    level: str
    name: str
    told: str
    advice: str = ""

    def __str__(self) -> str:
        told = " ".join(f"{self.told}{f' -> {self.advice}' if self.advice else ''}".split())
        return f"{_WORDS[self.level]:<5} {self.name:<9} {told}"


@click.command(
    "doctor", cls=frame.Command, add_help_option=False,
    help="Check that Knit works here: profile, server, images, disk.\n"
    "One line for each thing: ok, warn or FAIL, and what to do. The exit code is 1 if something fails.",
)  # fmt: skip
def doctor() -> int:
    """Print one line for each thing as it is checked."""
    failed = False
    for finding in _findings():
        output.emit(output.one_line(f"{finding}") + "\n")
        failed = failed or finding.level == "fail"
    return int(failed)


def _findings() -> Iterator[Finding]:
    """Check one thing after the other; without profile or server there is nothing more to check."""
    try:
        told, api_root, has_token = _where()
    except KnitError as err:
        yield _failed("profile", err)
        return
    yield Finding("ok", "profile", told)
    with session.connected() as knit:
        began = time.time_ns()
        try:
            health = knit.health()
        except KnitError as err:
            yield from _unreachable(api_root, err)
            return
        middle = (began + time.time_ns()) // 2_000_000
        yield Finding("ok", "server", api_root)
        yield Finding("ok", "token", "the server takes it" if has_token else "none is needed")
        yield _versions(str(health.get("version")))
        yield from _clock(health.get("now"), middle)
        yield from _executor(health.get("executor") or {})
        for name, look in (("images", _images), ("server", _server)):
            try:
                yield from look(knit, health)
            except KnitError as err:
                yield _failed(name, err)


def _where() -> tuple[str, str, bool]:
    """Return where the server was found, where its API is, and whether a token is sent. Raises `KnitError`."""
    if hosting.present() is not None:
        with session.connected() as knit:
            return "that of this session", knit.api_root, True
    from knit_server.client import profiles

    selected = session.selection()
    profile = profiles.load(selected)
    of_jupyter = f"{selected.else_file}, of this terminal's Jupyter" if profiles.is_of_jupyter(selected) else None
    return of_jupyter or f"{selected.name} in {selected.store}", profile.api_root, bool(profile.token)


def _failed(name: str, err: KnitError) -> Finding:
    return Finding("fail", name, err.reason, err.advice or "")


def _unreachable(api_root: str, err: KnitError) -> Iterator[Finding]:
    from knit_server.wire.errors import code_of

    code = code_of(err)
    if code in (401, 403):
        yield Finding("ok", "server", api_root)
        yield _failed("token", err)
    else:
        yield _failed("server", err)


def _versions(server: str) -> Finding:
    if server == __version__:
        return Finding("ok", "version", f"{__version__} on both sides")
    told = f"this is {__version__}, the server is {server}"
    return Finding("warn", "version", told, "Install the server's version here where something does not fit.")


def _clock(told: object, now: int) -> Iterator[Finding]:
    try:
        skew = times.parse_instant(str(told)) - now
    except InvalidInput:  # an older server does not tell
        return
    if abs(skew) < SKEW:
        yield Finding("ok", "clock", "like the server's")
        return
    side = "ahead of" if skew < 0 else "behind"
    yield Finding(
        "warn", "clock", f"{abs(skew) / 1000:.0f} s {side} the server's",
        "Set the clocks by NTP: times as typed (--since) are read by this one.",
    )  # fmt: skip


def _executor(executor: Json) -> Iterator[Finding]:
    sandbox, memory = str(executor.get("sandbox")), str(executor.get("memoryLimit"))
    told = f"{executor.get('name')}, sandbox {sandbox}, memory limit by {memory}"
    notes = " ".join(str(note) for note in executor.get("notes") or ())
    weak = sandbox in ("substitution", "none") or memory == "none"
    yield Finding("warn" if weak else "ok", "executor", told, notes if weak else "")


def _images(knit: KnitClient, health: Json) -> Iterator[Finding]:
    """Tell which images of active Plans are not there. Only the local executor has all it can run on its list."""
    if (health.get("executor") or {}).get("name") != "local":
        return
    wanted = {str(images.parse(plan["image"])) for plan in knit.find_plans(active=True) if "image" in plan}
    there = {str(images.parse(name)) for image in knit.find_images() for name in image["names"]}
    missing = sorted(wanted - there)
    if not missing:
        yield Finding("ok", "images", f"all {len(wanted)} of active Plans are there")
    for name in missing:
        advice = (
            f"knit image build -t {name} DIR, knit image load FILE, or knit image tag OTHER {name}; "
            "then knit run retry those that failed; or knit plan active no PLAN_ID"
        )
        yield Finding("warn", "images", f"{name} of an active Plan is not there: its Runs fail", advice)


def _server(knit: KnitClient, health: Json) -> Iterator[Finding]:
    for check in knit.checks():
        yield Finding(check["level"], check["name"], check["told"], check["advice"])
