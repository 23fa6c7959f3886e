"""The Run monitor without a browser: what it shows, what its buttons do, and that it stays true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from server import Server

from knit_lab.components import monitoring
from knit_lab.components.beside import Once
from knit_lab.components.monitor import PAGE, Monitor, bar
from knit_lab.components.run_panel import NAMED, possible, question
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.client.api import KnitClient
from knit_server.client.streams import Event
from knit_server.domain.errors import InvalidInput, NotFound

WAIT = 30.0
HOSTILE = "<script>alert(1)</script>\"' \N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 1000


async def until(what: str, look: Callable[[], Any]) -> Any:
    """Look again after each turn of the loop until there is something to see."""
    async with asyncio.timeout(WAIT):
        while not (found := look()):  # noqa: ASYNC110 - any trait of many widgets may be what changes
            await asyncio.sleep(0.02)
    assert found, what
    return found


async def closed(widget: Any) -> None:
    """Close a widget, and wait for what it has asked: the session is closed next."""
    widget.close()
    await widget.idle()


def rows(monitor: Monitor) -> dict[str, str]:
    """The ids and the status words of the rows that are shown."""
    return {each["id"]: each["cells"][0]["text"].split(" ", 1)[1] for each in monitor._grid.rows}


def labels(monitor: Monitor) -> list[str]:
    return [each.description for each in monitor._chip_row.children]


@pytest.fixture
async def monitor(session: Session, upper: Callable[..., Any]) -> AsyncIterator[Monitor]:
    """A monitor of the Plan of this test, which is there, but has no Runs yet."""
    plan = await asyncio.to_thread(lambda: upper().apply())
    made = Monitor(session, plan=plan.id)
    yield made
    await closed(made)


async def push(session: Session, case: str, *names: str) -> None:
    await asyncio.to_thread(session.push, {name: name.encode() for name in names}, [case])


async def chosen(monitor: Monitor, status: str) -> str:
    """Wait until a Run has `status`, choose it, and wait until the panel shows that; its id."""
    run_id = await until(status, lambda: next((key for key, word in rows(monitor).items() if word == status), None))
    monitor.choose(run_id)
    assert monitor._panel.run is not None
    return str(run_id)


async def test_a_run_appears_and_turns_green(monitor: Monitor, session: Session, case: str) -> None:
    """Without a question, a Run that is made appears, and shows its end with the exit code."""
    assert "No Run fits" in monitor._grid.empty
    await push(session, case, "a.txt")
    await until("done", lambda: list(rows(monitor).values()) == ["done"])
    await until("the exit code", lambda: monitor._grid.rows[0]["cells"][5]["text"] == "0")
    assert labels(monitor) == ["✔ done 1"]
    assert "1 done" in monitor._bar.value
    assert monitor._place.value == "1–1 of 1"


async def test_shows_card_and_log_of_the_chosen(monitor: Monitor, session: Session, case: str) -> None:
    """A chosen Run shows its card, its log, and what can be done about it."""
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    panel = monitor._panel
    assert run_id in panel._card.value
    await until("the log", lambda: "made a.txt" in panel.log_view.text)
    assert {name for name, button in panel._buttons.items() if not button.disabled} == {"retry", "delete"}
    panel.why()
    await until("why", lambda: run_id[:8] in panel._more.value)


async def test_stop_a_run_that_hangs(monitor: Monitor, session: Session, case: str) -> None:
    """A Run that goes on can be stopped; as failed, it turns red, and can be retried."""
    await push(session, case, "hang")
    run_id = await chosen(monitor, "running")
    assert not monitor._panel._buttons["stop"].disabled
    monitor._panel._buttons["fail"].click()
    await until("failed", lambda: rows(monitor) == {run_id: "failed"})
    await until("the panel follows", lambda: not monitor._panel._buttons["retry"].disabled)
    monitor._panel._buttons["retry"].click()
    await until("running again", lambda: rows(monitor) == {run_id: "running"})
    monitor._panel.stop()
    await until("what it made is kept", lambda: rows(monitor) == {run_id: "done"})


async def test_delete_asks_first(monitor: Monitor, session: Session, case: str) -> None:
    """Deleting tells what goes along and asks; No leaves all as it is, Yes takes the Run from the list."""
    await push(session, case, "a.txt")
    await chosen(monitor, "done")
    panel = monitor._panel
    for answer in (1, 0):
        panel._buttons["delete"].click()
        await until("a question", lambda: panel._question.children)
        assert "Nothing was made from it" in panel._question.children[0].value
        panel._question.children[1].children[answer].click()
        assert not panel._question.children
    await until("gone", lambda: not rows(monitor))
    assert "was deleted" in panel._said.value


async def test_retry_tells_what_was_made_from_it(
    monitor: Monitor, session: Session, case: str, upper: Callable[..., Any]
) -> None:
    """A Run whose Data were taken is retried only after the Runs that this deletes were named."""
    made = case.replace("case:", "made:", 1)
    after = upper(inputs={"/in/raw": made}, outputs={"/out/made": f"{made}-2"})
    plan = await asyncio.to_thread(after.apply)
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    later = await asyncio.to_thread(lambda: session.runs.find(plan=plan).latest.wait())
    monitor._panel.ask_retry()
    await until("a question", lambda: monitor._panel._question.children)
    assert later.id[:8] in monitor._panel._question.children[0].value
    monitor._panel.retry(downstream=True)
    await monitor.idle()
    assert later.id not in [each.id for each in session.runs.find()]
    assert rows(monitor).keys() == {run_id}


async def test_a_run_that_others_delete(monitor: Monitor, session: Session, case: str) -> None:
    """When somebody else deletes the chosen Run, the panel says so."""
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    await asyncio.to_thread(session.client.delete_run, run_id)
    await until("said", lambda: "was deleted" in monitor._panel._said.value)
    assert monitor._panel.run is None
    await until("drawn", lambda: not rows(monitor))


async def test_a_run_that_is_filtered_out_is_not_deleted(monitor: Monitor, session: Session, case: str) -> None:
    """The chosen Run stays beside the table when a filter takes it from there."""
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    monitor.filter(since="2100-01-01")
    await until("filtered", lambda: not rows(monitor) and not monitor._said.value)
    assert monitor._panel.run is not None
    assert monitor._panel.run["runId"] == run_id
    assert "deleted" not in monitor._panel._said.value


async def test_more_runs_than_are_kept(
    monitor: Monitor, session: Session, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more Runs than are kept, a status is asked of the server; without it, the newest ones are back."""
    monkeypatch.setattr(monitoring, "MOST", 2)
    await push(session, case, "a.txt", "fail")
    await until("failed", lambda: list(rows(monitor).values()) == ["failed"])
    for name in ("b.txt", "c.txt"):
        await push(session, case, name)
    await until("two are kept", lambda: list(rows(monitor).values()) == ["done", "done"])
    assert monitor._place.value == "1–2 of 2+"
    monitor.only(["failed"])
    await until("asked", lambda: list(rows(monitor).values()) == ["failed"])
    monitor.only([])
    await until("back", lambda: list(rows(monitor).values()) == ["done", "done"])


