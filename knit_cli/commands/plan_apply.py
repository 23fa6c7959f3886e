"""`knit plan apply`: Plans from files, directories and stdin; registered, or looked at only (`--dry-run`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from knit_cli import frame, hosting, output, session
from knit_server.domain.errors import Conflict, InvalidInput, KnitError

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient
    from knit_server.wire.shapes import Json

STDIN = "-"
_SUFFIXES = (".yaml", ".yml")


class _File(NamedTuple):
    """A plan file: what to call it, and the Plan in it."""

    name: str
    spec: Json


@click.command(
    "apply", cls=frame.Command, add_help_option=False,
    help="Register Plans from files.\n"
    "From then on they run on every Data that fits their inputs, present and future.\n"
    "Several files are all checked first, then applied in order; the first that is refused ends it.",
)  # fmt: skip
@frame.argument(
    "files", "PLAN_FILE", "A Plan as YAML, - for stdin, or a directory: all its *.yaml and *.yml by name.", many=True
)
@frame.switch(
    "--dry-run",
    help="Change nothing: say of each Plan by itself whether it could be applied, and which Runs it would get now. "
    "Exit code 1 if it could not.",
)
def apply(files: tuple[str, ...], dry_run: bool) -> None:
    """Send the Plans, after telling what in the files has no effect; each Plan goes to stdout as a JSON document."""
    if files.count(STDIN) > 1:
        raise frame.usage("stdin can be read once only")
    found = [_read(name) for given in files for name in _expand(given)]
    if dry_run:
        _foresee(found)
        return
    if len(found) > 1:
        _check_together(found)
    with session.connected() as knit:
        for at, file in enumerate(found):
            _apply(knit, file, at, found)


def _apply(knit: KnitClient, file: _File, at: int, every: Sequence[_File]) -> None:
    several = len(every) > 1
    try:
        with session.refused(_summary(file.name if several else None)):
            plan = knit.apply_plan(file.spec)
    except KnitError as err:
        if not several:
            raise
        left = ", ".join(each.name for each in every[at:])
        output.log(f"{at} of {len(every)} Plans are applied; not applied: {left}")
        if file.name in err.reason:
            raise
        raise KnitError(f"failed to apply Plan: {file.name}: {err.reason}", advice=err.advice, see=err.see) from err
    output.print_json(plan)
    if several:
        output.log(f"[[{at + 1}/{len(every)}]] [OK] applied: {file.name} -> planId:{plan['planId']}")


def _foresee(found: Sequence[_File]) -> None:
    refused = False
    with session.connected() as knit:
        for at, file in enumerate(found):
            with session.refused(_summary(file.name if len(found) > 1 else None)):
                told = knit.dry_run_plan(file.spec)
            if "applicable" not in told:  # a server that does not know dry runs
                raise KnitError(
                    f"this server knows no dry runs: it has registered the Plan {told.get('planId')}",
                    advice="Switch it off if it should not run: knit plan active no PLAN_ID",
                )
            if not hosting.given(told, spec=file.spec):
                output.print_json(told)
            refused = refused or not told["applicable"]
            if len(found) > 1:
                runs = told["runs"]["count"] if "runs" in told else 0
                would = f"it would get {runs} Run{'' if runs == 1 else 's'}"
                verdict = would if told["applicable"] else f"refused: {told['reason']}"
                output.log(f"[[{at + 1}/{len(found)}]] {file.name}: {verdict}")
    if refused:
        click.get_current_context().exit(1)


def _summary(name: str | None) -> str:
    return f"failed to apply Plan: {name + ': ' if name else ''}invalid request (status code = {{code}})"


# --- reading and checking ---------------------------------------------------------------------------------------------


def _expand(given: str) -> Iterator[str]:
    """Return the files that a word names: itself, or what lies in the directory."""
    folder = Path(given)
    if given == STDIN or not folder.is_dir():
        yield given
        return
    try:
        files = sorted(each.name for each in folder.iterdir() if each.suffix in _SUFFIXES and each.is_file())
    except OSError as err:
        raise _unreadable(given, err.strerror or str(err)) from err
    if not files:
        raise _unreadable(given, "there is no *.yaml or *.yml in this directory")
    yield from (str(folder / name) for name in files)


def _read(name: str) -> _File:
    from knit_server.wire import planfile

    shown = "(stdin)" if name == STDIN else name
    try:
        text = (sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as err:
        why = (err.strerror or str(err)) if isinstance(err, OSError) else "it is not UTF-8 text"
        raise _unreadable(shown, why) from err
    try:
        spec, warnings = planfile.read(text, shown)
    except InvalidInput as err:
        raise InvalidInput(f"fail to parse Plan file: {err.reason}", advice=err.advice) from err
    for warning in warnings:
        output.log(f"[WARN] {warning}")
    return _File(shown, spec)


def _unreadable(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"fail to read Plan file: {name}: {why}", advice="Give the path of a Plan written as YAML.")


def _check_together(files: Sequence[_File]) -> None:
    """Check what can be checked without a server: each Plan by itself, and all of them together.

    Raises `InvalidInput` or `Conflict` naming the file. The server checks again, against the Plans it has.
    """
    from knit_server.domain import plans
    from knit_server.domain.ids import PlanId
    from knit_server.wire import requests

    before: dict[str, plans.Plan] = {}
    for file in files:
        try:
            spec = plans.check(requests.plan_spec(file.spec))
        except InvalidInput as err:
            raise InvalidInput(
                f"failed to apply Plan: {file.name}: {err.reason}; nothing is applied", advice=err.advice
            ) from err
        plan = plans.Plan(plan_id=PlanId(file.name), spec=spec)
        same = before.setdefault(plans.canonical(spec), plan)
        if same is not plan:
            raise Conflict(
                f"failed to apply Plan: {file.name} is the same Plan as {same.plan_id}; nothing is applied",
                advice="Give one of the two only.",
            )
        if (cycle := plans.find_cycle(plan, before.values())) is not None:
            raise Conflict(
                f"failed to apply Plan: these make a cycle: {' -> '.join(cycle)}; nothing is applied",
                advice="Give an output or an input a tag that tells them apart.",
            )
