"""A PostgreSQL server of the tests' own: Debian's programs, a unix socket, and nothing that outlives the tests.

Its default collation is not that of bytes, so that whoever relies on the database's order of texts is found out.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "off",  # a test's database need not survive a power cut
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # it connects to databases that are being copied, which then cannot be
    "deadlock_timeout": "100ms",  # how long two transactions may wait for each other before one is told
    "log_min_messages": "warning",
}
_PATIENCE = 60
"""Seconds that the server may take to start."""

TEMPLATE = "knit_template"


def programs() -> Path:
    """Return where PostgreSQL's server programs are: Debian keeps each version's in a directory of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    assert on_path is not None, "PostgreSQL's server programs are missing"
    return Path(on_path).parent


def user() -> str:
    """Return who the server runs as: it refuses to be root."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class Cluster:
    """A running server."""

    def __init__(self) -> None:
        self._bin, self._user = programs(), user()
        self._folder = Path(tempfile.mkdtemp(prefix="knit-postgres-", dir="/tmp"))  # sockets' paths must be short
        self._numbers = itertools.count()
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster and start its server."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, self._user, pwd.getpwnam(self._user).pw_gid)
        place = str(self._folder / "data")
        locale = ["--locale=C.UTF-8", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en"]
        command = [str(self._bin / "initdb"), "-D", place, "-U", "postgres", "-A", "trust", "--no-sync", *locale]
        made = subprocess.run(self._as_user(command), capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        settings = _SETTINGS | {"unix_socket_directories": str(self._folder)}
        command = [str(self._bin / "postgres"), "-D", place]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("wb") as log:
            command = self._as_user(command)
            self._server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # Ctrl-C is ours
        self._wait()

    def stop(self) -> None:
        """Stop the server and remove the cluster."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
        shutil.rmtree(self._folder)

    def create(self, template: str = "template0") -> str:
        """Return the name of a new database."""
        name = f"knit_{next(self._numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def rename(self, old: str, new: str) -> None:
        """Give a database another name."""
        self._execute("ALTER DATABASE {} RENAME TO {}", old, new)

    def drop(self, name: str) -> None:
        """Delete a database, also one that somebody is connected to."""
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def url(self, name: str) -> str:
        """Return the URL of a database, as Knit wants it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def _as_user(self, command: list[str]) -> list[str]:
        """Let `command` end with the tests, and never be root."""
        less = ["setpriv", "--pdeathsig=INT"]
        if os.geteuid() == 0:
            group = pwd.getpwnam(self._user).pw_gid
            less += [f"--reuid={self._user}", f"--regid={group}", "--clear-groups"]
        return [*less, *command]

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg.OperationalError as err:
                assert self._server is not None
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise AssertionError((self._folder / "log").read_text()) from err
                time.sleep(0.05)
            else:
                return
