"""The engine: what it opens, who schedules, waking and taking over, and what is told when it cannot start."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from knit_server.domain.errors import Conflict, Damaged, InvalidInput, Unavailable
from knit_server.domain.tags import Tag
from knit_server.engine import Address, Engine, Settings
from knit_server.service import data, plans, runs
from knit_server.testing import a_plan, until

DEADLINE = 20.0
ADDRESS = Address(url="http://h/", api_root="http://h/knit/api", token="t")


def empty_tar() -> io.BytesIO:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w:gz").close()
    buffer.seek(0)
    return buffer


class TestOne:
    def test_opens_and_closes(self, tmp_path: Path) -> None:
        """Opened, it schedules; closed, the home is free and nothing points to it any more."""
        engine = Engine(Settings(home=tmp_path / "home"))
        context = engine.open(exclusive=True)
        assert engine.schedules
        engine.announce(ADDRESS)
        assert engine.home.profile.exists()
        made = data.upload(context, empty_tar(), [Tag("a", "b")])
        engine.close()
        assert not engine.home.profile.exists()
        assert not engine.home.server_file.exists()
        again = Engine(Settings(home=tmp_path / "home"))
        assert data.show(again.open(exclusive=True), made.data.knit_id).data == made.data
        again.close()

    def test_odd_home(self, tmp_path: Path) -> None:
        """Blanks, percent signs, question marks and letters of any script are fine in the name of a home."""
        engine = Engine(Settings(home=tmp_path / "a b?c%20d#é日"))
        engine.open()
        assert engine.home.database.exists()
        engine.close()

    def test_bounds(self, tmp_path: Path) -> None:
        """Runs get the part of the machine that was chosen."""
        engine = Engine(Settings(home=tmp_path / "home", max_cpu=0.5, max_memory=1 << 20))
        capacity = engine.open().executor.capacity()
        assert (capacity.cpu, capacity.memory) == (0.5, 1 << 20)
        engine.close()

    def test_stale_profile_is_removed_at_start(self, tmp_path: Path) -> None:
        """What a killed server left behind misleads nobody while the next one starts."""
        engine = Engine(Settings(home=tmp_path / "home"))
        engine.home.prepare()
        engine.home.hand_out("http://old/knit/api", token="t")
        engine.home.announce("http://old/")
        engine.open()
        assert not engine.home.profile.exists()
        engine.close()
        engine.close()


class TestTwo:
    def test_second_is_refused_if_it_must_be_alone(self, tmp_path: Path) -> None:
        """`exclusive` does not serve beside another."""
        first = Engine(Settings(home=tmp_path / "home"))
        first.open()
        first.announce(ADDRESS)
        with pytest.raises(Conflict, match="http://h/"):
            Engine(Settings(home=tmp_path / "home")).open(exclusive=True)
        assert first.home.profile.exists()
        first.close()

    def test_second_serves_beside_and_wakes_the_holder(self, tmp_path: Path) -> None:
        """What the second one commits is scheduled by the first at once, not at its next look a minute later."""
        first, second = Engine(Settings(home=tmp_path / "home")), Engine(Settings(home=tmp_path / "home"))
        holder, guest = first.open(), second.open()
        assert (first.schedules, second.schedules) == (True, False)
        assert (first.is_shared, second.is_shared) == (False, True)
        plans.apply(guest, a_plan("no:image", {"/in": ("a:b",)}))
        data.upload(guest, empty_tar(), [Tag("a", "b")])

        def failed() -> bool:
            found = runs.find(holder, runs.RunQuery())
            return any(view.run.status.value == "failed" for view in found)

        until(holder, failed, "the Run was never started")
        second.close()
        first.close()

    def test_second_takes_over(self, tmp_path: Path) -> None:
        """When the holder ends, the second schedules what is left and hands out its own profile."""
        took = threading.Event()
        first = Engine(Settings(home=tmp_path / "home"))
        first.open()
        second = Engine(Settings(home=tmp_path / "home"), on_take_over=took.set)
        second.open()
        second.announce(ADDRESS)
        assert not second.home.profile.exists()
        first.close()
        assert took.wait(DEADLINE)
        assert second.schedules
        assert second.home.profile.exists()
        second.close()

    def test_takes_over_from_the_dead(self, tmp_path: Path) -> None:
        """A holder that is killed is replaced as well."""
        code = (
            "import sys; from pathlib import Path; from knit_server.engine import Engine, Settings;"
            f"Engine(Settings(home=Path({str(tmp_path / 'home')!r}))).open();"
            "print('open', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            took = threading.Event()
            second = Engine(Settings(home=tmp_path / "home"), on_take_over=took.set)
            second.open()
            holder.kill()
            assert took.wait(DEADLINE)
        second.close()

    def test_scheduler_dies(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A scheduler that has died is told of, by the status for monitors and in the log."""

        class Death(BaseException):
            pass

        def die(name: str) -> None:
            raise Death(name)

        engine = Engine(Settings(home=tmp_path / "home"))
        ctx = engine.open()
        assert engine.status == "ok"
        assert engine._scheduler is not None
        engine._scheduler.checkpoint = die
        plans.apply(ctx, a_plan("no:image", {"/in": ("a:b",)}))
        data.upload(ctx, empty_tar(), [Tag("a", "b")])
        engine._scheduler._thread.join(DEADLINE)
        assert engine.status == "scheduler stopped"
        assert not engine.is_busy
        assert "the scheduler died" in caplog.text
        engine.close()

    def test_closed_while_waiting(self, tmp_path: Path) -> None:
        """One that was closed takes nothing over."""
        first, second = Engine(Settings(home=tmp_path / "home")), Engine(Settings(home=tmp_path / "home"))
        first.open()
        second.open()
        second.close()
        first.close()
        third = Engine(Settings(home=tmp_path / "home"))
        took = threading.Event()
        lock = third.home.lock()
        lock.when_free(took.set)
        assert took.wait(DEADLINE)
        assert not second.schedules
        lock.release()


class TestFailures:
    def test_damaged_database(self, tmp_path: Path) -> None:
        """A damaged database is told; the home is left free."""
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "knit.db").write_bytes(b"x" * 10_000)
        for _ in range(2):
            with pytest.raises(Damaged):
                Engine(Settings(home=tmp_path / "home")).open(exclusive=True)

    def test_unknown_database(self, tmp_path: Path) -> None:
        """A URL that names no database is an error in words."""
        with pytest.raises(Unavailable, match="cannot start"):
            Engine(Settings(home=tmp_path / "home", database_url="nonsense")).open()

    def test_home_that_cannot_be(self, tmp_path: Path) -> None:
        """A home that is a file is told."""
        (tmp_path / "home").write_text("")
        with pytest.raises(InvalidInput):
            Engine(Settings(home=tmp_path / "home")).open()

    def test_closed_before_it_was_open(self, tmp_path: Path) -> None:
        """A server that is stopped while it starts leaves nothing running."""
        engine = Engine(Settings(home=tmp_path / "home"))
        engine.close()
        with pytest.raises(Unavailable, match="stopped"):
            engine.open()
        assert engine.home.lock().try_acquire()
