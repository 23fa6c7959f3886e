"""Plans after they are applied, through the real command: edited, archived, foreseen; files together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server import Server, plan, refused, unstamped


def documents(out: str) -> list[Any]:
    """The JSON documents on stdout, one after the other."""
    found, decoder = [], json.JSONDecoder()
    while out := out.lstrip():
        value, end = decoder.raw_decode(out)
        found.append(value)
        out = out[end:]
    return found


def test_a_plan_that_asks_for_too_much(server: Server, case: str, source: Path) -> None:
    """A Run that is held back begins when its Plan is told to ask for less; the output is what scripts know."""
    made = server.apply(
        plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out", extra="resources: {cpu: 5000}")
    )
    server.push(source, case)
    held = server.run_of(made["planId"], "ready")
    assert server.ask("run", "show", held["runId"])["status"] == "ready"
    done = server.knit("plan", "resource", made["planId"], "--set", "cpu=100m", "--unset", "memory")
    shown = json.loads(done.stdout)
    assert (done.returncode, unstamped(done.stderr)) == (0, [f"Plan:{made['planId']} is updated."])
    assert done.stdout == json.dumps(shown, indent=2)
    assert shown["resources"] == {"cpu": "100m"}
    assert server.run_of(made["planId"])["status"] == "done"
    refused(server.knit("plan", "resource", made["planId"], "--set", "cpu=much"), "cannot be updated", "not a quantity")


def test_annotations_and_service_account(server: Server, case: str) -> None:
    """They are edited and shown; the Plan stays the same Plan."""
    text = plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out")
    plan_id = server.apply(text)["planId"]
    shown = server.ask("plan", "annotate", plan_id, "--add", "b=2", "--add", "a=1=1", "--add", "b=1")
    assert shown["annotations"] == ["a=1=1", "b=1", "b=2"]
    shown = server.ask("plan", "annotate", plan_id, "--add", "b=3", "--remove-key", "b", "--remove", "c=4")
    assert shown["annotations"] == ["a=1=1", "b=3"]
    assert server.ask("plan", "serviceaccount", plan_id, "--set", "robot")["service_account"] == "robot"
    assert "service_account" not in server.ask("plan", "serviceaccount", plan_id, "--unset")
    (server.project / "again.yaml").write_text(text)
    refused(server.knit("plan", "apply", "again.yaml"), "409", plan_id)


def test_the_archive(server: Server, case: str, source: Path) -> None:
    """An archived Plan is hidden and makes nothing; applied again, it is offered; taken out, it makes up for it."""
    text = plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out")
    plan_id = server.apply(text)["planId"]
    shown = server.ask("plan", "archive", plan_id)
    assert (shown["archived"], shown["active"]) == (True, False)
    assert server.ask("plan", "find", "-i", case) == []
    assert [each["planId"] for each in server.ask("plan", "find", "-i", case, "--archived")] == [plan_id]
    server.push(source, case)
    assert server.ask("run", "find", "--planid", plan_id) == []
    (server.project / "again.yaml").write_text(text)
    refused(server.knit("plan", "apply", "again.yaml"), "409", f"knit plan archive --undo {plan_id}")
    refused(server.knit("plan", "active", "yes", plan_id), "archived", f"knit plan archive --undo {plan_id}")
    assert "archived" not in server.ask("plan", "archive", "--undo", plan_id)
    assert server.run_of(plan_id)["status"] == "done"


def test_foreseen_and_applied(server: Server, case: str, source: Path, here: Path) -> None:
    """What a dry run says comes true; plan files of a folder are applied together, and stdin is one."""
    (here / "plans").mkdir()
    texts = {
        "1.yaml": plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-1"),
        "2.yml": plan("act:1", ["copy", "/in", "/out"], asks=f"{case}-1", gives=f"{case}-2"),
    }
    for name, text in texts.items():
        (here / "plans" / name).write_text(text)
    pushed = server.push(source, case)["knitId"]
    before = len(server.get("/plans"))
    dry = server.knit("plan", "apply", "--dry-run", "plans", cwd=here)
    first, second = documents(dry.stdout)
    assert (dry.returncode, len(server.get("/plans"))) == (0, before)
    assert first["runs"] == {
        "status": "waiting", "count": 1, "fitting": {"/in": 1}, "first": [[{"path": "/in", "knitId": pushed}]],
    }  # fmt: skip
    assert second["runs"]["count"] == 0
    assert "planId" not in first["plan"]

    done = server.knit("plan", "apply", "plans", cwd=here)
    made = documents(done.stdout)
    assert (done.returncode, len(made)) == (0, 2)
    assert {name: value for name, value in made[0].items() if name != "planId"} == first["plan"]
    assert server.run_of(made[1]["planId"])["status"] == "done"

    again = server.knit("plan", "apply", "--dry-run", "-", cwd=here, input=texts["1.yaml"])
    told = json.loads(again.stdout)
    assert (again.returncode, told["applicable"], told["equivalent"]) == (1, False, made[0]["planId"])
    closing = plan("act:1", ["copy", "/in", "/out"], asks=f"{case}-2", gives=case)
    told = json.loads(server.knit("plan", "apply", "--dry-run", "-", input=closing).stdout)
    assert told["cycle"] == ["this Plan", made[0]["planId"], made[1]["planId"], "this Plan"]
    broken = server.knit("plan", "apply", "--dry-run", "-", input="image: Act@1\n")
    assert (broken.returncode, json.loads(broken.stdout)["valid"]) == (1, False)


def test_the_schema_is_served(server: Server) -> None:
    """Editors can take it from the server."""
    assert server.get("/plans/schema")["required"] == ["image", "inputs"]
