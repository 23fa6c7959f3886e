"""From values of the domain to JSON-ready values, members in the order of `shapes`.

There is one function per shape and no option: every reader sees the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, cast

from knit_server.domain import data as domain_data
from knit_server.domain import graphs, plans, runs, times, views
from knit_server.domain.errors import CyclicPlan, EquivalentPlan
from knit_server.domain.lineage import LineageGraph
from knit_server.domain.tags import Tag
from knit_server.wire import shapes


class ImageLike(Protocol):
    """What an image has; `knit_server.executors.base.Image` does."""

    @property
    def digest(self) -> str: ...  # noqa: D102 - the names are the documentation; executors/base.py explains them
    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def created(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def python(self) -> str: ...  # noqa: D102
    @property
    def workdir(self) -> str: ...  # noqa: D102
    @property
    def entrypoint(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def cmd(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def env(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def warnings(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def volumes(self) -> Sequence[str]: ...  # noqa: D102


def tag_text(tag: Tag) -> str:
    """Write a tag as `key:value`."""
    return str(tag)


def plan_summary(plan: plans.Plan) -> shapes.PlanSummary:
    """Write a Plan in brief."""
    summary = shapes.PlanSummary(planId=plan.plan_id)
    spec = plan.spec
    if spec is not None:
        summary["image"] = str(spec.image)
        if spec.entrypoint:
            summary["entrypoint"] = list(spec.entrypoint)
        if spec.args:
            summary["args"] = list(spec.args)
    if plan.name is not None:
        summary["name"] = plan.name
    if spec is not None and spec.annotations:
        summary["annotations"] = [str(each) for each in spec.annotations]
    return summary


def plan_detail(view: views.PlanView) -> shapes.PlanDetail:
    """Write a Plan in full, with its neighbours."""
    plan, spec = view.plan, view.plan.spec
    downstreams = [[_downstream(each) for each in found] for found in view.downstreams]
    detail: shapes.Json = dict(plan_summary(plan))
    detail["inputs"] = [
        {"path": asked.path, "tags": _texts(asked.tags), "upstreams": [_upstream(each) for each in found]}
        for asked, found in zip(plan.inputs, view.upstreams, strict=True)
    ]
    detail["outputs"] = [
        {"path": output.path, "tags": _texts(output.tags), "downstreams": found}
        for output, found in zip(plan.products, downstreams, strict=True)
        if not output.is_log
    ]
    if plan.log is not None:
        detail["log"] = {"tags": _texts(plan.log.tags), "downstreams": downstreams[-1]}
    detail["active"] = plan.active
    if spec is not None and spec.on_node:
        detail["on_node"] = _on_node(spec.on_node)
    if spec is not None and spec.resources:
        detail["resources"] = dict(sorted(spec.resources.items()))
    if spec is not None and spec.service_account:
        detail["service_account"] = spec.service_account
    if plan.archived:
        detail["archived"] = True
    return cast("shapes.PlanDetail", detail)  # put together member by member, for the order


def dry_run(found: views.DryRun) -> shapes.DryRun:
    """Write what applying a Plan would do."""
    refusal, plan = found.refusal, found.plan
    told: shapes.Json = {"applicable": refusal is None, "valid": plan is not None}
    if refusal is not None:
        told["reason"] = refusal.reason
        if refusal.advice is not None:
            told["advice"] = refusal.advice
    if isinstance(refusal, EquivalentPlan):
        told["equivalent"] = refusal.plan_id
    if isinstance(refusal, CyclicPlan):
        told["cycle"] = list(refusal.path)
    if plan is not None:
        told["runs"] = {
            "status": (runs.Status.WAITING if plan.plan.active else runs.Status.DEACTIVATED).value,
            "count": found.count,
            "fitting": dict(sorted(found.fitting.items())),
            "first": [[{"path": each.path, "knitId": each.knit_id} for each in made] for made in found.first],
        }
        told["plan"] = {name: value for name, value in plan_detail(plan).items() if name != "planId"}
    return cast("shapes.DryRun", told)  # put together member by member, for the order


def run_summary(summary: views.RunSummary) -> shapes.RunSummary:
    """Write a Run in brief."""
    return _run(summary.run, summary.plan)


def run_detail(view: views.RunView) -> shapes.RunDetail:
    """Write a Run in full; inputs and outputs by path."""
    asked = {each.path: each.tags for each in view.plan.inputs}
    given = {each.path or "": each.tags for each in view.plan.outputs}
    log = view.plan.log
    return {
        **_run(view.run, view.plan),
        "inputs": _mounts(view.inputs, asked),
        "outputs": _mounts(view.outputs, given),
        "log": None if log is None else {"tags": _texts(log.tags), "knitId": view.log or ""},
    }


def data_detail(view: views.DataView) -> shapes.DataDetail:
    """Write a Data in full, with its system tags."""
    run = run_summary(view.producer)
    upstream: shapes.DataUpstream
    if view.output.path is None:
        upstream = {"log": {"tags": _texts(view.output.tags)}, "run": run}
    else:
        upstream = {"mountpoint": _mountpoint(view.output.path, view.output.tags), "run": run}
    return {
        "knitId": view.data.knit_id,
        "tags": _texts(domain_data.effective_tags(view.data)),
        "upstream": upstream,
        "downstreams": [
            {"mountpoint": _mountpoint(each.input.path, each.input.tags), "run": run_summary(each.run)}
            for each in view.consumers
        ],
        "nomination": [
            {"path": each.input.path, "tags": _texts(each.input.tags), "plan": plan_summary(each.plan)}
            for each in view.nominations
        ],
    }


def lineage(graph: LineageGraph, data: Iterable[views.DataView], runs: Iterable[views.RunView]) -> shapes.Lineage:
    """Write a lineage graph; `data` and `runs` are the views of its nodes, in the graph's order."""
    return {
        "root": graph.root,
        "data": [data_detail(each) for each in data],
        "runs": [run_detail(each) for each in runs],
        "edges": [{"from": edge.source, "to": edge.target, "label": edge.label} for edge in graph.edges],
    }


