"""Every route of Knitfab's API as its clients use it: shapes and their order, slashes, lists, refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from knitfab import Knitfab, archive
from server import Answer, Server, until

MISSING = "00000000-0000-4000-8000-000000000000"
PLAN_SUMMARY = ["planId", "image", "args", "annotations"]
RUN_SUMMARY = ["runId", "status", "updatedAt", "exit", "plan"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without token, with the image `act:1`."""
    with Server(tmp_path_factory.mktemp("surface"), "--anonymous-loopback") as server:
        server.build_act()
        yield server


@pytest.fixture
def knitfab(server: Server) -> Knitfab:
    """A client of Knitfab."""
    return Knitfab(server.profile["apiRoot"])


def pushed(knitfab: Knitfab, *tags: str) -> Any:
    """Push and tag, as Knitfab's command does: in two requests."""
    body = archive(hello="world")
    made = knitfab.push(body, hashlib.md5(body).hexdigest()).json
    pairs = [dict(zip(("key", "value"), tag.split(":"), strict=True)) for tag in tags]
    return knitfab.json("PUT", f"/data/{made['knitId']}", {"add": pairs, "remove": None, "remove_key": None})


def spec(case: str, deed: list[str], **more: object) -> dict[str, object]:
    """A Plan that lets `act:1` do something with what carries the tag `case`."""
    return {
        "image": "act:1", "args": deed, "annotations": ["b=2", "a=1"],
        "inputs": [{"path": "/in/", "tags": [case]}],
        "outputs": [{"path": "/out/2", "tags": []}, {"path": "/out/1", "tags": [f"{case}-made"]}],
        "log": {"tags": [f"{case}-log"]}, "active": None, "resources": {"cpu": "100m"}, "unheard-of": 1, **more,
    }  # fmt: skip


def run_of(knitfab: Knitfab, plan: Any, *statuses: str) -> Any:
    """Wait for the one Run of a Plan."""
    query = f"/runs/?plan={plan['planId']}&status={','.join(statuses)}"
    (run,) = until(f"a Run is {statuses}", lambda: knitfab.json("GET", query))
    return run


def test_shapes(knitfab: Knitfab, case: str) -> None:
    """From push to log: each answer has the members of Knitfab's, in its order; mounts come by path, tags sorted."""
    raw = pushed(knitfab, case, "b:2", "b:10")
    assert list(raw) == ["knitId", "tags", "upstream", "downstreams", "nomination"]
    assert [tag for tag in raw["tags"] if not tag.startswith("knit#")] == sorted([case, "b:10", "b:2"])
    assert [tag.partition(":")[0] for tag in raw["tags"] if tag.startswith("knit#")] == ["knit#id", "knit#timestamp"]
    assert list(raw["upstream"]) == ["mountpoint", "run"]
    assert raw["upstream"]["mountpoint"] == {"path": "/upload", "tags": []}
    assert list(raw["upstream"]["run"]) == ["runId", "status", "updatedAt", "plan"]
    assert list(raw["upstream"]["run"]["plan"].items())[1:] == [("name", "knit#uploaded")]
    assert (raw["downstreams"], raw["nomination"]) == ([], [])

    wishes = {"on_node": {"prefer": ["disk=fast"], "may": ["gpu=yes"]}, "service_account": "robot"}
    plan = knitfab.json("POST", "/plans/", spec(case, ["copy", "/in", "/out/1"], **wishes))
    assert list(plan) == [
        *PLAN_SUMMARY, "inputs", "outputs", "log", "active", "on_node", "resources", "service_account",
    ]  # fmt: skip
    assert plan["annotations"] == ["a=1", "b=2"]
    assert plan["inputs"] == [{"path": "/in", "tags": [case], "upstreams": []}]
    assert [list(each) for each in plan["outputs"]] == [["path", "tags", "downstreams"]] * 2
    assert [each["path"] for each in plan["outputs"]] == ["/out/1", "/out/2"]
    assert plan["log"] == {"tags": [f"{case}-log"], "downstreams": []}
    assert (plan["active"], plan["resources"]) == (True, {"cpu": "100m", "memory": "1Gi"})
    assert list(plan["on_node"]) == ["may", "prefer"]
    uploads = raw["upstream"]["run"]["plan"]["planId"]
    built_in = knitfab.json("GET", f"/plans/{uploads}/")
    assert list(built_in) == ["planId", "name", "inputs", "outputs", "active"]

    run = run_of(knitfab, plan, "done")
    assert list(run) == [*RUN_SUMMARY, "inputs", "outputs", "log"]
    assert run["exit"] == {"code": 0, "message": ""}
    assert list(run["plan"]) == PLAN_SUMMARY
    assert [list(each) for each in run["inputs"] + run["outputs"]] == [["path", "tags", "knitId"]] * 3
    assert [each["path"] for each in run["outputs"]] == ["/out/1", "/out/2"]
    assert list(run["log"]) == ["tags", "knitId"]
    (seen,) = knitfab.json("GET", f"/data/?tag=knit%23id:{raw['knitId']}")
    assert [list(each) for each in seen["downstreams"]] == [["mountpoint", "run"]]
    assert [list(each) for each in seen["nomination"]] == [["path", "tags", "plan"]]
    assert list(seen["downstreams"][0]["run"]) == RUN_SUMMARY
    (log,) = knitfab.json("GET", f"/data?tag={case}-log")
    assert list(log["upstream"]) == ["log", "run"]
    for path in ("/runs/{}/log", "/backend/runs/{}/log", "/runs/{}/log/?follow", "/backend/runs/{}/log?follow"):
        told = knitfab.send("GET", path.format(run["runId"]))
        assert (told.status, told.headers["Content-Type"]) == (200, "application/octet-stream")
        assert told.body == b"copied hello\n"


