"""Every shape, member by member and in order (JSON text is compared, so order counts)."""

from __future__ import annotations

import json
from types import SimpleNamespace

from knit_server.domain.data import Data
from knit_server.domain.graphs import Neighbours, plan_graph
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.images import ImageName
from knit_server.domain.lineage import Edge, LineageGraph
from knit_server.domain.plans import Annotation, Input, OnNode, Output, Plan, PlanSpec, Preference, check
from knit_server.domain.runs import Assignment, Exit, Run, Status
from knit_server.domain.tags import Tag
from knit_server.domain.views import (
    Consumer,
    DataView,
    Downstream,
    NominationView,
    PlanView,
    RunSummary,
    RunView,
    Upstream,
)
from knit_server.wire import codecs

RAW = (Tag("type", "raw"),)
UPLOAD = Plan(plan_id=PlanId("p0"), name="knit#uploaded")
SPEC = check(
    PlanSpec(
        image=ImageName("lab/x", "1"),
        entrypoint=("python",),
        args=("a.py", "--x"),
        inputs=(Input(path="/in/", tags=RAW),),
        outputs=(Output(path="/out", tags=(Tag("type", "mask"),)),),
        log=Output(path=None, tags=(Tag("type", "log"),)),
        on_node=(
            OnNode(Preference.MUST, "gpu", "yes"),
            OnNode(Preference.MAY, "b", "2"),
            OnNode(Preference.MAY, "a", "1"),
        ),
        resources={"memory": "1Gi", "cpu": "500m"},
        annotations=(Annotation("k", "v"),),
        service_account="robot",
    )
)
PLAN = Plan(plan_id=PlanId("p1"), spec=SPEC)
BARE = Plan(plan_id=PlanId("p2"), spec=check(PlanSpec(image=ImageName("y", "latest"), inputs=SPEC.inputs)))
RUN = Run(run_id=RunId("r1"), plan_id=PlanId("p1"), key="", status=Status.DONE, updated_at=1_000, exit=Exit(0))

P0 = '{"planId": "p0", "name": "knit#uploaded"}'
P1 = '{"planId": "p1", "image": "lab/x:1", "entrypoint": ["python"], "args": ["a.py", "--x"], "annotations": ["k=v"]}'
P2 = '{"planId": "p2", "image": "y:latest"}'
R1 = (
    '{"runId": "r1", "status": "done", "updatedAt": "1970-01-01T00:00:01+00:00", "exit": {"code": 0, "message": ""}, '
    f'"plan": {P1}}}'
)


def same(value: object, text: str) -> None:
    assert json.dumps(value) == json.dumps(json.loads(text))


def test_plan_summary() -> None:
    """Empty members are left out; a built-in Plan has a name instead of an image."""
    same(codecs.plan_summary(PLAN), P1)
    same(codecs.plan_summary(BARE), P2)
    same(codecs.plan_summary(UPLOAD), P0)


def test_plan_detail() -> None:
    """Neighbours hang at their input, output or log; an upstream is a mountpoint or a log."""
    view = PlanView(
        plan=PLAN,
        upstreams=((Upstream(plan=UPLOAD, output=UPLOAD.outputs[0]), Upstream(plan=PLAN, output=SPEC.log)),),  # type: ignore[arg-type]
        downstreams=((Downstream(plan=BARE, input=BARE.inputs[0]),), ()),
    )
    head = P1[:-1]
    same(
        codecs.plan_detail(view),
        f'{head}, "inputs": [{{"path": "/in", "tags": ["type:raw"], "upstreams": ['
        f'{{"plan": {P0}, "mountpoint": {{"path": "/upload", "tags": []}}}},'
        f'{{"plan": {P1}, "log": {{"tags": ["type:log"]}}}}]}}],'
        f'"outputs": [{{"path": "/out", "tags": ["type:mask"], "downstreams": ['
        f'{{"plan": {P2}, "mountpoint": {{"path": "/in", "tags": ["type:raw"]}}}}]}}],'
        '"log": {"tags": ["type:log"], "downstreams": []}, "active": true,'
        '"on_node": {"may": ["a=1", "b=2"], "must": ["gpu=yes"]},'
        '"resources": {"cpu": "500m", "memory": "1Gi"}, "service_account": "robot"}',
    )


def test_plan_detail_without_options() -> None:
    """A built-in Plan has no resources; no log means no member."""
    same(
        codecs.plan_detail(PlanView(plan=UPLOAD, upstreams=(), downstreams=((),))),
        '{"planId": "p0", "name": "knit#uploaded", "inputs": [], '
        '"outputs": [{"path": "/upload", "tags": [], "downstreams": []}], "active": true}',
    )


