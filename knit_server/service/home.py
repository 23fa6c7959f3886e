"""The home folder of one Knit on one machine: what lies where, who holds it, and how others reach the holder.

    knit.db       records            token          the API's token (0600)
    store/        packs, manifests   server.json    pid and URL of the holder
    trees/        materialised Data  handout/       the profile for `knit init`
    images/       local images       lock           held by the one process that schedules
    runs/         folders of Runs    wake           a FIFO: a byte wakes the holder
    uploads/      bodies on the way  present        locked, shared, by each process that uses the home
    jupyter/      what Jupyter server wants to write somewhere

Standard library only. Every failure of the file system is told as a `KnitError` that names the path.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import select
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from knit_server.domain.errors import Conflict, InvalidInput, KnitError, OutOfSpace, Unavailable

DEFAULT = "~/.local/share/knit"
FOLDERS = ("store", "trees", "images", "runs", "uploads", "handout", "jupyter")

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_TOKEN_BYTES = 24


def locate(given: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path:
    """Return where the home is: `given`, else KNIT_HOME of `environ`, else ~/.local/share/knit."""
    chosen = os.fspath(given or "") or environ.get("KNIT_HOME", "") or DEFAULT
    return Path(os.path.abspath(os.path.expanduser(chosen)))


@dataclass(frozen=True)
class Holder:
    """The process that holds a home. Its URL is unknown while it starts."""

    pid: int | None
    url: str | None


class Home:
    """One home folder. Nothing is read or written before `prepare`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))
        self.database = self.path / "knit.db"
        self.store = self.path / "store"
        self.trees = self.path / "trees"
        self.images = self.path / "images"
        self.runs = self.path / "runs"
        self.uploads = self.path / "uploads"
        self.jupyter = self.path / "jupyter"
        self.profile = self.path / "handout" / "knitprofile"
        self.server_file = self.path / "server.json"
        self._token_file = self.path / "token"
        self._wake_file = self.path / "wake"

    def prepare(self) -> None:
        """Make the folders that are missing, for this user alone. Raises `InvalidInput`, `OutOfSpace`, `Unavailable`.

        That the home can be written to is tried here, so that a read-only home is told at once and not by some library.
        """
        with _told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            for name in FOLDERS:
                (self.path / name).mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            probe = self.uploads / f"probe.{secrets.token_hex(4)}"
            _create_private(probe, "can be written")
            probe.unlink()

    def token(self) -> str:
        """Return the API's token: made once, then always the same. Raises like `prepare`."""
        with _told(self._token_file):
            if not self._token_file.exists():
                self._make_token()
            self._token_file.chmod(_PRIVATE_FILE)
            token = self._token_file.read_text(encoding="ascii", errors="replace").strip()
        if not token.isprintable() or " " in token or not token.isascii() or not token:
            raise InvalidInput(
                f"{self._token_file} holds no token",
                advice="Remove the file (a new token will be made) or put one word of letters and digits into it.",
            )
        return token

    def rotate_token(self) -> str:
        """Replace the API's token by a new one and return it; whoever has the old one must fetch the profile anew."""
        with _told(self._token_file):
            _write_private(self._token_file, secrets.token_hex(_TOKEN_BYTES) + "\n")
        return self.token()

    def _make_token(self) -> None:
        made = self._token_file.with_name(f"token.{secrets.token_hex(4)}")
        _create_private(made, secrets.token_hex(_TOKEN_BYTES) + "\n")
        with contextlib.suppress(FileExistsError):  # another process was first: its token counts
            os.link(made, self._token_file)
        made.unlink()

    # --- who holds it -------------------------------------------------------------------------------------------------

    def lock(self) -> Lock:
        """Return this home's lock, not yet taken."""
        return Lock(self.path / "lock")

    def attend(self) -> Presence:
        """Count this process among those that use the home, until `close`. Raises like `prepare`."""
        with _told(self.path):
            return Presence(self.path / "present")

    def holder(self) -> Holder:
        """Say which process holds the home (or held it last), as far as it is known."""
        pid, url = _read_pid(self.path / "lock"), None
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self.server_file.read_text(encoding="utf-8"))
            if isinstance(known, dict) and known.get("pid") == pid:
                url = str(known.get("url"))
        return Holder(pid=pid, url=url)

    def held_error(self) -> Conflict:
        """Return the error for a home that another process holds: it names pid and URL."""
        holder = self.holder()
        who = "another process" if holder.pid is None else f"process {holder.pid}"
        where = "" if holder.url is None else f", which serves {holder.url}"
        return Conflict(
            f"the home {self.path} is in use by {who}{where}",
            advice="Use that server, stop it first, or give this one a home of its own with --home DIR.",
        )

    # --- what others are told -----------------------------------------------------------------------------------------

    def announce(self, url: str) -> None:
        """Write server.json: this process serves `url`."""
        with _told(self.server_file):
            _write_private(self.server_file, json.dumps({"url": url, "pid": os.getpid()}) + "\n")

    def hand_out(self, api_root: str, *, token: str, ca: str | None = None) -> Path:
        """Write handout/knitprofile and return its path; see `as_profile`."""
        with _told(self.profile):
            _write_private(self.profile, as_profile(api_root, token=token, ca=ca))
        return self.profile

    def withdraw(self) -> None:
        """Remove the profile and server.json: nobody answers there (any more)."""
        for path in (self.profile, self.server_file):
            with _told(path):
                path.unlink(missing_ok=True)

    # --- waking the holder --------------------------------------------------------------------------------------------

    def wake_holder(self) -> None:
        """Wake the process that holds the home, if it listens. Never fails: the holder looks by itself now and then."""
        with contextlib.suppress(OSError):  # no FIFO, nobody reads it, or it is full of wake-ups already
            fifo = os.open(self._wake_file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fifo, b"!")
            finally:
                os.close(fifo)

    def listen(self, on_wake: Callable[[], None]) -> Listener | None:
        """Call `on_wake` from a thread of its own after each `wake_holder`. None where the home can hold no FIFO."""
        try:
            fifo = _open_fifo(self._wake_file)
        except OSError:
            return None
        return Listener(fifo, on_wake)


