"""/plans/{planId}/retry and /timeout: set, changed, taken away, and told by the details alone."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

PLAN: dict[str, Any] = {
    "image": "lab/again:1", "inputs": [{"path": "/in", "tags": ["type:again"]}], "retry": {"tries": 3, "wait": "90s"},
    "timeout": "1.5h",
}  # fmt: skip


_numbers = itertools.count()


@pytest.fixture
def plan_id(client: httpx.Client) -> str:
    answer = client.post("/plans", json=PLAN | {"args": [str(next(_numbers))]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["planId"])


def operation(answer: httpx.Response) -> tuple[object, object]:
    assert answer.status_code == 200, answer.text
    return answer.json()["retry"], answer.json()["timeout"]


def test_the_details_tell(client: httpx.Client, plan_id: str) -> None:
    """A Plan is registered with both; Knitfab's shape knows neither, the details tell both, in normal form."""
    assert operation(client.get(f"/plans/{plan_id}/details")) == (
        {"tries": 3, "wait": "1m30s", "on": ["lost", "stuck"]},
        "1h30m",
    )
    assert not {"retry", "timeout"} & client.get(f"/plans/{plan_id}").json().keys()


def test_they_are_no_identity(client: httpx.Client) -> None:
    """A Plan that differs in nothing else is the same, also for a dry run."""
    plan_id = client.post("/plans", json=PLAN).json()["planId"]
    other = {**PLAN, "retry": None, "timeout": "5s"}
    assert client.post("/plans", json=other).status_code == 409
    assert client.post("/plans?dry_run=true", json=other).json()["equivalent"] == plan_id


def test_changes(client: httpx.Client, plan_id: str) -> None:
    """Each is set as a whole, or taken away, which may be repeated; the answers are the details."""
    here = f"/plans/{plan_id}"
    whole = {"tries": 5, "wait": "1s", "on": ["timeout", "exit:137", "exit:9"]}
    policy = {"tries": 5, "wait": "1s", "on": ["exit:9", "exit:137", "timeout"]}
    assert operation(client.put(f"{here}/retry", json=whole)) == (policy, "1h30m")
    answer = client.put(f"{here}/timeout", json={"timeout": "10m"})
    assert operation(answer) == (policy, "10m")
    assert answer.json() == client.get(f"{here}/details").json()
    least = {"tries": 2, "wait": "0s", "on": ["lost", "stuck"]}
    assert operation(client.put(f"{here}/retry/", json={"tries": 2, "wait": None, "on": None})) == (least, "10m")
    for _ in range(2):
        assert operation(client.delete(f"{here}/retry")) == (None, "10m")
    for _ in range(2):
        assert operation(client.delete(f"{here}/timeout")) == (None, None)


WRONG: list[tuple[str, object]] = [
    ("retry", None), ("retry", []), ("retry", {}), ("retry", {"tries": "3"}), ("retry", {"tries": True}),
    ("retry", {"tries": 0}), ("retry", {"tries": 2, "wait": 30}), ("retry", {"tries": 2, "wait": "soon"}),
    ("retry", {"tries": 2, "wait": "-1s"}), ("retry", {"tries": 2, "on": "exit"}), ("retry", {"tries": 2, "on": []}),
    ("retry", {"tries": 2, "on": ["oom"]}), ("timeout", {}), ("timeout", {"timeout": 600}),
    ("timeout", {"timeout": "-1h"}), ("timeout", {"timeout": "999ms"}), ("timeout", {"timeout": None}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), WRONG)
def test_wrong_changes(client: httpx.Client, plan_id: str, path: str, body: object) -> None:
    """What cannot be read, or breaks a rule, is a 400 and changes nothing."""
    before = client.get(f"/plans/{plan_id}/details").json()
    answer = client.put(f"/plans/{plan_id}/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["reason"]
    assert client.get(f"/plans/{plan_id}/details").json() == before


@pytest.mark.parametrize("member", [{"retry": {"tries": 0}}, {"retry": 3}, {"timeout": "0s"}, {"timeout": 5}])
def test_wrong_plans(client: httpx.Client, member: dict[str, object]) -> None:
    """A Plan with such a policy is refused, and a dry run says so."""
    wrong = {**PLAN, "image": "lab/wrong:1", **member}
    assert client.post("/plans", json=wrong).status_code == 400
    told = client.post("/plans?dry_run=true", json=wrong).json()
    assert (told["applicable"], told["valid"]) == (False, False)
    assert next(iter(member)) in told["reason"]


def test_unknown_plans(client: httpx.Client) -> None:
    """They are not found, however they would be changed."""
    for method, path, body in (
        ("PUT", "retry", {"tries": 2}), ("DELETE", "retry", None),
        ("PUT", "timeout", {"timeout": "1s"}), ("DELETE", "timeout", None),
    ):  # fmt: skip
        missing = "00000000-0000-0000-0000-000000000000"
        assert client.request(method, f"/plans/{missing}/{path}", json=body).status_code == 404
