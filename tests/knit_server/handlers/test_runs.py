"""/plans, /runs, graphs and logs over HTTP, on a Knit whose programs are Python functions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from knit_server.executors.base import Attempt, Observation
from knit_server.testing import copy_inputs, endless, until

DEADLINE = 20.0
MISSING = "00000000-0000-4000-8000-000000000000"
TarGz = Callable[..., bytes]

PLAN = {
    "image": "lab/copy:1",
    "inputs": [{"path": "/in", "tags": ["type:raw"]}],
    "outputs": [{"path": "/out", "tags": ["type:copy"]}],
    "log": {"tags": ["type:log"]},
}


@pytest.fixture
def client(fake_knit: Any) -> Any:
    fake_knit.executor.images.programs["lab/copy:1"] = copy_inputs
    with fake_knit.client() as client:
        yield client


def applied(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = client.post("/plans", json={**PLAN, **changes})
    assert answer.status_code == 200, answer.text
    plan: dict[str, Any] = answer.json()
    return plan


def run_once(knit: Any, client: httpx.Client, tar_gz: TarGz, status: str = "done") -> dict[str, Any]:
    """Push a Data that the Plan takes, and return its Run once it has that status."""
    data = client.post("/data", params={"tag": "type:raw"}, content=tar_gz(f="x")).json()["knitId"]

    def found() -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = client.get("/runs", params={"knitIdInput": data, "status": status}).json()
        return runs

    until(knit.context, found)
    return found()[0]


class TestPlans:
    def test_apply_and_show(self, client: httpx.Client) -> None:
        """What is applied is shown, with defaults filled in; the list has it under every filter that fits.

        (scenario 82)
        """
        plan = applied(client)
        assert plan["image"] == "lab/copy:1"
        assert plan["active"] is True
        assert plan["resources"] == {"cpu": "1", "memory": "1Gi"}
        assert client.get(f"/plans/{plan['planId']}").json() == plan
        for query in ({}, {"active": "true"}, {"image": "lab/copy"}, {"image": "lab/copy:"}, {"image": "lab/copy:1"},
                      {"in_tag": "type:raw"}, {"out_tag": "type:copy"}, {"out_tag": "type:log"}):  # fmt: skip
            assert plan in client.get("/plans", params=query).json(), query
        for query in ({"active": "false"}, {"image": "lab/copy:2"}, {"in_tag": "type:copy"}, {"out_tag": "no:such"}):
            assert plan not in client.get("/plans", params=query).json(), query

    def test_refusals(self, client: httpx.Client) -> None:
        """Equivalent and cyclic Plans are 409, wrong ones 400, unknown ones 404 (scenarios 15, 17)."""
        applied(client)
        assert client.post("/plans", json=PLAN).status_code == 409
        looped = {**PLAN, "outputs": [{"path": "/out", "tags": ["type:raw"]}]}
        assert client.post("/plans", json=looped).status_code == 409
        wrongs: list[Any] = [{}, [], {**PLAN, "inputs": []}, {**PLAN, "image": 5}]
        for wrong in wrongs:
            assert client.post("/plans", json=wrong).status_code == 400
        for method, path in [
            ("GET", ""),
            ("GET", "/details"),
            ("GET", "/graph"),
            ("PUT", "/active"),
            ("DELETE", "/active"),
        ]:
            assert client.request(method, f"/plans/{MISSING}{path}").status_code == 404
        assert client.get("/plans", params={"active": "maybe"}).status_code == 400
        assert client.get("/plans", params={"in_tag": "no tag"}).status_code == 400

    def test_switch(self, client: httpx.Client) -> None:
        """PUT switches on, DELETE off, with or without a slash."""
        plan = applied(client)
        assert client.delete(f"/plans/{plan['planId']}/active/").json()["active"] is False
        assert client.put(f"/plans/{plan['planId']}/active").json()["active"] is True
        assert client.get(f"/plans/{plan['planId']}/details").status_code == 200

    def test_graph(self, client: httpx.Client) -> None:
        """The graph goes as far as asked; omitted is 0."""
        first = applied(client)["planId"]
        second = applied(client, image="lab/next:1", inputs=[{"path": "/in", "tags": ["type:copy"]}],
                         outputs=[{"path": "/out", "tags": ["type:end"]}])["planId"]  # fmt: skip
        graph = client.get(f"/plans/{first}/graph", params={"downstream": "all"}).json()
        assert [plan["planId"] for plan in graph["plans"]] == [first, second]
        assert graph["edges"][0]["from"] == {"planId": first, "path": "/out"}
        assert len(client.get(f"/plans/{first}/graph").json()["plans"]) == 1
        assert client.get(f"/plans/{first}/graph", params={"upstream": "-1"}).status_code == 400


class TestRuns:
    def test_from_push_to_lineage(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """A push is run, found, shown, logged and traced."""
        plan = applied(client)
        run = run_once(fake_knit, client, tar_gz)
        assert run["plan"]["planId"] == plan["planId"]
        assert client.get(f"/runs/{run['runId']}/").json() == run
        assert client.get("/runs", params={"plan": f"{plan['planId']},{MISSING}"}).json() == [run]
        assert client.get("/runs", params={"plan": MISSING}).json() == []
        assert client.get(f"/runs/{run['runId']}/details").status_code == 200
        assert client.get(f"/runs/{run['runId']}/log").content == b"1 files\n"
        assert client.get(f"/runs/{run['runId']}/log?follow").content == b"1 files\n"
        made = run["outputs"][0]["knitId"]
        lineage = client.get(f"/data/{made}/lineage", params={"upstream": "all"}).json()
        assert lineage["root"] == made
        assert run["runId"] in [each["runId"] for each in lineage["runs"]]
        assert [edge["label"] for edge in lineage["edges"]].count("/in") == 1
        assert [each["knitId"] for each in client.get(f"/data/{made}/lineage").json()["data"]] == [made]
        outline = client.get(f"/data/{made}/lineage/outline", params={"upstream": "all"}).json()
        assert outline["edges"] == lineage["edges"]
        assert [each["runId"] for each in outline["runs"]] == [each["runId"] for each in lineage["runs"]]
        assert [outline["plans"][each["plan"]] for each in outline["runs"]] == [
            each["plan"] for each in lineage["runs"]
        ]
        for brief, full in zip(outline["data"], lineage["data"], strict=True):
            assert brief["knitId"] == full["knitId"]
            assert set(brief["tags"]) <= set(full["tags"])
            assert outline["plans"][brief["plan"]] == full["upstream"]["run"]["plan"]
            assert brief["path"] == full["upstream"].get("mountpoint", {}).get("path")

    def test_refusals(self, client: httpx.Client) -> None:
        """Unknown Runs are 404, unknown and inner statuses 400."""
        for method, path in [("GET", ""), ("GET", "/details"), ("GET", "/log"), ("PUT", "/abort"), ("PUT", "/tearoff"),
                             ("PUT", "/retry"), ("DELETE", ""), ("GET", "/downstream")]:  # fmt: skip
            assert client.request(method, f"/runs/{MISSING}{path}").status_code == 404
        for status in ("finished", "invalidated"):
            answer = client.get("/runs", params={"status": f"done,{status}"})
            assert answer.status_code == 400
            assert status in answer.json()["reason"]
        assert client.get("/runs", params={"since": "now"}).status_code == 400

    def test_retry_and_delete(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """PUT retry answers the Run as it waits, DELETE nothing; used outputs and uploads are 409, deleted Runs 404."""
        plan = applied(client, active=True)
        run = run_once(fake_knit, client, tar_gz)
        upload = client.get(f"/data?tag=knit%23id:{run['inputs'][0]['knitId']}").json()[0]["upstream"]["run"]["runId"]
        assert client.put(f"/runs/{upload}/retry").status_code == 409
        assert client.delete(f"/runs/{upload}").json()["reason"].endswith(f"Run {run['runId']} uses its outputs")
        assert [each["runId"] for each in client.get(f"/runs/{upload}/downstream").json()] == [run["runId"]]
        client.delete(f"/plans/{plan['planId']}/active")
        again = client.put(f"/runs/{run['runId']}/retry/")
        assert (again.status_code, again.json()["status"], "exit" in again.json()) == (200, "deactivated", False)
        assert again.json()["outputs"][0]["knitId"] != run["outputs"][0]["knitId"]
        assert client.put(f"/runs/{run['runId']}/retry").status_code == 409
        gone = client.delete(f"/runs/{run['runId']}")
        assert (gone.status_code, gone.content) == (204, b"")
        shown = client.get(f"/runs/{run['runId']}").json()
        assert (shown["status"], shown["outputs"][0]["knitId"], shown["log"]["knitId"]) == ("invalidated", "", "")
        assert client.delete(f"/runs/{run['runId']}").status_code == 404
        assert client.delete(f"/runs/{upload}", params={"downstream": "perhaps"}).status_code == 400
        assert client.delete(f"/runs/{upload}", params={"downstream": "true"}).status_code == 204
        assert client.get("/runs").json() == client.get("/data").json() == []

    def test_retry_downstream(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """With downstream, what was made from a Run is deleted and follows anew."""
        applied(client)
        follow = {"image": "lab/copy:2", "inputs": [{"path": "/in", "tags": ["type:copy"]}], "outputs": []}
        fake_knit.executor.images.programs["lab/copy:2"] = copy_inputs
        after = applied(client, **follow)["planId"]
        run = run_once(fake_knit, client, tar_gz)["runId"]
        query = {"plan": after, "status": "done"}
        until(fake_knit.context, lambda: client.get("/runs", params=query).json())
        (old,) = client.get("/runs", params=query).json()
        assert client.put(f"/runs/{run}/retry").status_code == 409
        assert client.put(f"/runs/{run}/retry", params={"downstream": "true"}).status_code == 200
        until(fake_knit.context, lambda: client.get("/runs", params=query).json())
        (new,) = client.get("/runs", params=query).json()
        assert new["runId"] != old["runId"]
        assert client.get(f"/runs/{old['runId']}").status_code == 404

    @pytest.mark.parametrize(("verb", "end"), [("abort", "failed"), ("tearoff", "done")])
    def test_stop(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz, verb: str, end: str) -> None:
        """A running Run is stopped, well or badly; stopping it again is 409."""
        fake_knit.executor.images.programs["lab/copy:1"] = endless
        applied(client)
        run = run_once(fake_knit, client, tar_gz, "running")["runId"]
        assert client.put(f"/runs/{run}/{verb}").status_code == 200
        until(fake_knit.context, lambda: client.get(f"/runs/{run}").json()["status"] == end)
        assert client.put(f"/runs/{run}/{verb}").status_code == 409


class TestLog:
    def test_lines_are_seen_live(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """Each line is seen within a fraction of a second, and the stream ends with the program (scenario 79)."""
        log: list[Any] = []

        def program(attempt: Attempt) -> Observation:
            log.append(attempt)
            assert attempt.log is not None
            attempt.log.write_bytes(b"begun\n")
            return endless(attempt)

        fake_knit.executor.images.programs["lab/copy:1"] = program
        applied(client)
        run = run_once(fake_knit, client, tar_gz, "running")["runId"]
        with client.stream("GET", f"/runs/{run}/log?follow") as answer:
            assert answer.headers["content-type"] == "application/octet-stream"
            parts = answer.iter_raw()
            assert next(parts) == b"begun\n"
            for line in (b"one\n", b"\xff\0two"):
                with log[0].log.open("ab") as file:
                    file.write(line)
                written = time.monotonic()
                assert next(parts) == line
                assert time.monotonic() - written < 1
            assert client.get(f"/runs/{run}/log").content == b"begun\none\n\xff\0two"
            with log[0].log.open("ab") as file:
                file.write(b"last words")
            fake_knit.executor.end(log[0].id)
            assert b"".join(parts) == b"last words"

    def test_before_the_start(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """A Run that waits has no log yet: 503. A Plan without a log has none ever: 404 (scenario 79)."""
        applied(client, active=False)
        data = client.post("/data", params={"tag": "type:raw"}, content=tar_gz(f="x")).json()
        runs = client.get("/runs", params={"knitIdInput": data["knitId"]}).json()
        assert client.get(f"/runs/{runs[0]['runId']}/log").status_code == 503
        assert client.get(f"/runs/{data['upstream']['run']['runId']}/log").status_code == 404

    def test_follower_that_leaves(self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz) -> None:
        """A follower that goes away leaves no file open."""
        closed = threading.Event()
        from knit_server.service import runs

        class Watched(runs.RunLog):
            def close(self) -> None:
                super().close()
                closed.set()

        fake_knit.executor.images.programs["lab/copy:1"] = endless
        applied(client)
        run = run_once(fake_knit, client, tar_gz, "running")["runId"]
        opened, runs.RunLog = runs.RunLog, Watched  # type: ignore[misc]
        try:
            with client.stream("GET", f"/runs/{run}/log?follow") as answer:
                assert answer.status_code == 200
            assert closed.wait(DEADLINE)
        finally:
            runs.RunLog = opened  # type: ignore[misc]