def lineage_outline(
    graph: LineageGraph, data: Iterable[domain_data.Data], ran: Mapping[str, runs.Run], known: Mapping[str, plans.Plan]
) -> shapes.LineageOutline:
    """Write the outline of a lineage; `ran` are its Runs and those that made its `data`, `known` their Plans."""
    place = {plan_id: at for at, plan_id in enumerate(known)}
    return {
        "root": graph.root,
        "plans": [plan_summary(each) for each in known.values()],
        "data": [
            {
                "knitId": each.knit_id,
                "tags": _texts(each.tags),
                "timestamp": None if each.timestamp is None else times.format_instant(each.timestamp),
                "transient": domain_data.transient(each.status),
                "plan": place[ran[each.run_id].plan_id],
                "path": each.path,
            }
            for each in data
        ],
        "runs": [
            {
                "runId": run_id,
                "status": ran[run_id].status.value,
                "updatedAt": times.format_instant(ran[run_id].updated_at),
                "plan": place[ran[run_id].plan_id],
            }
            for run_id in graph.runs
        ],
        "edges": [{"from": edge.source, "to": edge.target, "label": edge.label} for edge in graph.edges],
    }


def plan_graph(graph: graphs.PlanGraph, plan_views: Iterable[views.PlanView]) -> shapes.PlanGraph:
    """Write a plan graph; `plan_views` are the views of its Plans, in the graph's order."""
    return {
        "root": graph.root,
        "plans": [plan_detail(each) for each in plan_views],
        "edges": [
            {
                "from": {"planId": edge.source, "path": edge.output},
                "to": {"planId": edge.target, "path": edge.input},
            }
            for edge in graph.edges
        ],
    }


def image(one: ImageLike) -> shapes.Image:
    """Write a local image."""
    return {
        "digest": one.digest,
        "names": list(one.names),
        "created": times.format_instant(one.created),
        "size": one.size,
        "python": one.python,
        "workdir": one.workdir,
        "entrypoint": list(one.entrypoint),
        "cmd": list(one.cmd),
        "env": dict(one.env),
        "warnings": list(one.warnings),
        "volumes": list(one.volumes),
    }


