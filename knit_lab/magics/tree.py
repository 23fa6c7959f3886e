"""The commands of `%knit`: those of the command line, and short forms that only a notebook has."""

from __future__ import annotations

from knit_cli.frame import Group, Lazy
from knit_cli.main import TREE
from knit_cli.main import cli as whole

TERMINAL_ONLY = {
    "serve": "It runs until it is stopped. Give it in a terminal, or use the Knit server in this Jupyter server.",
    "completion": "It is for shells. Here, the Tab key completes words by itself.",
}
"""Commands that make no sense in a notebook, with what to do instead."""

SHORT = {
    "graph": Lazy("knit_lab.magics.short:graph", "Explore which Plans feed a Plan, and which it feeds."),
    "lineage": Lazy("knit_lab.magics.short:lineage", "Explore what made a Data, and what was made from it."),
    "watch": Lazy("knit_lab.magics.short:watch", "See Runs go, live."),
}
"""Short forms, in the words of a notebook."""

LINE = Group(
    "knit",
    table={name: lazy for name, lazy in TREE.items() if name not in TERMINAL_ONLY} | SHORT,
    help=f"{(whole.help or '').splitlines()[0]}\n"
    "In a notebook, what is found comes as objects: found = %knit data find -t type:raw",
)
"""What stands behind `%knit`."""

CELL = Group(
    "%%knit",
    table={"plan": Lazy("knit_lab.magics.cells.words:plan", "Make a Plan of the cell.")},
    help="Make something of a cell.",
)
"""What stands behind `%%knit`."""
