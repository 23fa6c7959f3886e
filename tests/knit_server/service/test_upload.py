"""Pushing and pulling: whole or not at all, tags and content together."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk

from knit_server.content import tarball
from knit_server.domain.errors import Conflict, InvalidInput, NotFound, NotUsable, OutOfSpace
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag
from knit_server.persistence import leases
from knit_server.persistence.runs import Lease
from knit_server.service import data, runs
from knit_server.service.context import Context
from knit_server.service.runs import RunQuery
from knit_server.testing import ManualClock, a_push, some_tags


class Broken(io.RawIOBase):
    """A stream that ends with an error after some bytes."""

    def __init__(self, content: bytes, error: BaseException) -> None:
        self._content, self._error = io.BytesIO(content), error

    def read(self, size: int = -1) -> bytes:
        if block := self._content.read(size):
            return block
        raise self._error


def only_run(ctx: Context) -> Status:
    (view,) = runs.find(ctx, RunQuery())
    return view.run.status


def test_push_and_pull(desk: Desk, ctx: Context, tmp_path: Path) -> None:
    """What is pulled is what was pushed: files, links, empty files (scenario 76)."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a.txt").write_text("a")
    (source / "empty").touch()
    (source / "link").symlink_to("sub/a.txt")
    pushed = data.upload(ctx, io.BytesIO(b"".join(tarball.pack_directory(source))), some_tags("a:1"))
    assert (pushed.producer.run.status, pushed.output.path) == (Status.DONE, "/upload")
    assert pushed == data.show(ctx, pushed.data.knit_id)
    pulled = data.download(ctx, pushed.data.knit_id)
    (tmp_path / "pulled").mkdir()
    tarball.extract(io.BytesIO(b"".join(pulled.chunks)), tmp_path / "pulled")
    assert sorted(str(path.relative_to(tmp_path / "pulled")) for path in (tmp_path / "pulled").rglob("*")) == [
        "empty", "link", "sub", "sub/a.txt",
    ]  # fmt: skip
    assert (tmp_path / "pulled" / "link").readlink() == Path("sub/a.txt")
    assert pushed.data.content is not None
    assert (pulled.content_id, pulled.size) == (pushed.data.content.content_id, 1)


def test_every_push_is_a_data(desk: Desk) -> None:
    """The same bytes twice are two Data of one content (scenario 77)."""
    first, second = (data.show(desk.ctx, desk.push("a:1", file="same")) for _ in "12")
    assert first.data.knit_id != second.data.knit_id
    assert first.data.content is not None
    assert second.data.content is not None
    assert first.data.content.bytes_id == second.data.content.bytes_id


def test_tags_come_with_the_data(desk: Desk) -> None:
    """No Plan sees a Data with a part of its tags: it has all of them from the moment it is usable."""
    fewer, all_, none = desk.apply({"/in": "a:1"}), desk.apply({"/in": "a:1 b:1"}), desk.apply({"/in": "c:1"})
    pushed = desk.push("a:1", "b:1")
    expected = [frozenset({("/in", pushed)})]
    assert [desk.combinations(plan) for plan in (fewer, all_, none)] == [expected, expected, []]


@pytest.mark.parametrize("tags", [(Tag("knit#id", "x"),), (Tag("a:b", "c"),), (Tag("a", "\0"),), (Tag("a", "\ud800"),)])
def test_bad_tags(ctx: Context, tmp_path: Path, tags: tuple[Tag, ...]) -> None:
    """System tags and texts that cannot be kept are refused before anything is read or made."""
    stream = a_push(tmp_path)
    with pytest.raises(InvalidInput):
        data.upload(ctx, stream, tags)
    assert (stream.tell(), runs.find(ctx, RunQuery())) == (0, [])


