"""The home folder: modes, token, lock, profile, waking, and its failures in words."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from knit_server.domain.errors import Conflict, InvalidInput, OutOfSpace, Unavailable
from knit_server.service import home as homes
from knit_server.service.home import Home, locate

DEADLINE = 10.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "knit")
    made.prepare()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestWhere:
    def test_given_wins_over_environment_over_default(self, tmp_path: Path) -> None:
        """--home, else KNIT_HOME, else ~/.local/share/knit."""
        environ = {"KNIT_HOME": str(tmp_path / "env")}
        assert locate(str(tmp_path / "given"), environ) == tmp_path / "given"
        assert locate(None, environ) == tmp_path / "env"
        assert locate("", {"KNIT_HOME": ""}) == Path.home() / ".local/share/knit"

    def test_always_absolute(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A relative home is below the present directory, and `~` is the user's."""
        monkeypatch.chdir(tmp_path)
        assert locate("h/../k", {}) == tmp_path / "k"
        assert locate("~/k", {}) == Path.home() / "k"


class TestLayout:
    def test_private_from_the_start(self, home: Home) -> None:
        """Home and folders are 0700, whatever the umask."""
        for folder in [home.path, *(home.path / name for name in homes.FOLDERS)]:
            assert mode(folder) == 0o700

    def test_prepare_is_repeatable(self, home: Home) -> None:
        """A second start finds everything as it was and leaves no traces of looking."""
        (home.store / "pack").write_text("kept")
        before = sorted(home.path.rglob("*"))
        Home(home.path).prepare()
        assert sorted(home.path.rglob("*")) == before

    def test_parents_are_made(self, tmp_path: Path) -> None:
        """The first start on a fresh machine needs no mkdir."""
        Home(tmp_path / "a/b/c").prepare()
        assert (tmp_path / "a/b/c/store").is_dir()


class TestToken:
    def test_made_once(self, home: Home) -> None:
        """The token is private, long, and the same after a restart."""
        token = home.token()
        assert len(token) >= 32
        assert Home(home.path).token() == token
        assert mode(home.path / "token") == 0o600
        assert [path.name for path in home.path.glob("token*")] == ["token"]

    def test_one_token_when_many_start_at_once(self, home: Home) -> None:
        """Processes that start together agree on one token."""
        start, got = threading.Barrier(8), list[str]()

        def ask() -> None:
            start.wait()
            got.append(Home(home.path).token())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 8
        assert len(set(got)) == 1

    def test_new_token(self, home: Home) -> None:
        """A new token replaces the old one, for this user alone, and stays."""
        old = home.token()
        new = home.rotate_token()
        assert new != old
        assert home.token() == new
        assert mode(home.path / "token") == 0o600

    def test_open_token_is_closed(self, home: Home) -> None:
        """A token others may read is made private."""
        home.token()
        (home.path / "token").chmod(0o644)
        home.token()
        assert mode(home.path / "token") == 0o600

    @pytest.mark.parametrize("text", ["", "two words", "tok\u00e9n", "a\nb"])
    def test_nonsense_is_told(self, home: Home, text: str) -> None:
        """A broken token file is not taken for a token."""
        (home.path / "token").write_text(text)
        with pytest.raises(InvalidInput, match="holds no token"):
            home.token()


