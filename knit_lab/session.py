"""A session: one Knit server as a notebook sees it, with what is cached of it and what follows its changes."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from knit_lab import finding
from knit_lab.following import Changes
from knit_lab.objects import asking
from knit_lab.objects.collections import DataCollection, PlanCollection, RunCollection
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.listing import Listing
from knit_lab.objects.plans import Plan
from knit_lab.objects.runs import Run
from knit_server.client.api import KnitClient
from knit_server.domain.errors import NotFound

if TYPE_CHECKING:
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.pushing import Source


class Session:
    """A connection to one Knit server. Several threads may share it; every method raises `KnitError`."""

    def __init__(self, client: KnitClient, *, cache: Path | None = None) -> None:
        """Speak through `client`; keep files at hand below `cache` (by default in the user's cache folder)."""
        self.client = client
        self.changes = Changes(client)
        self._cache = cache

    @classmethod
    def open(
        cls,
        profile: str | os.PathLike[str] | None = None,
        *,
        api_root: str | None = None,
        token: str | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Session:
        """Find the server and speak to it; see `finding.found`. Nothing is sent yet."""
        if api_root is not None:
            return cls(KnitClient(api_root, token))
        chosen = finding.found(profile, environ=os.environ if environ is None else environ, cwd=cwd)
        return cls(KnitClient.from_profile(chosen))

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what follows changes, and all connections; the next request opens new ones."""
        self.changes.close()
        self.client.close()

    @property
    def cache(self) -> Path:
        """Where files of this server are kept at hand; what is in there may be deleted at any time."""
        base = self._cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "knit"
        return base / hashlib.sha256(self.client.api_root.encode()).hexdigest()[:16]

    # --- what there is ------------------------------------------------------------------------------------------------

    @functools.cached_property
    def data(self) -> DataCollection:
        """All Data: `data["4f2a"]` by the beginning of an id, `data["type:raw"]` the newest with these tags."""
        return DataCollection(self)

    @functools.cached_property
    def plans(self) -> PlanCollection:
        """All Plans: `plans["4f2a"]` by the beginning of an id, `plans["clean"]` by name, `plans["a:1"]` by image."""
        return PlanCollection(self)

    @functools.cached_property
    def runs(self) -> RunCollection:
        """All Runs: `runs["4f2a"]` by the beginning of an id, `runs.latest` the one that changed last."""
        return RunCollection(self)

    @overload
    def find(self, *tags: str, newest: Literal[True], **window: Any) -> Data: ...
    @overload
    def find(self, *tags: str, newest: Literal[False] = False, **window: Any) -> Listing[Data]: ...

    def find(self, *tags: str, newest: bool = False, **window: Any) -> Data | Listing[Data]:
        """Find Data with all of `tags`, oldest first; with `newest` only the last one.

        `window` is what `DataCollection.find` takes: since, duration, transient, limit; for the newest, which is always
        a usable one, since and duration. Raises `NotFound` if the newest is asked for and there is none.
        """
        return self.data.newest(*tags, **window) if newest else self.data.find(*tags, **window)

    def why(self, what: str | Data | Plan | Run) -> Explanation:
        """Explain a Data, Plan or Run, or whichever has an id that begins so; or the Plan of a name or an image.

        Raises `NotFound`, `Conflict` if several have it, and `InvalidInput` for what is none of these.
        """
        from knit_lab.objects.explanations import Explanation

        if isinstance(what, Data | Plan | Run):
            return Explanation(self, self.client.why(what.id))
        asking.refuse_others((what,), 'knit.why("4f2a") or knit.why("clean"), or give a Data, a Plan or a Run')
        try:
            return Explanation(self, self.client.why(self.client.full_id("", what)))
        except NotFound as err:
            try:
                return self.plans[what].why()
            except NotFound:
                raise err from None

    # --- what can be done ---------------------------------------------------------------------------------------------

    def push(
        self,
        source: Source,
        tags: Iterable[str] | str = (),
        *,
        name: str | None = None,
        progress: bool = True,
    ) -> Data:
        """Push a directory, a file, a DataFrame, a mapping of file names, or bytes, as a new Data with `tags`.

        `name` names the file of what has no name of its own, and gives the tag `name:...`; see `pushing.laid_out`.
        """
        from knit_lab.objects import pushing

        return Data(self, pushing.push(self.client, source, asking.texts(tags), name=name, progress=progress))

    def plan(self, source: str | os.PathLike[str] | Mapping[str, Any] | None = None, /, **members: Any) -> PlanDraft:
        """Draft a Plan from a plan file, from the text of one, or from its members; nothing is registered yet.

        `members` override those of `source`; inputs and outputs may be written as `{"/in/raw": "type:raw"}`.
        """
        return PlanDraft.of(self, source, **members)

    def __repr__(self) -> str:
        return f"<Knit session with {self.client.api_root}>"
