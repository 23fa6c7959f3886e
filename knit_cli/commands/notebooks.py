"""`knit notebooks`: put the notebooks that come with Knit into a folder."""

from __future__ import annotations

from pathlib import Path

import click

from knit_cli import frame, output

DEFAULT = "knit-notebooks"


@click.command(
    "notebooks", cls=frame.Command, add_help_option=False,
    help="Put the notebooks that come with Knit into a folder.\n"
    "Given again, with a newer Knit for instance, it brings them up to date; what you have changed stays as it is.",
)  # fmt: skip
@frame.argument("folder", "DIR", f"Where they shall be; by default {DEFAULT}, here.", default=DEFAULT)
def notebooks(folder: str) -> None:
    """Copy them; prints the notebooks' paths as a JSON array, and tells on stderr what was kept."""
    from knit_cli import examples

    done = examples.copy(examples.source(), Path(folder))
    kept = [copied.path for copied in done if copied.deed is examples.Deed.KEPT]
    for path in kept:
        output.log(f"[WARN] kept, since it was changed: {path} (remove it and try again to get Knit's own)")
    written = sum(copied.deed in (examples.Deed.NEW, examples.Deed.UPDATED) for copied in done)
    output.log(f"{written} files written to {folder}, {len(done) - written - len(kept)} were there, {len(kept)} kept")
    found = [str(copied.path) for copied in done if copied.path.suffix == ".ipynb"]
    if found:
        output.log(f"next: jupyter lab {found[0]}")
    output.print_json(found)
