"""A Data as a notebook holds it: tags, files, content, what made it and what was made from it."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from knit_lab.display import cards
from knit_lab.display.shown import Shown
from knit_lab.display.tables import Kind
from knit_lab.objects import asking, cache
from knit_lab.objects.listing import Column, Listing
from knit_server.client.api import Depth
from knit_server.domain import tags as domain_tags
from knit_server.domain.errors import NotFound
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.graph.views import LineageView
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.runs import Run
    from knit_lab.session import Session


class Data(Shown):
    """An immutable directory with tags. Its tags may change; `refresh` asks for them again."""

    def __init__(self, session: Session, detail: shapes.DataDetail) -> None:
        self._session = session
        self.detail = detail

    @property
    def id(self) -> str:
        """Its knitId."""
        return self.detail["knitId"]

    @property
    def tags(self) -> tuple[str, ...]:
        """The user's tags, as texts `key:value`, sorted."""
        return tuple(tag for tag in self.detail["tags"] if not tag.startswith(domain_tags.SYSTEM_PREFIX))

    @property
    def system_tags(self) -> tuple[str, ...]:
        """What Knit itself says: knit#id, knit#timestamp, knit#transient."""
        return tuple(tag for tag in self.detail["tags"] if tag.startswith(domain_tags.SYSTEM_PREFIX))

    @property
    def timestamp(self) -> datetime | None:
        """When it became what it is, in this machine's zone; None while its Run goes on."""
        found = self._system(domain_tags.TIMESTAMP)
        return None if found is None else asking.moment(found)

    @property
    def transient(self) -> str | None:
        """`processing` while its Run goes on, `failed` if that failed, None if it is usable."""
        return self._system(domain_tags.TRANSIENT)

    @property
    def is_usable(self) -> bool:
        """Whether Plans can take it."""
        return self.transient is None

    @property
    def run(self) -> Run:
        """The Run that made it; for a pushed one, its upload."""
        return self._session.runs[self.detail["upstream"]["run"]["runId"]]

    @property
    def used_by(self) -> Listing[Run]:
        """The Runs that took it, as they are now."""
        return self._session.runs.find(input=self)

    # --- content ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def files(self) -> Listing[shapes.FileEntry]:
        """The names in it, in name order. Raises `Conflict` if it has no content (yet)."""
        return Listing(self._session.client.data_files(self.id), _FILE_COLUMNS, "files")

    @functools.cached_property
    def details(self) -> shapes.Json:
        """What Knit knows beyond Knitfab's fields: size in bytes, content id and more."""
        return self._session.client.data_details(self.id)

    def open(self, name: str, mode: str = "rb", *, encoding: str = "utf-8") -> IO[Any]:
        """Open one of its files to read, `mode` being `rb` or `r`. It comes over the network once, then from the cache.

        Raises `NotFound` if there is none of that name, `ValueError` for a mode that writes: a Data never changes.
        """
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"mode {mode!r}: a Data never changes; push a new one instead")
        raw = self.path(name).open("rb")
        return raw if mode == "rb" else io.TextIOWrapper(raw, encoding=encoding)

    def path(self, name: str | os.PathLike[str] | None = None) -> Path:
        """Return where one of its files (or the whole directory) lies on this machine, verified; read-only.

        What is not there yet is fetched. Raises `NotFound` for a name that is not in it.
        """
        return cache.path(self._session, self, None if name is None else os.fspath(name))

    def pull(self, dest: str | os.PathLike[str]) -> Path:
        """Download it into the new directory `dest`. Raises `Conflict` if that exists."""
        return self._session.client.pull(self.id, Path(dest))

    # --- tags, lineage ------------------------------------------------------------------------------------------------

    def tag(
        self, *tags: str, add: Iterable[str] | str = (), remove: Iterable[str] | str = (),
        remove_keys: Iterable[str] | str = (),
    ) -> Data:  # fmt: skip
        """Change its tags in one step: removals first, then `tags` and `add`. Returns itself."""
        keys = [remove_keys] if isinstance(remove_keys, str) else remove_keys
        self.detail = self._session.client.tag_data(
            self.id, add=[*asking.texts(tags), *asking.texts(add)], remove=asking.texts(remove), remove_keys=keys
        )
        return self

    def lineage(self, upstream: Depth = "all", downstream: Depth = "all", *, whole: bool = False) -> LineageView:
        """Follow it to what made it and to what was made from it, so many steps.

        `whole`: to all that it hangs together with, every arrow both ways. Raises `NotFound` if it was deleted.
        """
        from knit_lab.graph.views import LineageView

        return LineageView(self._session, self.id, upstream, downstream, whole=whole)

    def why(self, plan: str | None = None) -> Explanation:
        """Explain which Plans took it and which did not; with the id of a Plan, regarding that one."""
        from knit_lab.objects.explanations import Explanation

        return Explanation(self._session, self._session.client.why(self.id, plan))

    def refresh(self) -> Data:
        """Ask the server again. Returns itself. Raises `NotFound` if it was deleted."""
        self.detail = self._session.client.show_data(self.id)
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __truediv__(self, name: str) -> Path:
        return self.path(name)

    def as_text(self) -> str:
        """Return a line: the id, the tags and, unless it is usable, why."""
        return cards.line("Data", self.id, [*self.tags, *([f"({self.transient})"] if self.transient else [])])

    def as_html(self) -> str:
        """Return a card."""
        return cards.data(self.detail)

    def _system(self, key: str) -> str | None:
        start = f"{key}:"
        return next((tag.removeprefix(start) for tag in self.detail["tags"] if tag.startswith(start)), None)

    def _ipython_key_completions_(self) -> list[str]:
        return [each["path"] for each in self.files]


def missing(data: Data, name: str) -> NotFound:
    """Return the error for a name that `data` does not hold."""
    import difflib

    names = [each["path"] for each in data.files]
    likely = difflib.get_close_matches(name, names, n=1)
    advice = f"Did you mean {likely[0]}?" if likely else f"It holds {len(names)} names; see its .files"
    return NotFound(f"there is no {name!r} in Data {data.id}", advice=advice)


_FILE_COLUMNS = (
    Column("path", lambda each: each["path"]),
    Column("size", lambda each: each["size"] if each["kind"] == "file" else None, Kind.SIZE),
    Column("kind", lambda each: each["kind"]),
)
