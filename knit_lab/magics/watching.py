"""`%knit watch`: the live monitor where widgets are installed, else the lines of `knit run watch`."""

from __future__ import annotations

from knit_cli.main import hosted
from knit_lab.magics.host import Notebook
from knit_lab.session import Session
from knit_server.domain.errors import Unsupported


def begin(session: Session, notebook: Notebook, plan_id: str | None) -> object:
    """Return a widget that shows Runs going, or print their changes until they have ended."""
    try:
        return _widget(session, plan_id)
    except Unsupported:
        hosted(["run", "watch", *(["--planid", plan_id] if plan_id else [])], notebook)
        return None


def _widget(session: Session, plan_id: str | None) -> object:
    """Return the monitor. Raises `Unsupported` where there are no widgets."""
    try:
        from knit_lab.components.monitor import Monitor
    except ImportError as err:
        raise Unsupported(f"the monitor is not installed: {err}", advice="Use %knit run watch") from err
    return Monitor(session, **({"plan": plan_id} if plan_id else {}))