def as_profile(api_root: str, *, token: str, ca: str | None = None) -> str:
    """Return the text of a profile. `ca` is the Base64 of a PEM certificate to trust.

    An empty token, of a server that asks for none, is left out. It is JSON, and so it is the YAML that profiles are.
    """
    profile = {"apiRoot": api_root, "cert": {"ca": ca} if ca else {}} | ({"token": token} if token else {})
    return json.dumps(profile, indent=2) + "\n"


class Lock:
    """The right to schedule in a home. It is the kernel's (flock): it falls free when its process ends, however."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._held: int | None = None
        self._given_up = False

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._held is not None

    def try_acquire(self) -> bool:
        """Take the lock if it is free. Raises `InvalidInput`, `OutOfSpace` or `Unavailable` if it cannot be tried."""
        with _told(self._path):
            file = self._open()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            except OSError:
                os.close(file)
                raise
            return self._keep(file)

    def when_free(self, then: Callable[[], None]) -> None:
        """Take the lock as soon as it falls free, in the background, and call `then` from that thread.

        Raises like `try_acquire`.
        """
        with _told(self._path):
            file = self._open()
        threading.Thread(target=self._wait, args=(file, then), name="knit-home-lock", daemon=True).start()

    def release(self) -> None:
        """Let the lock go, and stop waiting for it."""
        with self._guard:
            self._given_up = True
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _wait(self, file: int, then: Callable[[], None]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)  # cannot be interrupted: after `release` it is let go as soon as it is got
        if self._keep(file):
            then()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)

    def _keep(self, file: int) -> bool:
        with self._guard:
            if self._given_up:
                os.close(file)
                return False
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            self._held = file
            return True


class Presence:
    """A process's mark on a home that it uses: a shared lock, which the kernel takes back when the process ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def is_alone(self) -> bool:
        """Whether no other process uses the home. Only for the holder of the home's lock, for one to ask at a time."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._file, fcntl.LOCK_SH)  # also where the attempt has lost it
        return True

    def close(self) -> None:
        """Use the home no longer."""
        os.close(self._file)


class Listener:
    """Reads a home's FIFO in a thread and calls back; several wake-ups close together are one call."""

    def __init__(self, fifo: int, on_wake: Callable[[], None]) -> None:
        self._fifo = fifo
        self._on_wake = on_wake
        self._stop_read, self._stop_write = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="knit-home-wake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        os.write(self._stop_write, b"!")
        self._thread.join()
        for file in (self._fifo, self._stop_read, self._stop_write):
            os.close(file)

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._fifo, self._stop_read], [], [])
            if self._stop_read in readable:
                return
            with contextlib.suppress(BlockingIOError):
                os.read(self._fifo, 65536)  # a FIFO holds no more
                self._on_wake()


def _open_fifo(path: Path) -> int:
    """Open (and make) the FIFO, also for writing, so that it never ends when the last writer leaves."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISFIFO(path.lstat().st_mode):
            path.unlink()
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, _PRIVATE_FILE)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _create_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_private(path: Path, text: str) -> None:
    """Write the whole file or nothing, readable by this user alone from the first byte on."""
    made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        _create_private(made, text)
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell failures of the file system at `path` in words."""
    try:
        yield
    except OSError as err:
        raise _as_knit_error(path, err) from err


def _as_knit_error(path: Path, err: OSError) -> KnitError:
    where = err.filename if isinstance(err.filename, str) else str(path)
    elsewhere = "Choose another home with --home DIR or KNIT_HOME."
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"no space left for {where}", advice=f"Make room, or: {elsewhere}")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InvalidInput(f"{where} cannot be written ({err.strerror})", advice=elsewhere)
    if err.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL):
        return InvalidInput(f"{where} cannot be part of a home folder ({err.strerror})", advice=elsewhere)
    return Unavailable(f"the home folder fails at {where}: {err.strerror or err}", advice=elsewhere)
