"""`knit init`: set a directory up for a server."""

from __future__ import annotations

from pathlib import Path

import click

from knit_cli import frame, output, session


@click.command(
    "init", cls=frame.Command, add_help_option=False,
    help="Set the current directory up for a Knit server.\n"
    "The profile in the file is kept in the profile store under the name of this directory (or under --profile, or\n"
    "under the name in an inherited .knitprofile), and .knitprofile is written here. No server is contacted.",
)  # fmt: skip
@frame.argument("file", "KNIT_PROFILE_FILE", "The knitprofile that the server hands out.")
def init(file: str) -> None:
    """Store the profile and mark the directory."""
    from knit_server.client import profiles

    _, entry = profiles.read_profile_file(Path(file))
    selected = session.selection()
    profiles.save(selected, entry)
    profiles.mark(Path.cwd(), selected.name)
    output.log(f"profile {selected.name} is saved to {selected.store}")