async def test_lineage_of_the_chosen(monitor: Monitor, session: Session, case: str) -> None:
    """The lineage is drawn below the panel, and taken away by the same button."""
    await push(session, case, "a.txt")
    await chosen(monitor, "done")
    monitor._panel.lineage()
    await until("a graph", lambda: monitor._panel._drawn.children)
    monitor._panel.lineage()
    assert not monitor._panel._drawn.children


async def test_filters_by_status_and_by_what_is_written(monitor: Monitor, session: Session, case: str) -> None:
    """Chips choose statuses; fields ask the server; what cannot be understood is said and keeps what is shown."""
    await push(session, case, "a.txt")
    await push(session, case, "b.txt", "fail")
    await until("both ended", lambda: sorted(rows(monitor).values()) == ["done", "failed"])
    monitor._chips["failed"].value = True
    assert list(rows(monitor).values()) == ["failed"]
    assert set(labels(monitor)) == {"✔ done 1", "✖ failed 1"}
    monitor._chips["failed"].value = False
    monitor.filter(since="not a time")
    await monitor.idle()
    assert "alert" in monitor._said.value
    assert len(rows(monitor)) == 2
    monitor.filter(since="", duration="1h")
    await monitor.idle()
    assert "a duration needs a beginning" in monitor._said.value
    monitor.filter(duration="", input=case)
    await until("asked", lambda: not monitor._said.value)
    assert len(rows(monitor)) == 2
    monitor.filter(input="case:nobody-has-this")
    await until("said", lambda: "there is no Data with the tag" in monitor._said.value)
    monitor.filter(input="", plan="nobody/has:this")
    await until("said", lambda: "there is no Plan of the image" in monitor._said.value)
    monitor.clear_filters()
    await until("all", lambda: monitor.watch.query.is_open and len(monitor.watch) >= 2)


