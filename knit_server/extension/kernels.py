"""Telling the kernels and terminals of this Jupyter server where its Knit is.

They inherit the server's environment: there `KNIT_PROFILE_FILE` names a profile of this very server, in Jupyter's
runtime folder, for this user alone. It is there before Knit has started, so that a kernel that is faster is told to
wait, or why Knit cannot start. Programs of Runs get nothing of the server's environment (`executors.local.program`).
Kernels on other machines (a gateway) inherit nothing: they use a profile of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from knit_server.domain.errors import KnitError
from knit_server.engine import Address, Settings
from knit_server.extension.certificates import own_authority
from knit_server.handlers.routes import API
from knit_server.service.home import Home, as_profile

VARIABLE = "KNIT_PROFILE_FILE"
"""`knit_server.client.profiles` reads it."""
_PREFIX, _ENDING = "knit-", ".knitprofile"


class Told:
    """A profile that is there until `close`, named in an environment. Raises `OSError` if it cannot be written.

    Its process holds a lock on the file, so that the next one can tell what a server that was killed has left behind.
    """

    def __init__(self, folder: Path, address: Address, environ: MutableMapping[str, str]) -> None:
        sweep(folder)
        self.path = folder / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}{_ENDING}"
        self._environ = environ
        self._before = environ.get(VARIABLE)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, as_profile(address.api_root, token=address.token, ca=address.ca).encode())
        except OSError:
            self._remove()
            raise
        environ[VARIABLE] = str(self.path)

    def __enter__(self) -> Told:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the profile; the environment is as before, unless somebody else has changed it meanwhile."""
        if self._environ.get(VARIABLE) == str(self.path):
            del self._environ[VARIABLE]
            if self._before is not None:
                self._environ[VARIABLE] = self._before
        self._remove()

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def sweep(folder: Path) -> None:
    """Remove profiles of servers that have ended without a chance to do it. What cannot be looked at stays."""
    for path in folder.glob(f"{_PREFIX}*{_ENDING}"):
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_size:  # one that is empty is being made
                    path.unlink()
            finally:
                os.close(file)


def nearby(serverapp: ServerApp, address: Address) -> Address | None:
    """Return how processes of this machine reach `serverapp`; None where no client of Knit's can (a Unix socket).

    A server for all addresses is asked at the loopback: the machine's own name, which others know it by, may mean
    nothing inside a container. With TLS the name has to be one of the certificate's, so it stays.
    """
    if serverapp.sock:
        return None
    if serverapp.certfile or serverapp.ip not in ("", "0.0.0.0", "::", "*"):  # noqa: S104 - compared, not bound
        return address
    host = "[::1]" if serverapp.ip == "::" and not socket.has_dualstack_ipv6() else "127.0.0.1"
    url = f"http://{host}:{serverapp.port}{serverapp.base_url}"
    return Address(url=url, api_root=url_path_join(url, API), token=address.token, ca=address.ca)


def address(serverapp: ServerApp, own_token: str) -> Address:
    """Say where `serverapp` is reached, and how: with Jupyter's token, or where it has none with Knit's own."""
    url = serverapp.connection_url
    return Address(
        url=url,
        api_root=url_path_join(url, API),
        token=jupyters_token(serverapp) or own_token,
        ca=own_authority(serverapp.certfile) if serverapp.certfile else None,
    )


def jupyters_token(serverapp: ServerApp) -> str:
    """Return the token that lets in everywhere in this server, "" if there is none."""
    return getattr(serverapp.identity_provider, "token", "") or ""


def own_token(serverapp: ServerApp, settings: Settings | None) -> str:
    """Return the token that Knit's handlers shall take beside what Jupyter takes; "" if none is needed.

    It is needed where people log in by password, so that there is no token for programs (a hub gives one). It is the
    home's, so that profiles stay good when the server starts anew; where there is no home, one for this process, whose
    requests are told why.
    """
    asks_nobody = getattr(serverapp, "anonymous", False) or not serverapp.identity_provider.auth_enabled
    if jupyters_token(serverapp) or asks_nobody:
        return ""
    try:
        if settings is not None:
            home = Home(settings.home)
            home.prepare()
            return home.token()
    except KnitError:  # it is told when the engine meets it
        pass
    return secrets.token_hex(24)
