"""The push form without a browser: its stages, both ways of a push, what goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from knit_lab.components import uploads as uploading
from knit_lab.components.picker import UP, Picker, listed
from knit_lab.components.push_form import HERE, THERE, PushForm, Stage
from knit_lab.components.working import CalledOff, Work
from knit_lab.objects.drafts import PlanDraft
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, KnitError

PATIENCE = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with something in it."""
    made = tmp_path / "things"
    (made / "sub").mkdir(parents=True)
    (made / "a.txt").write_text("alpha")
    (made / "sub" / "b.txt").write_text("beta")
    (made / ".hidden").write_text("")
    return made


@pytest.fixture
def form(session: Session, folder: Path, case: str) -> Iterator[PushForm]:
    """A form that begins at `folder`, with the tag `case`."""
    made = PushForm(session, folder, [case])
    yield made
    made.close()


async def until(look: Callable[[], Any]) -> None:
    """Let the loop go on until `look` is true."""
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110 - what is waited for happens in a thread, and in another process
            await asyncio.sleep(0.02)


class TestPicker:
    """The list of files on the machine of the kernel."""

    def test_directories_come_first_and_hidden_names_when_wanted(self, folder: Path) -> None:
        """Directories stand before files, with sizes; names with a dot are shown on demand."""
        picker = Picker(folder)
        assert [each.name for each in picker.names] == ["sub", "a.txt"]
        assert picker._list.options == (UP, "▸ sub/", "· a.txt   5 B")
        picker._hidden.value = True
        assert [each.name for each in picker.names] == ["sub", ".hidden", "a.txt"]

    def test_choose_enter_up(self, folder: Path) -> None:
        """A choice in the list is the path; enter goes into a directory, and up out of it."""
        picker = Picker(folder)
        picker._list.index = 1
        assert picker.path == folder / "sub"
        picker.enter()
        assert [each.name for each in picker.names] == ["b.txt"]
        picker._list.index = 0
        picker.enter()
        assert picker.path == folder
        picker.choose("a.txt")
        picker.enter()
        assert picker.path == folder / "a.txt"

    def test_what_is_not_there_changes_nothing(self, folder: Path) -> None:
        """A wrong path is said, with what to do; what was chosen stays."""
        picker = Picker(folder)
        picker.go("nowhere/at/all")
        assert "there is no" in picker.said
        assert picker.path == folder

    def test_a_directory_that_cannot_be_read(self, folder: Path) -> None:
        """What cannot be listed is an error with advice."""
        with pytest.raises(InvalidInput, match=r"cannot list .*: Not a directory"):
            listed(folder / "a.txt")

    def test_hostile_names(self, folder: Path) -> None:
        """Names with line breaks and marks of direction are one line of the list, and can be chosen."""
        name = "<img src=x onerror=alert(1)>\n\u202e.txt"
        (folder / name).write_text("x")
        picker = Picker(folder)
        (shown,) = [each for each in picker._list.options if "img" in each]
        assert shown.isprintable()
        picker.choose(name)
        assert picker.path == folder / name


