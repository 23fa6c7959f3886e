"""`%knit watch`: the live monitor where widgets are installed, else the lines of `knit run watch`."""

from __future__ import annotations

from knit_cli.main import hosted
from knit_lab import opening
from knit_lab.magics.host import Notebook
from knit_lab.session import Session
from knit_server.domain.errors import Unsupported


def begin(session: Session, notebook: Notebook, plan_id: str | None) -> object:
    """Return a widget that shows Runs going, or print their changes until they have ended."""
    try:
        return opening.monitor(session, plan_id)
    except Unsupported:
        hosted(["run", "watch", *(["--planid", plan_id] if plan_id else [])], notebook)
        return None
