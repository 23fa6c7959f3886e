"""GET /why."""

from __future__ import annotations

from typing import Any

import httpx

PLAN = {"image": "why/x:1", "inputs": [{"path": "/in", "tags": ["why:raw"]}]}


def test_why(client: httpx.Client, tar_gz: Any) -> None:
    """A Data, its Plan and its Run are explained, with and without a slash; what is wrong is told."""
    plan_id = client.post("/plans", json=PLAN).json()["planId"]
    archive = tar_gz(a="1")
    knit_id = client.post("/data?tag=why:rwa", content=archive).json()["knitId"]
    found = client.get("/why", params={"id": knit_id}).json()
    assert (found["kind"], found["id"], found["standing"]) == ("data", knit_id, "usable")
    assert [(each["code"], each["planId"], each["tags"]) for each in found["now"]] == [
        ("lacks-tag", plan_id, ["why:raw"])
    ]
    assert client.get("/why/", params={"id": knit_id, "plan": plan_id}).json()["now"] == found["now"]
    assert client.get("/why", params={"id": plan_id}).json()["kind"] == "plan"


def test_what_cannot_be_explained(client: httpx.Client) -> None:
    """400 without an id, 404 for one of nobody."""
    for query, status, words in (({}, 400, "what is to be explained?"), ({"id": "ghost"}, 404, "no Data, Plan or Run")):
        answer = client.get("/why", params=query)
        assert (answer.status_code, words in answer.json()["reason"]) == (status, True)
