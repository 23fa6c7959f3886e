"""Mending and retrying, deleting, alone and with what was made from it: the real command on a real server."""

from __future__ import annotations

from pathlib import Path

from server import Server, clean, plan, refused, unstamped, until


def test_fail_mend_retry_and_clean_up(server: Server, case: str, source: Path) -> None:
    """A Run without its image fails, is retried with it, and is done; then its chain is redone, then all is deleted."""
    image = "mended/" + case.removeprefix("case:").replace("_", "-") + ":1"
    words = ["copy", "/in", "/out"]
    first = server.apply(plan(image, words, asks=case, gives=f"{case}-b", log=f"{case}-log"))["planId"]
    second = server.apply(plan("act:1", words, asks=f"{case}-b", gives=f"{case}-c"))["planId"]
    upload = server.push(source, case)["upstream"]["run"]["runId"]
    failed = server.run_of(first)
    run_id = failed["runId"]
    assert (failed["status"], failed["exit"]["code"]) == ("failed", 255)

    assert server.knit("image", "tag", "act:1", image).returncode == 0
    done = server.knit("run", "retry", run_id)
    assert (done.returncode, unstamped(clean(done))) == (0, [f"requested to retry Run: {run_id}"])
    mended = server.run_of(first, "done")
    assert (mended["runId"], mended["exit"]) == (run_id, {"code": 0, "message": ""})
    assert mended["outputs"][0]["knitId"] != failed["outputs"][0]["knitId"]
    after = server.run_of(second, "done")["runId"]

    refused(server.knit("run", "retry", run_id), f"cannot retry runId:{run_id}\n", f"Run {after} uses its outputs")
    refused(server.knit("run", "rm", upload), f"runId:{upload} cannot be deleted\n", "knit run rm --downstream")
    refused(server.knit("run", "retry", upload), "is an upload")
    listed = server.knit("run", "retry", "--downstream", run_id)
    assert (listed.returncode, [line.split()[0] for line in listed.stdout.splitlines()]) == (0, [after])
    assert server.run_of(second)["runId"] == after, "a list changes nothing"

    done = server.knit("run", "retry", "--downstream", "--yes", run_id)
    assert unstamped(clean(done)) == [f"deleted Run Id:{after}", f"requested to retry Run: {run_id}"]
    again = until("the chain is redone", lambda: server.get(f"/runs?plan={second}&status=done"))
    assert [each["runId"] for each in again] != [after]
    refused(server.knit("run", "show", after), "is not found")

    assert len(server.knit("run", "rm", "--downstream", upload).stdout.splitlines()) == 3
    done = server.knit("run", "rm", "--downstream", "--yes", upload)
    gone = [again[0]["runId"], run_id, upload]
    assert unstamped(clean(done)) == [f"deleted Run Id:{each}" for each in gone]
    for tag in ("", "-b", "-c", "-log"):
        assert server.data(case + tag) == []
    refused(server.knit("run", "rm", run_id), f"runId:{run_id} cannot be deleted\n", "there is no Run")


def test_rm_of_what_waits(server: Server, case: str, source: Path) -> None:
    """A deactivated Run is deleted at once, and its combination does not come back."""
    made = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-b", extra="active: false"))
    pushed = server.push(source, case)
    (run,) = server.get(f"/runs?plan={made['planId']}")
    assert run["status"] == "deactivated"
    done = server.knit("run", "rm", run["runId"])
    assert (done.returncode, unstamped(clean(done))) == (0, [f"deleted Run Id:{run['runId']}"])
    assert server.knit("plan", "active", "yes", made["planId"]).returncode == 0
    for words in (["--remove", case], ["--add", case]):
        assert server.knit("data", "tag", *words, pushed["knitId"]).returncode == 0
    assert server.get(f"/runs?plan={made['planId']}") == []
    assert server.ask("run", "show", run["runId"])["status"] == "invalidated"
