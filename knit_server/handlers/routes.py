"""Which handler answers which path of the endpoint table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from knit_server.handlers import data, events, files, health, images, imports, lineage, lookup, plans, runs, why
from knit_server.handlers.base import KnitHandler, NothingHere

API = "/knit/api"
"""Where the API lies below the server's base URL."""

HANDLERS: Mapping[str, type[KnitHandler]] = {
    "/data": data.AllData,
    "/data/{knitId}": data.OneData,
    "/data/{knitId}/details": data.DataDetails,
    "/data/{knitId}/files": files.Files,
    "/data/{knitId}/lineage": lineage.DataLineage,
    "/data/{knitId}/lineage/outline": lineage.DataOutline,
    "/plans": plans.AllPlans,
    "/plans/schema": plans.PlanSchema,  # before {planId}: the first that fits answers
    "/plans/{planId}": plans.OnePlan,
    "/plans/{planId}/active": plans.PlanActive,
    "/plans/{planId}/resources": plans.PlanResources,
    "/plans/{planId}/annotations": plans.PlanAnnotations,
    "/plans/{planId}/serviceaccount": plans.PlanServiceAccount,
    "/plans/{planId}/retry": plans.PlanRetry,
    "/plans/{planId}/timeout": plans.PlanTimeout,
    "/plans/{planId}/archive": plans.PlanArchive,
    "/plans/{planId}/details": plans.PlanDetails,
    "/plans/{planId}/graph": lineage.PlanGraph,
    "/runs": runs.AllRuns,
    "/runs/{runId}": runs.OneRun,
    "/runs/{runId}/abort": runs.RunAbort,
    "/runs/{runId}/tearoff": runs.RunTearoff,
    "/runs/{runId}/retry": runs.RunRetry,
    "/runs/{runId}/downstream": runs.RunDownstream,
    "/runs/{runId}/details": runs.RunDetails,
    "/runs/{runId}/log": runs.RunLogs,
    "/images": images.Images,
    "/images/load": images.ImageArchives,
    "/why": why.Why,
    "/resolve": lookup.Resolve,
    "/tags": lookup.Tags,
    "/data/import/begin": imports.ImportBegin,
    "/data/import/end": imports.ImportEnd,
    "/backend/data": data.PushData,
    "/backend/data/import/begin": imports.ImportBegin,
    "/backend/data/import/end": imports.ImportEnd,
    "/backend/data/{knitId}": data.PullData,
    "/backend/runs/{runId}/log": runs.RunLogs,
    "/openapi.json": health.Description,
    "/events": events.Events,
    "/health": health.Health,
    "/health/checks": health.Checks,
}
"""By the paths of `wire.endpoints`; a test holds the two together."""


def routes() -> list[tuple[str, type[KnitHandler]]]:
    """Return patterns and handlers, without the base URL; every path also ends in a slash."""
    return [
        *((rf"{API}{_pattern(path)}/?", handler) for path, handler in HANDLERS.items()),
        (rf"{API}(?:/.*)?", NothingHere),
    ]


def _pattern(path: str) -> str:
    return re.sub(r"\{\w+\}", "([^/]+)", path)