class TestWork:
    """Work beside the loop."""

    async def test_called_off(self) -> None:
        """Work that is called off ends at its next word, with `CalledOff`, on the loop."""
        ended: list[object] = []
        work = Work(_endless, told=lambda done, name: None, done=ended.append, failed=ended.append)
        work.call_off()
        await until(lambda: ended)
        assert isinstance(ended[0], CalledOff)

    async def test_a_defect_is_told(self) -> None:
        """Not even a defect ends in silence."""
        ended: list[Any] = []
        Work(lambda tell: 1 // 0, told=lambda done, name: None, done=ended.append, failed=ended.append)
        await until(lambda: ended)
        assert "it failed: integer division" in ended[0].reason


def _endless(tell: Callable[[int, str], None]) -> None:
    while True:
        tell(0, "")


class TestFromHere:
    """A push of a path on the kernel's machine."""

    async def test_push_a_directory(self, form: PushForm, session: Session, case: str) -> None:
        """Push makes a Data with the tags, the one that is still in the field, and the name; its card is shown."""
        form.tags.type("type:raw")
        form.name.value = "things"
        form.push()
        assert form.stage is Stage.PUSHING
        assert form._push.disabled
        await until(lambda: form.stage is not Stage.PUSHING)
        assert form.stage is Stage.DONE, form.said
        assert form.data is not None
        assert form.data.tags == tuple(sorted([case, "name:things", "type:raw"]))
        assert [each["path"] for each in form.data.files if each["kind"] == "file"] == [".hidden", "a.txt", "sub/b.txt"]
        assert form.data.id in form.result
        assert "No Plan has taken it yet." in form.result

    def test_without_a_loop(self, form: PushForm) -> None:
        """Outside a kernel the same happens, in the thread of the push."""
        form.push()
        form.join(PATIENCE)
        assert form.stage is Stage.DONE, form.said

    async def test_runs_that_it_triggers_appear(
        self, session: Session, folder: Path, case: str, upper: Callable[..., PlanDraft]
    ) -> None:  # fmt: skip
        """Runs that take the new Data are shown by themselves, up to their end."""
        upper().apply()
        form = PushForm(session, folder / "a.txt", [case])
        form.push()
        await until(lambda: "Runs that took it" in form.result and "✔ done" in form.result.split("Runs that")[1])
        form.close()

    @pytest.mark.parametrize("path", ["/", "empty"])
    async def test_what_cannot_be_pushed(self, session: Session, tmp_path: Path, path: str) -> None:
        """An empty directory, or all of the machine, is refused with a word of advice."""
        (tmp_path / "empty").mkdir()
        form = PushForm(session, tmp_path / path)
        form.push()
        await until(lambda: form.stage is Stage.FAILED)
        assert ("the whole file system cannot be one Data" if path == "/" else "is empty") in form.said
        assert not form._push.disabled
        form.close()

    def test_a_wrong_tag_stops_the_push(self, form: PushForm) -> None:
        """What is in the field and is no tag is said, and nothing is pushed; so is a name that is none."""
        form.tags.type("nonsense")
        form.push()
        assert form.stage is Stage.READY
        form.tags.type("")
        form.name.value = "a\0"
        form.push()
        assert form.stage is Stage.FAILED
        assert "NUL" in form.said

    async def test_cancel(self, form: PushForm, session: Session, folder: Path, case: str) -> None:
        """A push that is called off leaves no Data, and the form is ready for another."""
        with (folder / "big.bin").open("wb") as file:
            file.truncate(4 << 30)
        form.push()
        await until(lambda: "Pushed" in form.progress)
        form.cancel()
        await until(lambda: form.stage is Stage.CANCELLED)
        assert "Called off" in form.said
        assert not session.find(case)

    async def test_server_away(self, folder: Path) -> None:
        """A server that does not answer is said, with what to do."""
        away = Session.open(api_root="http://127.0.0.1:9/knit/api")
        form = PushForm(away, folder)
        form.push()
        await until(lambda: form.stage is Stage.FAILED)
        assert "cannot connect to" in form.said
        form.close()
        away.close()


def archive(**files: bytes) -> bytes:
    """A tar.gz as the browser packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue())


class Browser:
    """Plays the part of uploads.js: hears what it is told, and answers."""

    def __init__(self, form: PushForm) -> None:
        self.form = form
        self.heard: list[dict[str, Any]] = []
        form.source.value = THERE
        form.uploads.send = lambda content, buffers=None: self.heard.append(content)  # the comm's end

    def say(self, *buffers: bytes, **content: Any) -> None:
        """Send a message to the kernel."""
        self.form.uploads._handle_custom_msg(content, list(buffers))

    def choose(self, count: int = 1) -> None:
        """Choose files."""
        self.say(kind="chosen", count=count, bytes=2048, names=["a.txt"])


class TestFromTheBrowser:
    """A push of files that the browser sends."""

    async def test_by_http(self, form: PushForm, session: Session, case: str) -> None:
        """The browser is told the tags, tells how far it is, and the id; the rest is as for a path."""
        browser = Browser(form)
        assert form._push.disabled
        browser.choose()
        assert "1 files, 2.0 KiB" in form.progress
        form.push()
        assert browser.heard == [{"kind": "start", "tags": [case], "turn": 1}]
        assert form.uploads.server.startswith("/")
        browser.say(kind="progress", phase="sending", done=1024, total=2048)
        assert "Sent 1.0 KiB of 2.0 KiB (50 %)" in form.progress
        browser.say(kind="done", turn=1, knitId=session.push({"a": "a"}, [case]).id)
        assert form.stage is Stage.DONE

    async def test_another_server_than_the_pages(self, form: PushForm) -> None:
        """An id that this Knit does not know is no success."""
        browser = Browser(form)
        browser.choose()
        form.push()
        browser.say(kind="done", turn=1, knitId="0" * 36)
        assert form.stage is Stage.FAILED
        assert "data not found" in form.said

    async def test_a_refusal(self, form: PushForm) -> None:
        """What the server refuses is said, escaped, with its advice."""
        browser = Browser(form)
        browser.choose()
        form.push()
        browser.say(kind="failed", turn=1, reason="<b>no</b>", advice="Try <i>again</i>.")
        assert form.stage is Stage.FAILED
        assert "&lt;b&gt;no" in form.said
        assert "&lt;i&gt;again" in form.said

    async def test_cancel(self, form: PushForm) -> None:
        """Calling it off is told to the browser; what that says later of the same upload is not heard."""
        browser = Browser(form)
        browser.choose()
        form.push()
        form.cancel()
        assert form.stage is Stage.CANCELLED
        assert {"kind": "cancel"} in browser.heard
        browser.say(kind="failed", turn=1, reason="late")
        assert form.stage is Stage.CANCELLED

    async def test_nothing_chosen(self, form: PushForm) -> None:
        """Without files there is nothing to push."""
        Browser(form)
        form.push()
        assert "no files are chosen" in form.said

    async def test_tags_that_no_url_holds(self, form: PushForm) -> None:
        """Tags that are too long for a URL are refused before anything is sent."""
        browser = Browser(form)
        browser.choose()
        form.tags.add(["long:" + "x" * 40_000])
        form.push()
        assert "these tags are too long to be sent with files" in form.said
        assert browser.heard == []

    async def test_through_the_kernel(self, form: PushForm, case: str) -> None:
        """Where the page cannot reach the server, the archive comes in parts, one after the other."""
        browser = Browser(form)
        browser.choose()
        form.push()
        packed = archive(**{"a.txt": b"alpha", "sub/b.txt": os.urandom(3000)})
        half = len(packed) // 2
        browser.say(packed[:half], kind="part", at=0, last=False)
        assert browser.heard[-1] == {"kind": "next"}
        browser.say(packed[half:], kind="part", at=half, last=True)
        await until(lambda: form.stage is Stage.DONE)
        assert form.data is not None
        assert [each["path"] for each in form.data.files if each["kind"] == "file"] == ["a.txt", "sub/b.txt"]
        assert form.data.tags == (case,)

    @pytest.mark.parametrize(
        ("packed", "said"), [(b"no archive", "no sound gzip"), (archive(), "")], ids=["junk", "whole"]
    )
    async def test_a_broken_archive(self, form: PushForm, packed: bytes, said: str) -> None:
        """An archive that is none, or an empty one, is refused."""
        browser = Browser(form)
        browser.choose()
        form.push()
        browser.say(packed, kind="part", at=0, last=True)
        await until(lambda: form.stage is Stage.FAILED)
        assert said in form.said

    async def test_parts_that_do_not_follow(self, form: PushForm, monkeypatch: pytest.MonkeyPatch) -> None:
        """A part that is missing, or more than the way takes, ends it."""
        browser = Browser(form)
        browser.choose()
        form.push()
        browser.say(b"x", kind="part", at=7, last=False)
        assert "the upload through the kernel broke off" in form.said
        monkeypatch.setattr(uploading, "MOST_THROUGH_KERNEL", 3)
        form.push()
        browser.say(b"four", kind="part", at=0, last=False)
        assert form.stage is Stage.FAILED

    async def test_no_room(self, form: PushForm, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full disk is said."""
        browser = Browser(form)
        browser.choose()
        form.push()
        monkeypatch.setattr(uploading.tempfile, "TemporaryFile", lambda **options: _Full())
        browser.say(b"x", kind="part", at=0, last=False)
        assert "cannot keep the upload: No space left on device" in form.said


class _Full(io.BytesIO):
    def write(self, data: object, /) -> int:
        raise OSError(28, "No space left on device")


def test_only_the_source_in_use_is_shown(form: PushForm) -> None:
    """The form shows the list of files or the buttons of the upload, never both."""
    assert (form.picker.layout.display, form.uploads.layout.display) == (None, "none")
    form.source.value = THERE
    assert (form.picker.layout.display, form.uploads.layout.display) == ("none", None)
    form.source.value = HERE
    assert form.picker.layout.display is None


def test_without_a_kernel(form: PushForm) -> None:
    """A saved notebook shows what was pushed."""
    assert form._repr_mimebundle_()["text/plain"] == "Push form: nothing pushed yet"
    form.push()
    form.join(PATIENCE)
    assert form.data is not None
    forms = form._repr_mimebundle_()
    assert form.data.id in forms["text/html"]
    assert form.data.id in forms["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in forms


def test_errors_are_knits_own() -> None:
    """What a broken upload raises is an error for people."""
    assert issubclass(uploading.OutOfSpace, KnitError)