def test_runs() -> None:
    """Tags are the Plan's; mounts come by path; a Run without exit has no such member."""
    assignment = Assignment(path="/in", knit_id=KnitId("k1"))
    made = Assignment(path="/out", knit_id=KnitId("k2"))
    view = RunView(run=RUN, plan=PLAN, inputs=(assignment,), outputs=(made,), log=KnitId("k3"))
    same(
        codecs.run_detail(view),
        f'{R1[:-1]}, "inputs": [{{"path": "/in", "tags": ["type:raw"], "knitId": "k1"}}], '
        '"outputs": [{"path": "/out", "tags": ["type:mask"], "knitId": "k2"}], '
        '"log": {"tags": ["type:log"], "knitId": "k3"}}',
    )
    same(codecs.run_summary(RunSummary(run=RUN, plan=PLAN)), R1)
    waiting = Run(run_id=RunId("r"), plan_id=PlanId("p0"), key="", status=Status.WAITING, updated_at=0)
    bare = codecs.run_detail(RunView(run=waiting, plan=UPLOAD, inputs=(), outputs=(), log=None))
    assert list(bare) == ["runId", "status", "updatedAt", "plan", "inputs", "outputs", "log"]
    assert bare["log"] is None


def test_data() -> None:
    """System tags are derived, nominations are flat, downstreams are not."""
    data = Data(knit_id=KnitId("k"), tags=(Tag("z", "1"), Tag("a", "2")), run_id=RunId("r1"), path="/out",
                timestamp=1_230, status=Status.FAILED)  # fmt: skip
    run = RunSummary(run=RUN, plan=PLAN)
    view = DataView(
        data=data,
        output=SPEC.outputs[0],
        producer=run,
        consumers=(Consumer(input=SPEC.inputs[0], run=run),),
        nominations=(NominationView(plan=BARE, input=BARE.inputs[0]),),
    )
    mount = '{"path": "/in", "tags": ["type:raw"]}'
    same(
        codecs.data_detail(view),
        '{"knitId": "k", "tags": ["a:2", "knit#id:k", "knit#timestamp:1970-01-01T00:00:01.23+00:00", '
        f'"knit#transient:failed", "z:1"], "upstream": {{"mountpoint": {{"path": "/out", "tags": ["type:mask"]}}, '
        f'"run": {R1}}}, "downstreams": [{{"mountpoint": {mount}, "run": {R1}}}], '
        f'"nomination": [{{"path": "/in", "tags": ["type:raw"], "plan": {P2}}}]}}',
    )


def test_data_of_a_log() -> None:
    """A log Data comes from a log, not from a mountpoint."""
    data = Data(knit_id=KnitId("k"), tags=(), run_id=RunId("r1"), path=None)
    assert SPEC.log is not None
    view = DataView(data=data, output=SPEC.log, producer=RunSummary(run=RUN, plan=PLAN), consumers=(), nominations=())
    assert list(codecs.data_detail(view)["upstream"]) == ["log", "run"]


def test_graphs() -> None:
    """Edges name their ends; a root edge comes from null, a log has the path null."""
    graph = LineageGraph(root=KnitId("k"), edges=[Edge(None, RunId("r"), ""), Edge(RunId("r"), KnitId("k"), "/out")])
    same(
        codecs.lineage(graph, [], []),
        '{"root": "k", "data": [], "runs": [], "edges": ['
        '{"from": null, "to": "r", "label": ""}, {"from": "r", "to": "k", "label": "/out"}]}',
    )
    reader = Plan(
        plan_id=PlanId("p3"),
        spec=PlanSpec(image=ImageName("z", "1"), inputs=(Input(path="/l", tags=(Tag("type", "log"),)),)),
    )
    plans = plan_graph(PlanId("p1"), Neighbours([PLAN, reader]), downstream=None)
    assert codecs.plan_graph(plans, [])["edges"] == [
        {"from": {"planId": "p1", "path": None}, "to": {"planId": "p3", "path": "/l"}}
    ]


def test_image() -> None:
    """Anything with the attributes of an image can be written."""
    one = SimpleNamespace(digest="d", names=("a:1",), created=0, size=5, python="3.11", workdir="/w",
                          entrypoint=("x",), cmd=(), env={"A": "b"}, warnings=(), volumes=("/v",))  # fmt: skip
    same(
        codecs.image(one),
        '{"digest": "d", "names": ["a:1"], "created": "1970-01-01T00:00:00+00:00", "size": 5, "python": "3.11", '
        '"workdir": "/w", "entrypoint": ["x"], "cmd": [], "env": {"A": "b"}, "warnings": [], "volumes": ["/v"]}',
    )