class TestLock:
    def test_one_holder(self, home: Home) -> None:
        """The second one is told pid and URL of the first."""
        first, second = home.lock(), home.lock()
        assert first.try_acquire()
        home.announce("http://127.0.0.1:8787/")
        assert not second.try_acquire()
        error = home.held_error()
        assert isinstance(error, Conflict)
        assert str(os.getpid()) in error.reason
        assert "http://127.0.0.1:8787/" in error.reason
        first.release()
        assert second.try_acquire()
        second.release()

    def test_url_of_a_predecessor_is_not_shown(self, home: Home) -> None:
        """Before the holder has said its URL, none is named."""
        home.server_file.write_text(json.dumps({"pid": 1, "url": "http://old/"}))
        lock = home.lock()
        assert lock.try_acquire()
        assert home.holder() == homes.Holder(pid=os.getpid(), url=None)
        assert "http" not in home.held_error().reason
        lock.release()

    def test_nothing_known_of_the_holder(self, home: Home) -> None:
        """Even without any trace of the holder the error is a sentence."""
        assert "another process" in home.held_error().reason

    def test_falls_free_when_the_process_dies(self, home: Home) -> None:
        """A killed holder leaves no stale lock, and who waits gets it."""
        code = (
            f"from knit_server.service.home import Home; import sys; l = Home({str(home.path)!r}).lock();"
            "print(l.try_acquire(), flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "True\n"
            lock, got = home.lock(), threading.Event()
            assert not lock.try_acquire()
            lock.when_free(got.set)
            holder.kill()
            assert got.wait(DEADLINE)
        assert lock.is_held
        assert home.holder().pid == os.getpid()
        lock.release()

    def test_who_gave_up_gets_nothing(self, home: Home) -> None:
        """A released waiter lets the lock go as soon as it is handed it."""
        first, waiter, called = home.lock(), home.lock(), threading.Event()
        assert first.try_acquire()
        waiter.when_free(called.set)
        waiter.release()
        first.release()
        last, got = home.lock(), threading.Event()
        last.when_free(got.set)
        assert got.wait(DEADLINE)
        assert not called.is_set()
        last.release()

    def test_children_do_not_hold_it(self, home: Home) -> None:
        """A program started by the holder does not keep the home locked."""
        lock = home.lock()
        assert lock.try_acquire()
        with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
            lock.release()
            assert home.lock().try_acquire()
            child.kill()


class TestProfile:
    def test_contents_and_mode(self, home: Home) -> None:
        """The profile has the keys of Knitfab and the token, and is private."""
        path = home.hand_out("http://127.0.0.1:8787/knit/api", token="T")
        assert path == home.path / "handout" / "knitprofile"
        assert json.loads(path.read_text()) == {
            "apiRoot": "http://127.0.0.1:8787/knit/api", "cert": {}, "token": "T",
        }  # fmt: skip
        assert mode(path) == 0o600
        home.hand_out("https://h/knit/api", token="T", ca="UEVN")
        assert json.loads(path.read_text())["cert"] == {"ca": "UEVN"}
        assert list(path.parent.iterdir()) == [path]

    def test_withdrawn(self, home: Home) -> None:
        """After `withdraw` nobody is sent to a server that is gone; doing it twice is fine."""
        home.hand_out("http://h/knit/api", token="T")
        home.announce("http://h/")
        home.withdraw()
        home.withdraw()
        assert not home.profile.exists()
        assert not home.server_file.exists()


class TestWake:
    def test_wakes(self, home: Home) -> None:
        """Each wake-up reaches the listener."""
        woken = threading.Semaphore(0)
        listener = home.listen(woken.release)
        assert listener is not None
        for _ in range(3):
            Home(home.path).wake_holder()
            assert woken.acquire(timeout=DEADLINE)
        listener.close()

    def test_nobody_listens(self, home: Home) -> None:
        """Waking nobody is no failure, before the first listener and after the last."""
        home.wake_holder()
        listener = home.listen(lambda: None)
        assert listener is not None
        listener.close()
        home.wake_holder()

    def test_flood(self, home: Home) -> None:
        """More wake-ups than the FIFO holds neither block nor fail, and the listener goes on."""
        go, calls = threading.Event(), threading.Semaphore(0)

        def slow() -> None:
            calls.release()
            go.wait(DEADLINE)

        listener = home.listen(slow)
        assert listener is not None
        for _ in range(70_000):
            home.wake_holder()
        go.set()
        assert calls.acquire(timeout=DEADLINE)
        listener.close()

    def test_long_path(self, tmp_path: Path) -> None:
        """A home deeper than a Unix socket's 108 bytes works like any other."""
        home = Home(tmp_path / ("d" * 200) / "knit")
        home.prepare()
        woken = threading.Event()
        listener = home.listen(woken.set)
        assert listener is not None
        home.wake_holder()
        assert woken.wait(DEADLINE)
        listener.close()

    def test_something_else_in_its_place(self, home: Home) -> None:
        """A plain file where the FIFO should be (a copied home) is replaced."""
        (home.path / "wake").write_text("copied")
        home.wake_holder()
        listener = home.listen(lambda: None)
        assert listener is not None
        listener.close()

    def test_no_fifo_possible(self, home: Home) -> None:
        """Where no FIFO can be made, nobody listens and nothing fails."""
        (home.path / "wake").mkdir()
        (home.path / "wake" / "x").write_text("")
        assert home.listen(lambda: None) is None
        home.wake_holder()


class TestFailures:
    def test_home_is_a_file(self, tmp_path: Path) -> None:
        """A file in the home's place is named."""
        (tmp_path / "file").write_text("")
        with pytest.raises(InvalidInput, match="file cannot be part of a home folder"):
            Home(tmp_path / "file").prepare()
        with pytest.raises(InvalidInput, match="cannot be part of a home folder"):
            Home(tmp_path / "file" / "below").prepare()

    def test_name_too_long(self, tmp_path: Path) -> None:
        """A name no file system takes is told, with what to do."""
        with pytest.raises(InvalidInput) as caught:
            Home(tmp_path / ("x" * 300)).prepare()
        assert "--home" in (caught.value.advice or "")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_not_writable(self, home: Home) -> None:
        """A read-only home is told before anything else fails."""
        home.uploads.chmod(0o500)
        with pytest.raises(InvalidInput, match="cannot be written"):
            home.prepare()
        home.uploads.chmod(0o700)

    def test_kernel_read_only(self) -> None:
        """Where even root may not write, the place is named."""
        with pytest.raises((InvalidInput, Unavailable), match="/proc/"):
            Home("/proc/knit").prepare()

    def test_no_space(self) -> None:
        """A full disk is OutOfSpace."""
        error = homes._as_knit_error(Path("/h"), OSError(errno.ENOSPC, "No space left on device", "/h/token"))
        assert isinstance(error, OutOfSpace)
        assert error.reason == "no space left for /h/token"

    def test_read_only(self) -> None:
        """A place that cannot be written is told, with another to choose."""
        error = homes._as_knit_error(Path("/h"), OSError(errno.EROFS, "Read-only file system", "/h/token"))
        assert isinstance(error, InvalidInput)
        assert error.reason == "/h/token cannot be written (Read-only file system)"

    def test_anything_else(self) -> None:
        """An unknown failure keeps its words."""
        error = homes._as_knit_error(Path("/h"), OSError(errno.EIO, "Input/output error"))
        assert isinstance(error, Unavailable)
        assert error.reason == "the home folder fails at /h: Input/output error"

    def test_lock_on_a_file_system_without_locks(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file system that cannot lock is told, not taken for a held lock."""

        def refuse(file: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(Unavailable, match="No locks available"):
            home.lock().try_acquire()


def test_presence(tmp_path: Path) -> None:
    """A process knows whether others use its home, as often as it asks, and as soon as they have gone."""
    home = Home(tmp_path / "home")
    home.prepare()
    mine = home.attend()
    assert mine.is_alone()
    others = [home.attend(), home.attend()]
    assert not mine.is_alone()
    others.pop().close()
    assert not mine.is_alone()
    assert not others[0].is_alone(), "asking has not cost this process its own mark"
    others.pop().close()
    assert mine.is_alone()
    mine.close()