async def test_filter_by_image(session: Session, monitor: Monitor, case: str) -> None:
    """A Plan may be named by its image."""
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    monitor.filter(plan="upper:1")
    await until("found", lambda: not monitor._said.value and run_id in monitor.watch)


async def test_refuses_unknown_statuses_and_plans(session: Session) -> None:
    """A filter that nothing can fit is an error at once."""
    with pytest.raises(InvalidInput, match="no such status: gone"):
        Monitor(session, statuses=["gone"])
    with pytest.raises(NotFound):
        Monitor(session, plan="abcdef01")


async def test_recovers_after_the_server_was_away(tmp_path: Path) -> None:
    """When the server goes, the monitor says so; when it is back, it shows what is there."""
    server = Server(tmp_path)
    server.start()
    port = server.profile["apiRoot"].split(":")[2].split("/")[0]
    opened = Session(KnitClient(server.profile["apiRoot"], server.profile["token"]), cache=tmp_path / "cache")
    monitor = Monitor(opened)
    try:
        await until("standing", lambda: monitor.is_away is False and not monitor._asks)
        await asyncio.to_thread(server.stop)
        await until("away", lambda: "the server is away" in monitor._said.value)
        server.flags = ("--port", port)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(opened.push, {"a.txt": b"a"}, ["back:1"])
        await until("back", lambda: list(rows(monitor).values()) == ["done"])
        assert monitor._said.value == ""
    finally:
        await closed(monitor)
        opened.close()
        await asyncio.to_thread(server.stop)


def shape(at: int, status: str = "done", **plan: str) -> Any:
    when = f"2026-11-22T10:{at // 60 % 60:02}:{at % 60:02}.000+00:00"
    made = {"runId": f"run-{at:05}", "status": status, "updatedAt": when, "inputs": [], "outputs": [], "log": None}
    return made | {"plan": {"planId": "plan", "image": "image:1", **plan}}


async def test_pages_of_many_runs(monitor: Monitor) -> None:
    """A thousand Runs are shown page by page, the newest first."""
    monitor.watch.replace([shape(at) for at in range(999, -1, -1)], is_cut=False)
    monitor.draw()
    assert monitor._place.value == f"1–{PAGE} of 1,000"
    assert monitor._grid.rows[0]["id"] == "run-00999"
    assert monitor._newer.disabled
    monitor.turn(1)
    assert monitor._grid.rows[0]["id"] == f"run-{999 - PAGE:05}"
    monitor.turn(10_000)
    assert monitor._older.disabled
    assert len(monitor._grid.rows) == 1000 % PAGE or PAGE


