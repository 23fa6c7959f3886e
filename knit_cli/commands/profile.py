"""`knit profile`: the profiles that are stored, and which one a directory uses. Tokens are never shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from knit_cli import frame, output, session, tables
from knit_server.domain.errors import KnitError, NotFound

if TYPE_CHECKING:
    from knit_server.client.profiles import Profile, Selection

profile = frame.Group(
    "profile",
    help="List the profiles of servers, show and switch the one in use.\nNew ones come by knit init.",
    table={
        "ls": frame.Lazy("knit_cli.commands.profile:ls", "List the profiles."),
        "show": frame.Lazy("knit_cli.commands.profile:show", "Show the profile in use, and why it is that one."),
        "use": frame.Lazy("knit_cli.commands.profile:use", "Use another profile in the current directory."),
    },
)


@click.command("ls", cls=frame.Command, add_help_option=False, help="List the profiles of the profile store.")
@tables.option
def ls(form: str) -> None:
    """Print name, server, and whether it is the one in use; a JSON array by default."""
    from knit_server.client import profiles

    form = tables.checked(form)
    selected = session.selection()
    found = profiles.stored(selected.store)
    tables.show([_row(name, found[name], selected) for name in found], form, tables.profiles)


@click.command(
    "show", cls=frame.Command, add_help_option=False,
    help="Show the profile in use, and why it is that one.\nIts token is not shown, only whether there is one.",
)  # fmt: skip
def show() -> None:
    """Print the profile as JSON."""
    from knit_server.client import profiles

    selected = session.selection()
    known = _row(selected.name, profiles.load(selected), selected)
    place, because = str(selected.store), _because()
    if profiles.is_of_jupyter(selected):
        place, because = str(selected.else_file), f"{profiles.VARIABLE}: of the Jupyter that this terminal belongs to"
    output.print_json({"name": selected.name, "store": place, "because": because, **known})


@click.command(
    "use", cls=frame.Command, add_help_option=False,
    help="Use another profile in the current directory.\n"
    "Its name is written into .knitprofile here; directories below follow. No server is contacted.",
)  # fmt: skip
@frame.argument("name", "PROFILE", "The profile; knit profile ls lists them.")
def use(name: str) -> None:
    """Write `.knitprofile`; all output goes to stderr."""
    from knit_server.client import profiles

    store = session.selection().store
    found = profiles.stored(store)
    if name not in found:
        known = ", ".join(found) or "none"
        raise NotFound(
            f"profile '{name}' not found in the profile store ({store}); there are: {known}",
            advice=f"Keep one under that name: knit --profile {name} init KNIT_PROFILE_FILE",
        )
    profiles.mark(Path.cwd(), name)
    broken = found[name]
    if isinstance(broken, KnitError):
        output.log(f"[WARN] the profile is broken: {broken.reason}")
    output.log(f"this directory uses profile {name} now")


def _row(name: str, found: Profile | KnitError, selected: Selection) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "inUse": name == selected.name}
    if isinstance(found, KnitError):
        return {**row, "problem": found.reason}
    return {**row, "apiRoot": found.api_root, "ownCa": bool(found.ca), "token": bool(found.token)}


def _because() -> str:
    """Say where the name in use comes from."""
    from knit_server.client import profiles

    if session.root().profile is not None:
        return "--profile"
    file = profiles.nearest(profiles.PROFILE_FILE, Path.cwd())
    return str(file) if file else "the current directory"