@pytest.mark.parametrize("path", ["/data", "/data/", "/backend/data", "/backend/data/"])
def test_pushes(knitfab: Knitfab, path: str) -> None:
    """A push is taken where Knitfab and its backend take it; with a wrong checksum, or no archive, it is refused."""
    body = archive(hello="world", empty="")
    good = knitfab.push(body, hashlib.md5(body).hexdigest().upper(), path)
    assert (good.status, list(good.json)) == (200, ["knitId", "tags", "upstream", "downstreams", "nomination"])
    for bad in (knitfab.push(body, "0" * 32, path), knitfab.push(b"no archive", "", path)):
        assert bad.status == 400, bad
        assert told(bad)
    assert knitfab.push(body, "", path).status == 200, "without a checksum nothing is compared"


def test_neighbours(knitfab: Knitfab, case: str) -> None:
    """What feeds a Plan is a mountpoint or a log of the other; what it feeds is always a mountpoint."""
    first = knitfab.json("POST", "/plans", spec(case, []))
    second = knitfab.json("POST", "/plans", spec(f"{case}-made", []))
    third = knitfab.json("POST", "/plans", spec(f"{case}-log", []))
    ((made,), (log,)) = (each["inputs"][0]["upstreams"] for each in (second, third))
    assert (list(made), list(log)) == (["plan", "mountpoint"], ["plan", "log"])
    assert made["mountpoint"] == {"path": "/out/1", "tags": [f"{case}-made"]}
    assert made["plan"]["planId"] == log["plan"]["planId"] == first["planId"]
    shown = knitfab.json("GET", f"/plans/{first['planId']}")
    (feeds,) = shown["outputs"][0]["downstreams"]
    assert feeds == {"plan": {name: second[name] for name in PLAN_SUMMARY if name in second}, "mountpoint": {
        "path": "/in", "tags": [f"{case}-made"]}}  # fmt: skip
    assert [each["plan"]["planId"] for each in shown["log"]["downstreams"]] == [third["planId"]]


def test_all_nominations_are_listed(knitfab: Knitfab, case: str) -> None:
    """A Data tells every input that it fits, also several of one Plan."""
    raw = pushed(knitfab, case)
    inputs = [{"path": path, "tags": [case]} for path in ("/b", "/a")]
    plan = knitfab.json("POST", "/plans", spec(case, [], inputs=inputs, active=False))
    other = knitfab.json("POST", "/plans", spec(case, [], active=False))
    (seen,) = knitfab.json("GET", f"/data?tag=knit%23id:{raw['knitId']}")
    told = {(each["plan"]["planId"], each["path"]) for each in seen["nomination"]}
    assert told == {(plan["planId"], "/a"), (plan["planId"], "/b"), (other["planId"], "/in")}
    assert len(seen["nomination"]) == 3


