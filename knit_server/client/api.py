"""`KnitClient`: one method per endpoint of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from knit_server.client import ids, imports, transfer
from knit_server.client.imports import Import
from knit_server.client.plans import PlanCalls
from knit_server.client.profiles import Profile
from knit_server.client.queries import EVERY, Depth, depths, each
from knit_server.client.streams import SILENCE, Ending, Event, build_lines, events, load_lines
from knit_server.client.transport import Query, Transport
from knit_server.domain import times
from knit_server.domain.errors import NotFound
from knit_server.wire import shapes

__all__ = ["EVERY", "Depth", "KnitClient"]


class KnitClient(PlanCalls):
    """A Knit server, reached over HTTP.

    Instants and durations are in milliseconds; tags are texts `key:value`. Every method raises `KnitError`: what the
    server refused, or `Unavailable` when it cannot be reached. Several threads may share a client.
    """

    def __init__(self, api_root: str, token: str | None = None, ca: str | None = None) -> None:
        """Reach the API at `api_root` (a URL ending in /knit/api); `ca` is PEM text, the only CA to trust then."""
        self._http = Transport(api_root, token=token or "", ca_pem=ca)

    @classmethod
    def from_profile(cls, profile: Profile) -> KnitClient:
        """Reach the server of a profile."""
        return cls(profile.api_root, profile.token, profile.ca_pem())

    @property
    def api_root(self) -> str:
        """Where the API is, without a trailing slash."""
        return self._http.api_root

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        self._http.close()

    def __enter__(self) -> KnitClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- Data ---------------------------------------------------------------------------------------------------------

    def find_data(
        self,
        tags: Iterable[str] = (),
        *,
        since: int | None = None,
        duration: int | None = None,
        transient: bool | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[shapes.DataDetail]:
        """Find Data with all of `tags`, with a timestamp in [since, since + duration); oldest first, at most `limit`.

        `transient`: only those that cannot be used (True), or only those that can (False).
        """
        query = [*_data_asked(tags, transient), *_window(since, duration), *_order(newest_first)]
        return cast("list[shapes.DataDetail]", self._http.found("find_data", query, limit))

    def each_data(
        self, tags: Iterable[str] = (), *, since: int | None = None, duration: int | None = None,
        transient: bool | None = None, newest_first: bool = False, limit: int = EVERY,
    ) -> Iterator[shapes.DataDetail]:  # fmt: skip
        """Go through at most `limit` of what `find_data` returns, in its order; pages are fetched as they are needed.

        Data that come to the end of the list meanwhile are given, too, none is given twice; the newest first, those
        whose Run ends meanwhile may be.
        """
        query = [*_data_asked(tags, transient), *_window(since, duration), *_order(newest_first)]
        return self._http.rows("find_data", query, limit)

    def show_data(self, knit_id: str) -> shapes.DataDetail:
        """Return one Data. Raises `NotFound`."""
        found = self.find_data([f"knit#id:{knit_id}"])
        if not found:
            raise NotFound(f"data not found: {knit_id}", advice="List the Data: knit data find")
        return found[0]

    def push(
        self,
        source: str | Path,
        tags: Iterable[str] = (),
        *,
        dereference: bool = False,
        progress: transfer.Progress = transfer.quiet,
        warn: transfer.Warn = transfer.silent,
        sent: Callable[[], None] = transfer.nothing,
    ) -> shapes.DataDetail:
        """Upload a directory, or a single file, as a new Data that has `tags` from the start.

        `progress` is told bytes read so far and the file it is at, `sent` that everything is sent and the server's
        answer is awaited, `warn` about names that are left out. Raises `InvalidInput` for an empty directory.
        """
        return transfer.push(
            self._http, Path(source), tags, dereference=dereference, progress=progress, warn=warn, sent=sent
        )

    def import_begin(self) -> Import:
        """Begin a Data whose files are put into a folder of the server's machine, rather than sent.

        Put them into the `folder` of what is returned, then send its `token` with `import_end`, within half an hour.
        """
        return imports.begin(self._http)

    def import_end(self, token: str) -> shapes.DataDetail:
        """Let the folder of an import become its Data; the Data is told as it stood before, and is done a little later.

        May be repeated until then. Raises `InvalidInput` (the token, or the folder) or `Conflict` (the import is over).
        """
        return imports.end(self._http, token)

    def pull_archive(
        self,
        knit_id: str,
        target: Path | IO[bytes],
        *,
        progress: transfer.Progress = transfer.quiet,
        warn: transfer.Warn = transfer.silent,
    ) -> None:
        """Download a Data as tar.gz to a file, which appears only when complete and verified, or into an open stream.

        What comes is looked into on the way; `warn` is told if the server does not say what it should be. Raises
        `Damaged` if it is something else; a stream has its bytes by then.
        """
        transfer.pull_archive(self._http, knit_id, target, progress=progress, warn=warn)

    def pull(
        self,
        knit_id: str,
        dest: str | Path,
        *,
        progress: transfer.Progress = transfer.quiet,
        warn: transfer.Warn = transfer.silent,
    ) -> Path:
        """Download a Data into the new directory `dest`, which appears only when complete and verified.

        Raises `Conflict` if `dest` exists and `Damaged` if what came is not what the server stores.
        """
        return transfer.pull(self._http, knit_id, Path(dest), progress=progress, warn=warn)

    def tag_data(
        self, knit_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = (), remove_keys: Iterable[str] = ()
    ) -> shapes.DataDetail:
        """Change the tags of a Data: removals first, then additions. What changes nothing is no error."""
        body = transfer.tag_change(add, remove, remove_keys)
        return cast("shapes.DataDetail", self._http.json("tag_data", body=body, knitId=knit_id))

    def data_details(self, knit_id: str) -> shapes.Json:
        """Return what Knit knows of a Data beyond Knitfab's fields: size, content id and more."""
        return cast("shapes.Json", self._http.json("data_details", knitId=knit_id))

    def data_files(self, knit_id: str) -> list[shapes.FileEntry]:
        """List the names in a Data, in name order. Raises `NotFound` or `Conflict` (it has no content yet)."""
        return cast("list[shapes.FileEntry]", self._http.json("data_files", knitId=knit_id))

    def pull_file(
        self, knit_id: str, path: str, target: Path | IO[bytes], *, progress: transfer.Progress = transfer.quiet
    ) -> None:
        """Download one file of a Data to a file, which appears only when complete, or into an open stream.

        The server reads no other file of the Data. Raises `NotFound`, or `InvalidInput` if `path` is no file.
        """
        transfer.pull_file(self._http, knit_id, path, target, progress=progress)

    def read_range(self, knit_id: str, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes of one file of a Data from `start` up to `stop` (by default all), fewer at its end.

        Raises `NotFound`, `InvalidInput` if `path` is no file, or `Damaged` if another part came.
        """
        return transfer.read_range(self._http, knit_id, path, start, stop)

    def data_lineage(self, knit_id: str, *, upstream: Depth = "all", downstream: Depth = "all") -> shapes.Lineage:
        """Follow a Data so many steps to what made it and to what was made from it."""
        query = depths(upstream, downstream)
        return cast("shapes.Lineage", self._http.json("data_lineage", query, knitId=knit_id))

    def data_outline(
        self, knit_id: str, *, upstream: Depth = "all", downstream: Depth = "all", whole: bool = False
    ) -> shapes.LineageOutline:
        """Return the same with no more than a card shows; `whole`: every arrow both ways, whatever the depths."""
        query = [*depths(upstream, downstream), *([("whole", "true")] if whole else [])]
        return cast("shapes.LineageOutline", self._http.json("data_outline", query, knitId=knit_id))

    # --- Runs ---------------------------------------------------------------------------------------------------------

    def find_runs(
        self,
        *,
        plans: Iterable[str] = (),
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        statuses: Iterable[str] = (),
        since: int | None = None,
        duration: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[shapes.RunDetail]:
        """Find Runs of any of `plans`, with any of `inputs`, any of `outputs`, in any of `statuses`; oldest first."""
        query = [*_runs_asked(plans, inputs, outputs, statuses), *_window(since, duration), *_order(newest_first)]
        return cast("list[shapes.RunDetail]", self._http.found("find_runs", query, limit))

    def each_run(
        self,
        *,
        plans: Iterable[str] = (),
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        statuses: Iterable[str] = (),
        since: int | None = None,
        duration: int | None = None,
        newest_first: bool = False,
        limit: int = EVERY,
    ) -> Iterator[shapes.RunDetail]:
        """Go through at most `limit` of what `find_runs` returns; pages are fetched as they are needed.

        A Run that changes meanwhile comes to the end of the list, so it can be given again, as it is then.
        """
        query = [*_runs_asked(plans, inputs, outputs, statuses), *_window(since, duration), *_order(newest_first)]
        return self._http.rows("find_runs", query, limit)

    def show_run(self, run_id: str) -> shapes.RunDetail:
        """Return one Run. Raises `NotFound`."""
        return cast("shapes.RunDetail", self._http.json("show_run", runId=run_id))

    def stop_run(self, run_id: str, *, fail: bool = False) -> shapes.RunDetail:
        """Stop a Run: what it has made so far is done, or with `fail`, it fails."""
        return cast("shapes.RunDetail", self._http.json("abort_run" if fail else "tearoff_run", runId=run_id))

    def retry_run(self, run_id: str, *, downstream: bool = False) -> shapes.RunDetail:
        """Try a Run again that has ended; with `downstream`, all that was made from it is deleted first."""
        return cast("shapes.RunDetail", self._http.json("retry_run", _downstream(downstream), runId=run_id))

    def delete_run(self, run_id: str, *, downstream: bool = False) -> None:
        """Delete a Run and what it made; with `downstream`, all that was made from that, too."""
        self._http.json("delete_run", _downstream(downstream), runId=run_id)

    def run_downstream(self, run_id: str) -> list[shapes.RunDetail]:
        """List what was made from a Run: what `downstream` deletes, in that order."""
        return cast("list[shapes.RunDetail]", self._http.json("run_downstream", runId=run_id))

    def run_details(self, run_id: str) -> shapes.Json:
        """Return what Knit knows of a Run beyond Knitfab's fields: attempt, image digest, sandbox, reasons."""
        return cast("shapes.Json", self._http.json("run_details", runId=run_id))

    def run_log(self, run_id: str, *, follow: bool = False, ending: Ending | None = None) -> Iterator[bytes]:
        """The log of a Run as it comes; with `follow`, until the Run ends. Raises `Unavailable` before it starts.

        `ending` ends it at once, from any thread.
        """
        query: Query = [("follow", "")] if follow else ()
        ending = ending or Ending()
        with (
            self._http.stream("run_log", query, runId=run_id) as response,
            ending.cutting(lambda: self._http.cut(response)),
        ):
            yield from self._http.blocks(response)

    # --- images -------------------------------------------------------------------------------------------------------

    def find_images(self) -> list[shapes.Image]:
        """List the server's local images."""
        return cast("list[shapes.Image]", self._http.json("find_images"))

    def build_image(
        self,
        context: str | Path,
        name: str,
        *,
        dockerfile: str = "Dockerfile",
        build_args: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = transfer.silent,
    ) -> shapes.Image:
        """Build the directory `context` as the image `name`; `progress` is told each line of the build."""
        archive = transfer.pack_context(Path(context))
        arguments = [f"{key}={value}" for key, value in (build_args or {}).items()]
        query = [("name", name), ("dockerfile", dockerfile), *each("arg", arguments)]
        with self._http.stream("build_image", query, content=archive, headers=transfer.ARCHIVE) as response:
            return build_lines(self._http.blocks(response), progress)

    def load_images(
        self,
        archive: Path | IO[bytes],
        names: Iterable[str] = (),
        *,
        sent: transfer.Progress = transfer.quiet,
        progress: Callable[[str], None] = transfer.silent,
    ) -> list[shapes.Image]:
        """Load the images of a docker-save or OCI archive, a file or an open stream, under `names`, else their own.

        `sent` is told bytes sent so far, `progress` each line of the server's work.
        """
        with transfer.blocks_of(archive, sent) as content, self._http.stream(
            "load_images", each("name", names), content=content, headers=transfer.PLAIN_ARCHIVE
        ) as response:  # fmt: skip
            return load_lines(self._http.blocks(response), progress)

    def tag_image(self, name: str, new: str) -> shapes.Image:
        """Give the image `name` the further name `new`. Raises `NotFound`."""
        return cast("shapes.Image", self._http.json("tag_image", [("name", name)], {"name": new}))

    def remove_image(self, name: str) -> None:
        """Take a name from an image; an image without names is deleted. Raises `NotFound`."""
        self._http.json("remove_image", [("name", name)])

    # --- names for short ----------------------------------------------------------------------------------------------

    def resolve(self, prefix: str, kinds: Iterable[str] = (), *, limit: int = 6) -> list[shapes.Candidate]:
        """Find Data, Plans and Runs (`kinds`: data, plan, run) whose ids begin with `prefix`; without one, the newest.

        At most `limit` of each kind are told.
        """
        query = [("prefix", prefix), ("kind", ",".join(kinds)), ("limit", str(limit))]
        return cast("list[shapes.Candidate]", self._http.json("resolve", query))

    def tags_in_use(self, prefix: str = "", *, limit: int = 100) -> list[shapes.TagUse]:
        """List tags that Data carry and whose text begins with `prefix`, with how many carry each."""
        return cast("list[shapes.TagUse]", self._http.json("tags", [("prefix", prefix), ("limit", str(limit))]))

    def full_id(self, kind: str, word: str) -> str:
        """Return the id of the `kind` (data, plan, run) that `word` begins; see `client.ids`. Raises `Conflict`."""
        return ids.full_id(self, kind, word)

    # --- the server ---------------------------------------------------------------------------------------------------

    def events(
        self, after: int | None = None, *, greet: bool = False, ending: Ending | None = None
    ) -> Iterator[Event]:  # fmt: skip
        """Follow all changes, from now or from behind the event `after`, until the server closes the stream.

        `ending` ends it at once, from any thread. Raises `Unavailable` if not even a heartbeat comes any more.

        An event of kind `reset` means that `after` is too old: what is known must be fetched anew. With `greet` the
        first one is of kind `open`: from then on nothing is missed, so that is the time to fetch what is known.
        """
        headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
        ending = ending or Ending()
        with (
            self._http.stream("events", headers=headers, patience=SILENCE) as response,
            ending.cutting(lambda: self._http.cut(response)),
        ):
            if greet:
                yield Event(id=after, kind="open", data={})
            yield from events(self._http.blocks(response))

    def why(self, what: str, plan_id: str | None = None) -> shapes.Why:
        """Explain a Data, a Plan or a Run, whichever has the id; with `plan_id`, a Data with regard to that Plan.

        Raises `NotFound`, or `InvalidInput` for a Plan or Run together with `plan_id`.
        """
        query = [("id", what), *([] if plan_id is None else [("plan", plan_id)])]
        return cast("shapes.Why", self._http.json("why", query))

    def health(self) -> shapes.Json:
        """Return how the server is: version, executor, capacity, Runs by status, store, database."""
        return cast("shapes.Json", self._http.json("health"))

    def checks(self) -> list[shapes.Check]:
        """Let the server look whether its database, store and disk do what they must."""
        return cast("list[shapes.Check]", self._http.json("health_checks"))


def _runs_asked(
    plans: Iterable[str], inputs: Iterable[str], outputs: Iterable[str], statuses: Iterable[str]
) -> list[tuple[str, str]]:
    wanted = {"plan": plans, "knitIdInput": inputs, "knitIdOutput": outputs, "status": statuses}
    return [(name, joined) for name, values in wanted.items() if (joined := ",".join(values))]


def _data_asked(tags: Iterable[str], transient: bool | None) -> list[tuple[str, str]]:
    return [*each("tag", tags), *([] if transient is None else [("transient", str(transient).lower())])]


def _order(newest_first: bool) -> Query:
    return [("order", "newest")] if newest_first else []


def _window(since: int | None, duration: int | None) -> list[tuple[str, str]]:
    query = [] if since is None else [("since", times.format_instant(since))]
    return query if duration is None else [*query, ("duration", f"{duration}ms")]


def _downstream(wanted: bool) -> Query:
    return [("downstream", "true")] if wanted else []