async def test_two_hundred_changes_are_drawn_once(monitor: Monitor) -> None:
    """A flood of changes gives few messages to the page: rows change together."""
    monitor.watch.replace([shape(at, "waiting") for at in range(200)], is_cut=False)
    monitor.draw()
    drawn: list[Any] = []
    monitor._grid.observe(drawn.append, "rows")
    for at in range(200):
        data = {"runId": f"run-{at:05}", "status": "running", "planId": "plan", "at": "2026-11-22T11:00:00.000+00:00"}
        monitor.changed([Event(id=at, kind="run", data=data)])
    await until("drawn", lambda: monitor.watch.counts == {"running": 200} and drawn)
    assert len(drawn) <= 2


async def test_hostile_words_stay_text(monitor: Monitor) -> None:
    """Names that look like markup reach the page escaped, or as text that no page reads as markup."""
    monitor.watch.replace([shape(1, image=HOSTILE)], is_cut=False)
    monitor.draw()
    monitor.choose("run-00001")
    assert monitor._grid.rows[0]["cells"][2]["text"] == HOSTILE
    for shown in (monitor._panel._card.value, monitor.as_html(), question("Delete", [shape(1, image=HOSTILE)])):
        assert "<script" not in shown
        assert "&lt;script" in shown


async def test_still_shows_without_a_kernel(monitor: Monitor, session: Session, case: str) -> None:
    """A saved notebook has the table as HTML and a line of text."""
    await push(session, case, "a.txt")
    run_id = await chosen(monitor, "done")
    bundle = monitor._repr_mimebundle_()
    assert run_id[:8] in bundle["text/html"]
    assert bundle["text/plain"] == "Monitor of 1 Runs"
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize(
    ("status", "can"),
    [
        ("waiting", {"fail", "delete"}), ("deactivated", {"fail", "delete"}), ("ready", {"stop", "fail"}),
        ("starting", {"stop", "fail"}), ("running", {"stop", "fail"}), ("completing", set()), ("aborting", set()),
        ("done", {"retry", "delete"}), ("failed", {"retry", "delete"}),
    ],
)  # fmt: skip
def test_what_can_be_done(status: str, can: set[str]) -> None:
    """Buttons are those that the server would not refuse; an upload has no program to run again or to complete."""
    assert possible(shape(1, status)) == can
    upload = shape(1, status)
    upload["plan"] = {"planId": "plan", "name": "knit#uploaded"}
    assert possible(upload) == can - {"retry", "stop"}


def test_names_some_and_counts_the_others() -> None:
    """A question names a few Runs, however many there are."""
    told = question("Try it again", [shape(at) for at in range(NAMED + 30)])
    assert told.count("<li>") == NAMED + 1
    assert "and 30 more" in told
    assert "1 Run that was made" in question("Try it again", [shape(1)])


def test_the_bar_has_words() -> None:
    """The bar says in words what it shows in colours."""
    assert 'aria-label="2 done, 1 failed"' in bar({"done": 2, "failed": 1})
    assert "no Runs" in bar({})


async def test_often_asked_is_done_once() -> None:
    """However often it is asked, it is done once, and later when asked again; dropped, not at all."""
    told: list[int] = []
    once = Once(lambda: told.append(1), 0.01)
    for _ in range(100):
        once.ask()
    await until("done", lambda: told)
    once.ask()
    once.drop()
    await asyncio.sleep(0)
    assert told == [1]


async def test_conveniences(here: Session, ran: Callable[..., Run]) -> None:
    """`knit.monitor`, `plan.monitor()` and `run.follow()` open the same widgets."""
    import knit_lab as knit

    run = await asyncio.to_thread(ran, {"a.txt": b"alpha"})
    opened = knit.monitor(run.plan, status="done", input=run.inputs["/in/raw"], since="2020-01-01")
    assert rows(opened) == {run.id: "done"}
    await closed(opened)
    opened = run.plan.monitor()
    assert rows(opened) == {run.id: "done"}
    await closed(opened)
    panel = run.follow()
    assert run.id in panel._card.value
    await until("the log", lambda: "made a.txt" in panel.log_view.text)
    await closed(panel)
