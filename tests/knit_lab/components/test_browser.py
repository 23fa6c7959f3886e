"""The browser of Data without a browser: filters, pages, changes, the chosen Data and what can be done with it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from knit_lab.components import browsing, data_panel
from knit_lab.components.browser import DataBrowser
from knit_lab.components.browsing import Filter, Found
from knit_lab.components.data_panel import DataPanel
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import InvalidInput

PATIENCE = 60.0
HOSTILE = "x:<img src=x onerror=alert(1)>\"'\u202e\n" + "y" * 1000


async def until(look: Callable[[], Any]) -> None:
    """Let the loop go on until `look` is true."""
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110 - what is waited for happens in a thread, and in another process
            await asyncio.sleep(0.02)


@pytest.fixture
def browse(session: Session, case: str) -> Iterator[Callable[..., DataBrowser]]:
    """`browse()`: a browser of the Data of this test."""
    made: list[DataBrowser] = []

    def opened(*tags: str, **filters: Any) -> DataBrowser:
        made.append(DataBrowser(session, [case, *tags], **filters))
        return made[-1]

    yield opened
    for each in made:
        each.close()


@pytest.fixture
async def panel(session: Session) -> AsyncIterator[DataPanel]:
    """A panel, outside of a browser."""
    made = DataPanel(session)
    yield made
    await made.idle()
    made.close()


def texts(browser: DataBrowser, column: int) -> list[str]:
    """A column of the table."""
    return [row["cells"][column]["text"] for row in browser.table.rows]


class TestFilters:
    """What is asked for."""

    def test_all_filters(self, session: Session, browse: Callable[..., DataBrowser], case: str) -> None:
        """Tags, time, duration and state narrow the list, at once."""
        first = session.push({"a": "a"}, [case, "of:first"])
        second = session.push({"a": "b"}, [case])
        browser = browse()
        assert [row["id"] for row in browser.table.rows] == [second.id, first.id]
        browser.tags.add(["of:first"])
        assert [row["id"] for row in browser.table.rows] == [first.id]
        browser.tags.remove("of:first")
        browser.state.value = "not usable"
        assert browser.table.rows == []
        browser.state.value = "usable"
        browser.since.value = "2000-01-01"
        assert len(browser.table.rows) == 2
        browser.duration.value = "1h"
        assert browser.table.empty == "nothing fits these filters"
        browser.clear()
        assert browser.found.asked == Filter()
        assert first.id in [row["id"] for row in browser.table.rows]

    def test_wrong_filters_are_said(self, browse: Callable[..., DataBrowser], session: Session, case: str) -> None:
        """What is no time or duration is said, and the list stays; a duration needs a beginning."""
        session.push({"a": "a"}, [case])
        browser = browse()
        assert browser.duration.disabled
        browser.since.value = "yesterday"
        assert "2026-01-31" in browser.said
        assert len(browser.table.rows) == 1
        browser.since.value = "2000-01-01"
        assert not browser.duration.disabled
        browser.duration.value = "long"
        assert "not a duration" in browser.said
        with pytest.raises(InvalidInput, match="a duration without a beginning"):
            Filter(duration="1h").query()

    def test_without_a_kernel(self, session: Session, browse: Callable[..., DataBrowser], case: str) -> None:
        """A saved notebook shows the list, escaped."""
        data = session.push({"a": "a"}, [case, HOSTILE])
        forms = browse()._repr_mimebundle_()
        assert data.id[:8] in forms["text/plain"]
        assert "<table" in forms["text/html"]
        assert "<img" not in forms["text/html"]

    def test_empty(self, browse: Callable[..., DataBrowser]) -> None:
        """An empty list says so."""
        assert browse().table.empty == "nothing fits these filters"
        assert Found().words == "no Data yet: push some"


class TestPages:
    """Lists that are longer than a page."""

    def test_more(
        self, session: Session, browse: Callable[..., DataBrowser], case: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        """The newest are listed, more on demand, up to a bound; never more than are shown are fetched."""
        for number in range(5):
            session.push({"a": str(number)}, [case, f"n:{number}"])
        monkeypatch.setattr(browsing, "MOST", 3)
        browser = browse()
        browser.found = Found(asked=browser.found.asked, wanted=2)
        browser.refresh()
        assert browser.found.words == "the newest 2 Data; there are more"
        assert [browsing.tags_of(each)[1] for each in browser.found.rows] == ["n:4", "n:3"]
        assert browser._more.layout.display is None
        browser.more()
        assert browser.found.words == "the newest 3 Data; filter by tags or time to see others"
        assert browser._more.layout.display == "none"
        monkeypatch.setattr(browsing, "MOST", 100)
        browser.more()
        assert browser.found.words == "5 Data"

    def test_a_thousand_rows(self, session: Session) -> None:
        """A thousand Data are a thousand rows, made in no time."""
        from knit_lab.components.browser import _row

        detail: Any = {
            "knitId": "x" * 36, "tags": [HOSTILE, "knit#timestamp:2026-11-22T10:00:00+00:00"], "downstreams": [],
            "nomination": [], "upstream": {"run": {"plan": {"name": "knit#uploaded"}}, "log": {}},
        }  # fmt: skip
        rows = [_row(detail) for _ in range(1000)]
        assert len(rows) == 1000
        tags, made = rows[0]["cells"][1], rows[0]["cells"][4]
        assert "\n" not in tags["text"]
        assert "\u202e" not in tags["chips"][0]
        assert made["text"] == "uploaded (log)"


class TestChanges:
    """The change stream."""

    async def test_new_data_appear(self, session: Session, browse: Callable[..., DataBrowser], case: str) -> None:
        """What is pushed elsewhere appears by itself, and tags that change."""
        browser = browse()
        await browser.idle()
        assert browser.table.rows == []
        data = await asyncio.to_thread(session.push, {"a": "a"}, [case])
        await until(lambda: [row["id"] for row in browser.table.rows] == [data.id])
        browser.choose(data.id)
        await browser.idle()
        await asyncio.to_thread(data.tag, "new:tag")
        await until(lambda: "new:tag" in texts(browser, 1)[0])
        assert "new:tag" in browser.panel.tags.value

    async def test_runs_end(
        self, session: Session, browse: Callable[..., DataBrowser], case: str, upper: Callable[..., PlanDraft]
    ) -> None:  # fmt: skip
        """An output goes from being made to usable by itself."""
        made = case.replace("case:", "made:", 1)
        browser = DataBrowser(session, [made])
        await asyncio.to_thread(session.push, {"a.txt": "a"}, [case])
        await asyncio.to_thread(lambda: upper().apply())
        await until(lambda: texts(browser, 3) == ["✔ usable"])
        assert texts(browser, 4) == ["upper:1"]
        browser.close()

    def test_the_server_goes_away(self, browse: Callable[..., DataBrowser]) -> None:
        """That the server is away is said, and taken back when it answers again."""
        browser = browse()
        browser.changed([Event(id=None, kind="lost", data={})])
        assert "The server is away" in browser.said
        browser.changed([Event(id=None, kind="open", data={})])
        assert browser.said == ""

    def test_a_server_that_never_answers(self) -> None:
        """An error is said with its advice, in the widget."""
        away = Session.open(api_root="http://127.0.0.1:9/knit/api")
        browser = DataBrowser(away)
        assert "cannot connect to" in browser.said
        browser.close()
        away.close()


class TestPanel:
    """The chosen Data."""

    async def test_choose_and_look(self, session: Session, browse: Callable[..., DataBrowser], case: str) -> None:
        """A chosen row shows its card, files, nominations; a chosen file what is in it, and a link to save it."""
        data = session.push({"a.txt": "alpha", "sub/b.txt": "beta", "<b>\n.txt": "x"}, [case])
        browser = browse()
        await browser.idle()
        browser.table.chosen = data.id
        await browser.idle()
        panel = browser.panel
        assert browser.data == data
        assert data.id in panel._card.value
        assert "It fits no input of a Plan." in panel._uses.value
        assert [row["id"] for row in panel.names.rows] == ["<b>\n.txt", "a.txt", "sub/b.txt"]
        panel.names.chosen = "a.txt"
        await browser.idle()
        assert "alpha" in panel.view
        assert 'download="a.txt"' in panel._link.value
        panel.names.chosen = "<b>\n.txt"
        await browser.idle()
        assert "<b>" not in panel._link.value

    async def test_tags_are_edited_in_one_step(self, panel: DataPanel, session: Session, case: str) -> None:
        """Tags are added and removed together; until then they can be taken back; Knit's own stay."""
        data = session.push({"a": "a"}, [case, "old:tag"])
        panel.show(data.detail)
        assert panel._save.disabled
        panel.tags.remove("old:tag")
        panel.tags.add([HOSTILE])
        assert not panel._save.disabled
        panel._undo.click()
        assert set(panel.tags.value) == {case, "old:tag"}
        panel.tags.remove("old:tag")
        panel.tags.type("new:tag")
        panel.save_tags()
        await panel.idle()
        assert "Tags changed." in panel.said
        assert set(data.refresh().tags) == {case, "new:tag"}
        assert set(panel.tags.value) == {case, "new:tag"}

    async def test_edits_survive_changes(self, panel: DataPanel, session: Session, case: str) -> None:
        """What is being edited is not thrown away when the Data changes meanwhile."""
        data = session.push({"a": "a"}, [case])
        panel.show(data.detail)
        panel.tags.add(["mine:tag"])
        panel.show(data.tag("their:tag").detail)
        assert "mine:tag" in panel.tags.value

    async def test_nominations_and_runs(
        self, panel: DataPanel, session: Session, ran: Callable[..., Run]
    ) -> None:  # fmt: skip
        """The Runs that took it are listed, and the inputs that it fits."""
        run = ran({"a.txt": "alpha"})
        panel.show(next(iter(run.inputs.values())).refresh().detail)
        assert "Runs that took it" in panel._uses.value
        assert "Fits inputs of" in panel._uses.value
        assert "/in/raw" in panel._uses.value
        panel.why()
        await panel.idle()
        assert panel._more.value

    async def test_pull(self, panel: DataPanel, session: Session, case: str, tmp_path: Path) -> None:
        """It is downloaded into a new directory; one that is there already is refused."""
        data = session.push({"a.txt": "alpha"}, [case])
        panel.show(data.detail)
        await panel.idle()
        panel._dest.value = str(tmp_path / "here")
        panel.pull()
        await until(lambda: panel._work is None)
        assert "Pulled into" in panel.said
        assert (tmp_path / "here" / "a.txt").read_text() == "alpha"
        panel.pull()
        await until(lambda: panel._work is None)
        assert "exists" in panel.said

    async def test_pull_called_off(self, panel: DataPanel, session: Session, case: str, tmp_path: Path) -> None:
        """A pull that is called off leaves nothing."""
        data = session.push({"a.bin": b"x" * (8 << 20), "b.bin": b"y"}, [case])
        panel.show(data.detail)
        panel._dest.value = str(tmp_path / "here")
        panel.pull()
        panel.cancel()
        await until(lambda: panel._work is None)
        assert "Called off" in panel.said
        assert os.listdir(tmp_path) == []

    async def test_a_data_that_is_not_usable(self, panel: DataPanel, session: Session, ran: Callable[..., Run]) -> None:
        """What a failed Run left has no files to pull, and why is said."""
        run = ran({"fail": ""})
        (output,) = run.outputs.values()
        panel.show(output.refresh().detail)
        await panel.idle()
        assert panel._pull.disabled
        assert browsing.state_of(output.detail) == "failed"

    async def test_lineage(self, session: Session, browse: Callable[..., DataBrowser], case: str) -> None:
        """The lineage opens below, and closes with another choice."""
        data = session.push({"a": "a"}, [case])
        browser = browse()
        await browser.idle()
        browser.choose(data.id)
        browser.panel.explore()
        await until(lambda: len(browser._lineage.children) == 2)
        browser.choose(data.id)
        assert browser._lineage.children == ()

    async def test_many_files(
        self, panel: DataPanel, session: Session, case: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        """Of very many files the first are listed, and that is said."""
        monkeypatch.setattr(data_panel, "MOST_FILES", 2)
        panel.show(session.push({f"{number}": "x" for number in range(4)}, [case]).detail)
        await panel.idle()
        assert len(panel.names.rows) == 2
        assert "the first 2 of 4 files" in panel.said

    async def test_hostile_tags(self, panel: DataPanel, session: Session, case: str) -> None:
        """Hostile tags act nowhere."""
        panel.show(session.push({"a": "a"}, [case, HOSTILE]).detail)
        await panel.idle()
        for part in (panel._card, panel._uses, panel._link, panel._view):
            assert not re.search(r"<img", part.value)
