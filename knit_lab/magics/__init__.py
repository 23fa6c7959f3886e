"""Magics: `%knit` gives any `knit` command in a notebook, `%%knit plan` makes a Plan of a cell.

    %load_ext knit_lab

Words, help and completion are those of the command line (`knit_cli`); results are the objects of `knit_lab`. This
package is the door to IPython; `cells` in it, which reads, tries and sends cells, does not know IPython.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to `shell`: what `%load_ext knit_lab` calls."""
    from knit_lab.magics import extension

    extension.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take them away: what `%unload_ext knit_lab` calls."""
    from knit_lab.magics import extension

    extension.unload(shell)