def no_gzip(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    return io.BytesIO(b"no archive at all")


def cut(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    return io.BytesIO(good[: len(good) // 2])


def climbing(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    return io.BytesIO(buffer.getvalue())


def gone(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    return Broken(good[:50], ConnectionResetError("client gone"))


def stopped(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    return Broken(good[:50], KeyboardInterrupt())


def full(good: bytes) -> io.BufferedIOBase | io.RawIOBase:
    return Broken(good[:50], OutOfSpace("the store is full"))


@pytest.mark.parametrize(
    ("breaking", "error"),
    [(no_gzip, InvalidInput), (cut, InvalidInput), (climbing, InvalidInput), (gone, ConnectionResetError),
     (stopped, KeyboardInterrupt), (full, OutOfSpace)],
)  # fmt: skip
def test_a_push_that_breaks_off(
    desk: Desk, tmp_path: Path, breaking: Callable[[bytes], io.RawIOBase], error: type[BaseException]
) -> None:
    """It leaves a failed Run with its reason, and a failed Data, untagged, that never matches and cannot be pulled.

    (scenario 78)
    """
    plan = desk.apply({"/in": "a:1"})
    with pytest.raises(error) as caught:
        data.upload(desk.ctx, breaking(a_push(tmp_path).getvalue()), some_tags("a:1"))  # type: ignore[arg-type]
    (failed,) = (view for view in runs.find(desk.ctx, RunQuery()))
    assert (failed.run.status, failed.run.exit and failed.run.exit.code) == (Status.FAILED, 255)
    assert failed.run.exit is not None
    assert failed.run.exit.message == getattr(caught.value, "reason", "the upload was cut off")
    (knit_id,) = desk.find("knit#transient:failed")
    view = data.show(desk.ctx, knit_id)
    assert (view.data.tags, view.data.content, view.data.timestamp) == ((), None, desk.ctx.now())
    with pytest.raises(NotUsable, match=rf"(?s)has no content: its Run {failed.run.run_id} is failed.*push it again"):
        data.download(desk.ctx, knit_id)
    desk.tag(knit_id, "a:1")
    assert desk.combinations(plan) == []
    assert desk.push("a:1") in dict(desk.combinations(plan)[0]).values()


def test_while_it_comes_in(desk: Desk, ctx: Context, tmp_path: Path) -> None:
    """A Data is there from the start, processing and without content, and a user may stop its Run."""
    seen = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            block = super().read(size)
            if not block and not seen:
                (knit_id,) = desk.find("knit#transient:processing")
                run = data.show(ctx, knit_id).producer.run
                with pytest.raises(NotUsable, match=rf"no content yet: its Run {run.run_id} is running"):
                    data.download(ctx, knit_id)
                with pytest.raises(Conflict, match="cannot be completed before all of it is here"):
                    runs.tearoff(ctx, run.run_id)
                seen.append(runs.abort(ctx, run.run_id).run.status)
            return block

    with pytest.raises(Conflict, match="it cannot become completing"):
        data.upload(ctx, Watched(a_push(tmp_path).getvalue()), some_tags("a:1"))
    assert seen == [Status.ABORTING]
    assert only_run(ctx) is Status.FAILED
    assert runs.find(ctx, RunQuery())[0].run.exit is not None
    assert runs.find(ctx, RunQuery())[0].run.exit.code == 253  # type: ignore[union-attr]


def test_a_slow_push_keeps_its_lease(ctx: Context, clock: ManualClock, tmp_path: Path) -> None:
    """While bytes come in nobody takes the upload over; one that stood still too long is told (scenarios 51, 74)."""

    class Slow(io.BytesIO):
        def __init__(self, content: bytes, pause: int) -> None:
            super().__init__(content)
            self.pause = pause

        def read(self, size: int | None = -1, /) -> bytes:
            clock.advance(self.pause)
            with ctx.db.write() as tx:
                if self.pause > ctx.limits.lease:
                    found = leases.available(tx, (Status.RUNNING,), ctx.now())
                    leases.inherit(tx, [run.run_id for run in found], Lease(owner="other", until=ctx.now() + 10**6))
            return super().read(100)

    content = a_push(tmp_path).getvalue()
    assert data.upload(ctx, Slow(content, ctx.limits.lease // 2)).producer.run.status is Status.DONE
    with pytest.raises(NotFound, match="the upload was given up"):
        data.upload(ctx, Slow(content, ctx.limits.lease * 2))


def test_nobody_there(ctx: Context) -> None:
    """What does not exist is not found, whatever is done with it."""
    for act in (data.show, data.download, data.details):
        with pytest.raises(NotFound, match="there is no Data ghost"):
            act(ctx, "ghost")
    with pytest.raises(NotFound):
        data.retag(ctx, "ghost", data.TagChange(remove=some_tags("a:1")))
