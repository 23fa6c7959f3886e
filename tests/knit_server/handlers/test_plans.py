"""Changing Plans over HTTP: shapes as Knitfab's clients send them, and what is wrong with others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MISSING = "00000000-0000-4000-8000-000000000000"
PLAN = {"image": "lab/x:1", "inputs": [{"path": "/in", "tags": ["type:raw"]}], "annotations": ["k=1"]}


@pytest.fixture
def client(fake_knit: Any) -> Any:
    with fake_knit.client() as client:
        yield client


@pytest.fixture
def plan_id(client: httpx.Client) -> str:
    answer = client.post("/plans", json=PLAN)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["planId"])


def test_changes(client: httpx.Client, plan_id: str) -> None:
    """Null and absent members are as good as nothing; every answer is the whole Plan."""
    for path, body, member, value in (
        ("resources", {"set": {"cpu": "2"}, "unset": None}, "resources", {"cpu": "2", "memory": "1Gi"}),
        ("resources/", {"unset": ["cpu"]}, "resources", {"memory": "1Gi"}),
        ("resources", {"set": {"cpu": 2}}, "resources", {"cpu": "2", "memory": "1Gi"}),
        ("annotations", {"add": ["l = a=b"], "remove": None, "remove_key": ["k"]}, "annotations", ["l=a=b"]),
        ("annotations", {}, "annotations", ["l=a=b"]),
        ("serviceaccount", {"service_account": "robot"}, "service_account", "robot"),
    ):
        answer = client.put(f"/plans/{plan_id}/{path}", json=body)
        assert (answer.status_code, answer.json()[member]) == (200, value)
        assert answer.json() == client.get(f"/plans/{plan_id}").json()
    for _ in range(2):
        answer = client.delete(f"/plans/{plan_id}/serviceaccount")
        assert answer.status_code == 200
        assert "service_account" not in answer.json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("resources", None),
        ("resources", []),
        ("resources", {"set": ["cpu=1"]}),
        ("resources", {"set": {"cpu": "much"}}),
        ("resources", {"set": {"cpu": None}}),
        ("resources", {"unset": "cpu"}),
        ("annotations", {"add": ["k"]}),
        ("annotations", {"add": ["=v"]}),
        ("annotations", {"remove": [1]}),
        ("serviceaccount", {}),
        ("serviceaccount", {"service_account": ""}),
        ("serviceaccount", {"service_account": 1}),
    ],
)
def test_wrong_changes(client: httpx.Client, plan_id: str, path: str, body: object) -> None:
    """What cannot be read, or breaks a rule, is a 400 and changes nothing."""
    before = client.get(f"/plans/{plan_id}").json()
    answer = client.put(f"/plans/{plan_id}/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["reason"]
    assert client.get(f"/plans/{plan_id}").json() == before


def test_unknown_plans(client: httpx.Client) -> None:
    """They are not found, however they would be changed."""
    for method, path, body in (
        ("PUT", "resources", {}), ("PUT", "annotations", {}), ("PUT", "serviceaccount", {"service_account": "x"}),
        ("DELETE", "serviceaccount", None), ("PUT", "archive", None), ("DELETE", "archive", None),
    ):  # fmt: skip
        assert client.request(method, f"/plans/{MISSING}/{path}", json=body).status_code == 404


def test_the_archive(client: httpx.Client, plan_id: str) -> None:
    """It hides a Plan from lists that do not ask for it; the Plan says where it is."""
    assert client.put(f"/plans/{plan_id}/archive").json()["archived"] is True
    assert client.get("/plans?image=lab/x").json() == []
    assert client.get("/plans?image=lab/x&archived=false").json() == []
    (shown,) = client.get("/plans?image=lab/x&archived=true").json()
    assert shown == client.get(f"/plans/{plan_id}").json()
    assert client.put(f"/plans/{plan_id}/active").status_code == 409
    assert f"knit plan archive --undo {plan_id}" in client.post("/plans", json=PLAN).json()["advice"]
    assert "archived" not in client.delete(f"/plans/{plan_id}/archive").json()


def test_dry_runs(client: httpx.Client, plan_id: str) -> None:
    """The answer is 200 whatever it says of the Plan; only what is no JSON is a 400. Nothing is registered."""
    same = client.post("/plans?dry_run=true", json=PLAN)
    assert (same.status_code, same.json()["applicable"], same.json()["equivalent"]) == (200, False, plan_id)
    other = client.post("/plans?dry_run=1", json={**PLAN, "args": ["x"], "active": False}).json()
    assert list(other) == ["applicable", "valid", "runs", "plan"]
    assert other["runs"] == {"status": "deactivated", "count": 0, "fitting": {"/in": 0}, "first": []}
    assert next(iter(other["plan"])) == "image"
    for wrong in ({}, {"image": "x"}, {"image": "X@1"}, []):
        told = client.post("/plans?dry_run=true", json=wrong)
        assert (told.status_code, told.json()["valid"], bool(told.json()["reason"])) == (200, False, True)
    assert client.post("/plans?dry_run=true", content=b"{").status_code == 400
    assert client.post("/plans?dry_run=perhaps", json=PLAN).status_code == 400
    assert len(client.get("/plans?image=lab/x").json()) == 1


def test_the_schema(client: httpx.Client) -> None:
    """It is no Plan of that name."""
    for path in ("/plans/schema", "/plans/schema/"):
        assert client.get(path).json()["title"] == "Knit plan file"