def tag_use(use: tuple[Tag, int]) -> shapes.TagUse:
    """Write a tag in use."""
    return {"tag": tag_text(use[0]), "count": use[1]}


class CheckLike(Protocol):
    """What a check has; `knit_server.service.checks.Check` does."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the names are the documentation; service/checks.py explains them
    @property
    def level(self) -> str: ...  # noqa: D102
    @property
    def told(self) -> str: ...  # noqa: D102
    @property
    def advice(self) -> str: ...  # noqa: D102


def check(one: CheckLike) -> shapes.Check:
    """Write what was found about a part of the server."""
    return {"name": one.name, "level": one.level, "told": one.told, "advice": one.advice}


class EntryLike(Protocol):
    """What a name in a Data has; `knit_server.content.tree.Entry` does."""

    @property
    def path(self) -> str: ...  # noqa: D102 - the names are the documentation; content/tree.py explains them
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def mode(self) -> int: ...  # noqa: D102
    @property
    def mtime_ns(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102


def file_entry(entry: EntryLike) -> shapes.FileEntry:
    """Write a name in a Data."""
    written: shapes.FileEntry = {
        "path": entry.path,
        "kind": entry.kind,
        "size": entry.size,
        "mode": f"{entry.mode:04o}",
        "mtime": times.format_instant(entry.mtime_ns // 1_000_000),
    }
    if entry.kind == "symlink":
        written["target"] = entry.target
    return written


class CandidateLike(Protocol):
    """What a candidate has; `knit_server.service.resolve.Candidate` does."""

    @property
    def kind(self) -> str: ...  # noqa: D102 - the names are the documentation; service/resolve.py explains them
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def about(self) -> str: ...  # noqa: D102


def candidate(one: CandidateLike) -> shapes.Candidate:
    """Write something whose id begins as asked."""
    return {"kind": one.kind, "id": one.id, "about": one.about}


# --- parts ------------------------------------------------------------------------------------------------------------


def _texts(tags: Iterable[Tag]) -> list[str]:
    return [tag_text(tag) for tag in tags]


def _mountpoint(path: str, tags: Iterable[Tag]) -> shapes.Mountpoint:
    return {"path": path, "tags": _texts(tags)}


def _upstream(upstream: views.Upstream) -> shapes.UpstreamRef:
    plan, output = plan_summary(upstream.plan), upstream.output
    if output.path is None:
        return {"plan": plan, "log": {"tags": _texts(output.tags)}}
    return {"plan": plan, "mountpoint": _mountpoint(output.path, output.tags)}


def _downstream(downstream: views.Downstream) -> shapes.DownstreamRef:
    asked = downstream.input
    return {"plan": plan_summary(downstream.plan), "mountpoint": _mountpoint(asked.path, asked.tags)}


def _on_node(wishes: Iterable[plans.OnNode]) -> shapes.OnNode:
    written: dict[str, list[str]] = {}
    for mode in plans.Preference:
        texts = [f"{wish.key}={wish.value}" for wish in wishes if wish.mode is mode]
        if texts:
            written[mode.value] = texts
    return cast("shapes.OnNode", written)  # the keys are the values of `Preference`


def _run(run: runs.Run, plan: plans.Plan) -> shapes.RunSummary:
    summary: shapes.Json = {
        "runId": run.run_id,
        "status": run.status.value,
        "updatedAt": times.format_instant(run.updated_at),
    }
    if run.exit is not None:
        summary["exit"] = {"code": run.exit.code, "message": run.exit.message}
    summary["plan"] = plan_summary(plan)
    return cast("shapes.RunSummary", summary)  # put together member by member, for the order


def _mounts(assignments: Iterable[runs.Assignment], tags: Mapping[str, Iterable[Tag]]) -> list[shapes.RunMount]:
    return [
        {"path": each.path, "tags": _texts(tags.get(each.path, ())), "knitId": each.knit_id}
        for each in sorted(assignments, key=lambda each: (each.path, each.knit_id))
    ]