def test_lists(knitfab: Knitfab, case: str) -> None:
    """Data come by time, Runs by their last change, Plans by id; with a slash and without it is the same list."""
    data = [pushed(knitfab, case, f"n:{number}")["knitId"] for number in range(3)]
    plans = sorted(knitfab.json("POST", "/plans", spec(case, [f"{n}"], active=False))["planId"] for n in range(3))
    assert [each["knitId"] for each in knitfab.json("GET", f"/data?tag={case}")] == data
    assert [each["planId"] for each in knitfab.json("GET", f"/plans?in_tag={case}")] == plans
    runs = knitfab.json("GET", f"/runs?plan={','.join(plans)}")
    assert len(runs) == 9
    assert [each["updatedAt"] for each in runs] == sorted(each["updatedAt"] for each in runs)
    made = runs[4]
    for path in (
        f"/data?tag={case}", f"/data?tag={case}&tag=n:1", f"/plans?in_tag={case}&active=false", "/plans?image=act:1",
        "/plans?image=act:", f"/plans?out_tag={case}-made", f"/runs?plan={plans[0]},{plans[1]}",
        "/runs?status=deactivated",
        f"/runs?knitIdInput={data[0]},{data[1]}", f"/runs?knitIdOutput={made['log']['knitId']}",
        "/runs?since=2020-01-01T00:00:00Z&duration=1h0m0s",
    ):  # fmt: skip
        slashed = knitfab.json("GET", path.replace("?", "/?"))
        assert slashed == knitfab.json("GET", path)
        assert isinstance(slashed, list)
    assert knitfab.json("GET", f"/runs?knitIdOutput={made['log']['knitId']}") == [made]
    for path in ("/data?tag=no:body", "/plans?in_tag=no:body", "/plans?out_tag=no:body", f"/runs?plan={MISSING}"):
        assert knitfab.json("GET", path) == []


def test_edits(knitfab: Knitfab, case: str) -> None:
    """Every change of a Plan answers the Plan; a charset in the Content-Type changes nothing."""
    plan = knitfab.json("POST", "/plans", spec(case, ["x"]))
    here = f"/plans/{plan['planId']}"

    def put(what: str, change: object) -> Any:
        body = json.dumps(change).encode()
        answer = knitfab.send("PUT", f"{here}/{what}", body, {"Content-Type": "application/json; charset=utf-8"})
        assert answer.status == 200, answer
        assert answer.json == knitfab.json("GET", here)
        return answer.json

    edited = put("resources/", {"set": {"memory": "2Gi", "gpu": "1"}, "unset": ["cpu"]})
    assert edited["resources"] == {"gpu": "1", "memory": "2Gi"}
    wrong = knitfab.send("PUT", f"{here}/resources", b'{"set": {"cpu": "much"}}', JSON)
    assert wrong.status == 400
    assert "cpu" in told(wrong)
    edited = put("annotations", {"add": ["c=3", "a=x"], "remove": ["a=1"], "remove_key": ["b"]})
    assert edited["annotations"] == ["a=x", "c=3"]
    assert put("annotations/", {"add": [], "remove": None, "remove_key": None}) == edited
    assert put("serviceaccount", {"service_account": "robot"})["service_account"] == "robot"
    for _ in range(2):
        assert "service_account" not in knitfab.json("DELETE", f"{here}/serviceaccount/")
    for switch, active in (("DELETE", False), ("PUT", True)):
        assert knitfab.json(switch, f"{here}/active/")["active"] is active
    charset = {"Content-Type": "application/json;charset=UTF-8"}
    again = knitfab.send("POST", "/plans", json.dumps(spec(case, ["x"])).encode(), charset)
    assert again.status == 409
    assert plan["planId"] in told(again)


def told(answer: Answer) -> str:
    """Check that a refusal can be read by Knitfab's clients, and by ours; returns its message."""
    body = answer.json
    assert isinstance(body["message"], str)
    assert body["message"] == "\n".join(body[name] for name in ("reason", "advice") if name in body)
    return body["message"]


