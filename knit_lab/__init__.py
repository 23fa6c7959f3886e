"""Knit in notebooks: push Data, define Plans, watch Runs, and explore lineage, without leaving the notebook.

    import knit_lab as knit

    raw = knit.push("measurements/", tags=["type:raw", "project:demo"])
    plan = knit.plan("clean.plan.yaml").apply()
    plan.runs.latest.wait()
    knit.find("type:clean", newest=True).path("table.csv")

    %load_ext knit_lab            # %knit, %%knit plan

Everything speaks to a Knit server through `knit_server.client`; nothing here knows the server's insides. Importing this
package loads nothing: each name is fetched when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knit_lab.api import browse as browse
    from knit_lab.api import connect as connect
    from knit_lab.api import current as current
    from knit_lab.api import find as find
    from knit_lab.api import monitor as monitor
    from knit_lab.api import plan as plan
    from knit_lab.api import plan_editor as plan_editor
    from knit_lab.api import plan_list as plan_list
    from knit_lab.api import push as push
    from knit_lab.api import push_form as push_form
    from knit_lab.api import why as why
    from knit_lab.magics import load_ipython_extension as load_ipython_extension
    from knit_lab.magics import unload_ipython_extension as unload_ipython_extension
    from knit_lab.objects.data import Data as Data
    from knit_lab.objects.drafts import PlanDraft as PlanDraft
    from knit_lab.objects.listing import Listing as Listing
    from knit_lab.objects.plans import Plan as Plan
    from knit_lab.objects.runs import Run as Run
    from knit_lab.session import Session as Session
    from knit_server.domain.errors import KnitError as KnitError

    data: DataCollection
    plans: PlanCollection
    runs: RunCollection
    from knit_lab.objects.collections import DataCollection, PlanCollection, RunCollection

_PLACES = {
    "Data": "knit_lab.objects.data",
    "KnitError": "knit_server.domain.errors",
    "Listing": "knit_lab.objects.listing",
    "Plan": "knit_lab.objects.plans",
    "PlanDraft": "knit_lab.objects.drafts",
    "Run": "knit_lab.objects.runs",
    "Session": "knit_lab.session",
    "browse": "knit_lab.api",
    "connect": "knit_lab.api",
    "current": "knit_lab.api",
    "find": "knit_lab.api",
    "load_ipython_extension": "knit_lab.magics",
    "monitor": "knit_lab.api",
    "plan": "knit_lab.api",
    "plan_editor": "knit_lab.api",
    "plan_list": "knit_lab.api",
    "push": "knit_lab.api",
    "push_form": "knit_lab.api",
    "unload_ipython_extension": "knit_lab.magics",
    "why": "knit_lab.api",
}
_OF_THE_SESSION = ("data", "plans", "runs")

__all__ = [*_PLACES, *_OF_THE_SESSION]  # noqa: PLE0604 - all of them are texts


def __getattr__(name: str) -> Any:
    if name in _OF_THE_SESSION:
        from knit_lab.api import current

        return getattr(current(), name)
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
