"""Ways to servers, shared by all file systems of this process: connections, and names in Data, which never change."""

from __future__ import annotations

import atexit
import os
import threading
from weakref import WeakKeyDictionary

from knit_lab import finding
from knit_lab.filesystem.tree import FileTree
from knit_server.client.api import KnitClient
from knit_server.content.recent import Recent
from knit_server.domain.errors import InvalidInput, NotFound

_NAMES_KEPT = 200_000
"""Names in Data that are kept in memory for each client, some 100 MB; of a Data with more, alone, all are kept."""


class Door:
    """One server. Several threads may share it; methods raise `KnitError`."""

    def __init__(self, client: KnitClient, trees: Recent[str, FileTree]) -> None:
        """Speak through `client`; `trees` are the names in its Data, kept for whoever comes through it next."""
        self.client = client
        self._trees = trees

    def tree(self, knit_id: str) -> FileTree:
        """Return the names in a Data."""
        return self._trees.get(knit_id, lambda: FileTree(self.client.data_files(knit_id)), _weight)

    def full_id(self, word: str) -> str:
        """Return the id that begins with `word`. Whether there is such a Data is seen when it is read."""
        return self.client.full_id("data", word)

    def newest(self, tags: tuple[str, ...]) -> str:
        """Return the id of the newest usable Data with all of `tags`. Raises `NotFound`."""
        for each in self.client.each_data(tags, transient=False, newest_first=True, limit=1):
            return each["knitId"]
        raise NotFound(
            f"no Data that could be read has {' '.join(tags)}", advice="See the tags in use: knit.data.tags()"
        )


_guard = threading.Lock()
_clients: dict[tuple[str, str, str | None], KnitClient] = {}
_trees: WeakKeyDictionary[KnitClient, Recent[str, FileTree]] = WeakKeyDictionary()


def opened(profile: str | os.PathLike[str] | None, api_root: str | None, token: str | None) -> Door:
    """Return the way to the server that is named, or to that of the session in use. Raises `KnitError`."""
    if profile is None and api_root is None and token is None:
        from knit_lab.api import current

        return _of(current().client)
    if api_root is not None:
        if profile is not None:
            raise InvalidInput(
                "both profile and api_root say where the server is", advice="Give only one of them as an option."
            )
        return _of(_client(api_root, token or "", None))
    found = finding.found(profile, environ=os.environ)
    return _of(_client(found.api_root, found.token if token is None else token, found.ca_pem()))


def _client(api_root: str, token: str, ca: str | None) -> KnitClient:
    with _guard:
        key = api_root.rstrip("/"), token, ca
        if key not in _clients:
            if not _clients:
                atexit.register(_close)
            _clients[key] = KnitClient(*key)
        return _clients[key]


def _close() -> None:
    for each in _clients.values():
        each.close()


def _of(client: KnitClient) -> Door:
    with _guard:
        return Door(client, _trees.setdefault(client, Recent(_NAMES_KEPT)))


def _weight(tree: FileTree) -> int:
    return min(1 + len(tree), _NAMES_KEPT)