def test_stop_retry_delete(knitfab: Knitfab, case: str) -> None:
    """A Run is torn off, aborted, retried and deleted; each refusal is the one that Knitfab gives."""
    raw = pushed(knitfab, case)
    plan = knitfab.json("POST", "/plans", spec(case, ["forever", "/out/1"]))
    run = run_of(knitfab, plan, "running")
    here, upload = f"/runs/{run['runId']}", f"/runs/{raw['upstream']['run']['runId']}"
    for method, path in (("PUT", f"{here}/retry"), ("DELETE", here), ("PUT", f"{upload}/retry"), ("DELETE", upload)):
        assert told(refusal := knitfab.send(method, path))
        assert refusal.status == 409
    assert knitfab.json("PUT", f"{here}/tearoff/")["status"] == "completing"
    done = run_of(knitfab, plan, "done")
    assert done["exit"] == {"code": 0, "message": "stopped by user"}
    for stop in ("abort", "tearoff"):
        assert knitfab.send("PUT", f"{here}/{stop}").status == 409
    knitfab.json("DELETE", f"/plans/{plan['planId']}/active")
    assert knitfab.send("PUT", f"{here}/retry/").status == 200
    knitfab.json("PUT", f"/plans/{plan['planId']}/active")
    assert run_of(knitfab, plan, "running")["outputs"][0]["knitId"] != done["outputs"][0]["knitId"]
    assert knitfab.json("PUT", f"{here}/abort")["status"] == "aborting"
    assert run_of(knitfab, plan, "failed")["exit"] == {"code": 253, "message": "aborted by user"}
    gone = knitfab.send("DELETE", f"{here}/")
    assert (gone.status, gone.body) == (204, b"")
    assert knitfab.json("GET", f"/runs?plan={plan['planId']}") == []
    assert knitfab.send("DELETE", here).status == 404
    assert knitfab.send("DELETE", upload).status == 204
    assert knitfab.json("GET", f"/data?tag={case}") == []


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/data/{}", None, 404), ("PUT", "/data/{}", {"remove": ["a:1"]}, 404),
        ("PUT", "/data/{}", {"add": ["a:1"]}, 404), ("PUT", "/data/{}", {"add": ["knit#a:1"]}, 400),
        ("PUT", "/data/{}", {"remove_key": ["knit#id"]}, 400), ("GET", "/backend/data/{}", None, 404),
        ("GET", "/plans/{}", None, 404), ("PUT", "/plans/{}/active", None, 404),
        ("DELETE", "/plans/{}/active", None, 404), ("PUT", "/plans/{}/resources", {"unset": ["cpu"]}, 404),
        ("PUT", "/plans/{}/annotations", {}, 404),
        ("PUT", "/plans/{}/annotations", {"add": ["none"]}, 400),
        ("PUT", "/plans/{}/serviceaccount", {"service_account": "x"}, 404),
        ("PUT", "/plans/{}/serviceaccount", {}, 400), ("DELETE", "/plans/{}/serviceaccount", None, 404),
        ("POST", "/plans", {"image": "x", "inputs": []}, 400), ("GET", "/runs/{}", None, 404),
        ("PUT", "/runs/{}/abort", None, 404), ("PUT", "/runs/{}/tearoff", None, 404),
        ("PUT", "/runs/{}/retry", None, 404), ("DELETE", "/runs/{}", None, 404), ("GET", "/runs/{}/log", None, 404),
        ("GET", "/backend/runs/{}/log", None, 404), ("GET", "/nowhere", None, 404), ("DELETE", "/plans", None, 405),
    ],
)  # fmt: skip
def test_refusals(knitfab: Knitfab, method: str, path: str, body: object, status: int, slash: str) -> None:
    """Whatever is refused has Knitfab's status and a message in words, with a slash and without."""
    content = None if body is None else json.dumps(body).encode()
    answer = knitfab.send(method, path.format(MISSING) + slash, content, {} if body is None else JSON)
    assert answer.status == status, answer
    assert told(answer)


@pytest.mark.parametrize(
    "path",
    ["/data?tag=none", "/data?tag=knit%23timestamp:now", "/data?since=now", "/data?duration=1h", "/plans?active=maybe",
     "/plans?in_tag=none", "/plans?out_tag=none", "/runs?status=invalidated", "/runs?status=lost",
     "/runs?duration=1h", "/runs?since=2020-01-01T00:00:00+00:00"],
)  # fmt: skip
def test_queries_that_cannot_be_read(knitfab: Knitfab, path: str) -> None:
    """They are 400, also those on which Knitfab breaks (scenario 81)."""
    answer = knitfab.send("GET", path)
    assert answer.status == 400, answer
    assert told(answer)
