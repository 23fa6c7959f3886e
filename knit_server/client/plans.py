"""What a client asks about Plans: a part of `KnitClient`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from knit_server.client.queries import EVERY, Depth, depths, each
from knit_server.client.transport import Transport
from knit_server.wire import shapes


class PlanCalls:
    """The methods of `KnitClient` that are about Plans."""

    _http: Transport

    def find_plans(
        self,
        *,
        active: bool | None = None,
        image: str | None = None,
        in_tags: Iterable[str] = (),
        out_tags: Iterable[str] = (),
        archived: bool = False,
        limit: int | None = None,
    ) -> list[shapes.PlanDetail]:
        """Find Plans by activity, image (`name[:tag]`), tags that one input asks for and that one output gives.

        Plans in the archive are found only with `archived`.
        """
        query = _plans_asked(active, image, in_tags, out_tags, archived)
        return cast("list[shapes.PlanDetail]", self._http.found("find_plans", query, limit))

    def each_plan(
        self,
        *,
        active: bool | None = None,
        image: str | None = None,
        in_tags: Iterable[str] = (),
        out_tags: Iterable[str] = (),
        limit: int = EVERY,
    ) -> Iterator[shapes.PlanDetail]:
        """Go through at most `limit` of what `find_plans` returns; pages are fetched as they are needed."""
        return self._http.rows("find_plans", _plans_asked(active, image, in_tags, out_tags), limit)

    def show_plan(self, plan_id: str) -> shapes.PlanDetail:
        """Return one Plan. Raises `NotFound`."""
        return cast("shapes.PlanDetail", self._http.json("show_plan", planId=plan_id))

    def apply_plan(self, spec: Mapping[str, object]) -> shapes.PlanDetail:
        """Register a Plan (`wire.planfile.read` makes `spec` from YAML). Raises `Conflict` if it is there already."""
        return cast("shapes.PlanDetail", self._http.json("apply_plan", body=dict(spec)))

    def dry_run_plan(self, spec: Mapping[str, object]) -> shapes.DryRun:
        """Return what `apply_plan` would do now. Nothing is changed."""
        return cast("shapes.DryRun", self._http.json("apply_plan", [("dry_run", "true")], body=dict(spec)))

    def edit_resources(
        self, plan_id: str, *, set: Mapping[str, str] | None = None, unset: Iterable[str] = ()  # noqa: A002
    ) -> shapes.PlanDetail:  # fmt: skip
        """Change what the Runs of a Plan ask for; what is both set and unset has no limit then."""
        body = {"set": dict(set or {}), "unset": list(unset)}
        return cast("shapes.PlanDetail", self._http.json("edit_resources", body=body, planId=plan_id))

    def edit_annotations(
        self, plan_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = (), remove_keys: Iterable[str] = ()
    ) -> shapes.PlanDetail:
        """Change the annotations (`key=value`) of a Plan: removals first, then additions."""
        body = {"add": list(add), "remove": list(remove), "remove_key": list(remove_keys)}
        return cast("shapes.PlanDetail", self._http.json("edit_annotations", body=body, planId=plan_id))

    def set_service_account(self, plan_id: str, name: str | None) -> shapes.PlanDetail:
        """Set the service account of a Plan, or with None, take it away."""
        if name is None:
            return cast("shapes.PlanDetail", self._http.json("unset_service_account", planId=plan_id))
        body = {"service_account": name}
        return cast("shapes.PlanDetail", self._http.json("set_service_account", body=body, planId=plan_id))

    def set_retry(
        self, plan_id: str, *, tries: int | None, wait: str | None = None, on: Iterable[str] = ()
    ) -> shapes.Json:
        """Set how often the Runs of a Plan are tried in all, or with None, only once; returns the Plan's details.

        `wait` is the pause before each further attempt, like `30s`; without `on`, attempts follow `lost` and `stuck`.
        """
        if tries is None:
            return cast("shapes.Json", self._http.json("unset_retry", planId=plan_id))
        body = {"tries": tries, "wait": wait, "on": list(on) or None}
        return cast("shapes.Json", self._http.json("set_retry", body=body, planId=plan_id))

    def set_timeout(self, plan_id: str, timeout: str | None) -> shapes.Json:
        """Set how long each attempt of a Plan's Runs may take, like `10m`, or with None, any time.

        Returns the Plan's details.
        """
        if timeout is None:
            return cast("shapes.Json", self._http.json("unset_timeout", planId=plan_id))
        return cast("shapes.Json", self._http.json("set_timeout", body={"timeout": timeout}, planId=plan_id))

    def archive_plan(self, plan_id: str, *, undo: bool = False) -> shapes.PlanDetail:
        """Hide a Plan and let it match nothing any more, or undo that. Raises `Conflict` if that closes a cycle."""
        name = "unarchive_plan" if undo else "archive_plan"
        return cast("shapes.PlanDetail", self._http.json(name, planId=plan_id))

    def plan_schema(self) -> shapes.Json:
        """Return the JSON Schema of plan files."""
        return cast("shapes.Json", self._http.json("plan_schema"))

    def set_active(self, plan_id: str, active: bool) -> shapes.PlanDetail:
        """Switch a Plan on or off."""
        name = "activate_plan" if active else "deactivate_plan"
        return cast("shapes.PlanDetail", self._http.json(name, planId=plan_id))

    def plan_details(self, plan_id: str) -> shapes.Json:
        """Return what Knit knows of a Plan beyond Knitfab's fields."""
        return cast("shapes.Json", self._http.json("plan_details", planId=plan_id))

    def plan_graph(self, plan_id: str, *, upstream: Depth = "all", downstream: Depth = "all") -> shapes.PlanGraph:
        """Follow a Plan so many Plans to those that can feed it and those it can feed."""
        query = depths(upstream, downstream)
        return cast("shapes.PlanGraph", self._http.json("plan_graph", query, planId=plan_id))


def _plans_asked(
    active: bool | None, image: str | None, in_tags: Iterable[str], out_tags: Iterable[str], archived: bool = False
) -> list[tuple[str, str]]:
    query = [*each("in_tag", in_tags), *each("out_tag", out_tags)]
    if archived:
        query.append(("archived", "true"))
    if active is not None:
        query.append(("active", "true" if active else "false"))
    return query if image is None else [*query, ("image", image)]
