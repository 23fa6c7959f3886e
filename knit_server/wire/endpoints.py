"""The table of the HTTP API: every route under `<base_url>/knit/api`, once.

Handlers route by it, the client takes its paths from it, and `openapi.json` and `docs/api.md` are written from it.
Every route answers with and without a trailing slash.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

JSON = "application/json"
TAR_GZ = "application/tar+gzip"
TAR = "application/x-tar"
LOG = "application/octet-stream"
LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
JWT = "application/jwt"

API_VERSION = "1.2.0"
"""Of the table below: the first number changes where an old client could break, the second where something is new."""
CHECKSUM_TRAILER = "x-checksum-md5"
"""The trailer of Knitfab's pushes and pulls: the MD5 of the body, in hexadecimal digits."""
CONTENT_ID_HEADER = "x-knit-content-id"
"""Names the tree that a download holds; the client compares it with what it wrote."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One route. `query` are the names of its query members; `*` marks one that may be repeated.

    `request` and `response` name a shape of `wire.shapes` (`[Shape]` is a list of it), a media type for streams, or
    are empty where there is no body. `A or B` says that the query decides which of them comes.
    """

    name: str
    method: str
    path: str
    summary: str
    query: tuple[str, ...] = ()
    request: str = ""
    response: str = ""

    def url(self, **members: str) -> str:
        """Return the path with its members filled in, percent-encoded."""
        return self.path.format(**{name: quote(value, safe="") for name, value in members.items()})

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members of its path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


PAGED = ("limit", "cursor")
"""The query members of lists that are told in pages if one of them is given; the header `Link` leads to the next."""

ORDERED = ("order", *PAGED)
"""The same for lists that can be read from both ends: oldest or newest first."""

_DEPTHS = ("upstream", "downstream")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        name="find_data", method="GET", path="/data", query=("tag*", "since", "duration", "transient", *ORDERED),
        response="[DataDetail]",
        summary="Find Data that have all the tags, in a window of time; oldest first, unless order=newest.",
    ),
    Endpoint(
        name="push_data", method="POST", path="/data", query=("tag*",), request=TAR_GZ, response="DataDetail",
        summary="Upload a directory as a new Data; it gets the tags in the same moment in which it becomes usable.",
    ),
    Endpoint(
        name="pull_data", method="GET", path="/data/{knitId}", response=TAR_GZ,
        summary="Download the content of a Data.",
    ),
    Endpoint(
        name="tag_data", method="PUT", path="/data/{knitId}", request="TagChange", response="DataDetail",
        summary="Change the tags of a Data: removals first, then additions.",
    ),
    Endpoint(
        name="data_details", method="GET", path="/data/{knitId}/details", response="Json",
        summary="Tell what Knit knows of a Data beyond Knitfab's fields: size, content id and more.",
    ),
    Endpoint(
        name="data_files", method="GET", path="/data/{knitId}/files", query=("path",),
        response=f"[FileEntry] or {LOG}",
        summary="List the names in a Data; with path, download the bytes of the one file of that name, or its Range.",
    ),
    Endpoint(
        name="data_lineage", method="GET", path="/data/{knitId}/lineage", query=_DEPTHS, response="Lineage",
        summary="Follow a Data to what made it and what was made from it; a depth is a number or all, 0 if left out.",
    ),
    Endpoint(
        name="data_outline", method="GET", path="/data/{knitId}/lineage/outline", query=(*_DEPTHS, "whole"),
        response="LineageOutline",
        summary="The same with no more than a card shows, for graphs of many thousand Runs; whole=true follows every "
        "arrow both ways, also to siblings and what they became.",
    ),
    Endpoint(
        name="find_plans", method="GET", path="/plans",
        query=("active", "image", "in_tag*", "out_tag*", "archived", *PAGED), response="[PlanDetail]",
        summary="Find Plans by activity, image, tags that one input asks for, tags that one output gives; those in the "
        "archive only with archived=true.",
    ),
    Endpoint(
        name="apply_plan", method="POST", path="/plans", query=("dry_run",), request="PlanSpec", response="Applied",
        summary="Register a Plan. With dry_run=true nothing is changed, and a DryRun says what would happen.",
    ),
    Endpoint(
        name="plan_schema", method="GET", path="/plans/schema", response="Json",
        summary="The JSON Schema of plan files.",
    ),
    Endpoint(
        name="show_plan", method="GET", path="/plans/{planId}", response="PlanDetail", summary="Show a Plan.",
    ),
    Endpoint(
        name="activate_plan", method="PUT", path="/plans/{planId}/active", response="PlanDetail",
        summary="Switch a Plan on: its waiting Runs are executed.",
    ),
    Endpoint(
        name="deactivate_plan", method="DELETE", path="/plans/{planId}/active", response="PlanDetail",
        summary="Switch a Plan off: its Runs are made, but wait.",
    ),
    Endpoint(
        name="edit_resources", method="PUT", path="/plans/{planId}/resources", request="ResourceChange",
        response="PlanDetail", summary="Change what the Runs of a Plan ask for: amounts are set, then unset.",
    ),
    Endpoint(
        name="edit_annotations", method="PUT", path="/plans/{planId}/annotations", request="AnnotationChange",
        response="PlanDetail", summary="Change the annotations of a Plan: removals first, then additions.",
    ),
    Endpoint(
        name="set_service_account", method="PUT", path="/plans/{planId}/serviceaccount", request="ServiceAccount",
        response="PlanDetail", summary="Set the service account of a Plan.",
    ),
    Endpoint(
        name="unset_service_account", method="DELETE", path="/plans/{planId}/serviceaccount", response="PlanDetail",
        summary="Take the service account from a Plan.",
    ),
    Endpoint(
        name="set_retry", method="PUT", path="/plans/{planId}/retry", request="RetryPolicy", response="Json",
        summary="Set how often the Runs of a Plan are tried, as a whole; the answer is that of its details.",
    ),
    Endpoint(
        name="unset_retry", method="DELETE", path="/plans/{planId}/retry", response="Json",
        summary="Try the Runs of a Plan once, as before it said otherwise; the answer is that of its details.",
    ),
    Endpoint(
        name="set_timeout", method="PUT", path="/plans/{planId}/timeout", request="Timeout", response="Json",
        summary="Set how long each attempt of a Plan's Runs may take; the answer is that of its details.",
    ),
    Endpoint(
        name="unset_timeout", method="DELETE", path="/plans/{planId}/timeout", response="Json",
        summary="Let the Runs of a Plan take as long as they like; the answer is that of its details.",
    ),
    Endpoint(
        name="archive_plan", method="PUT", path="/plans/{planId}/archive", response="PlanDetail",
        summary="Archive a Plan: it is hidden and matches nothing; what it made stays.",
    ),
    Endpoint(
        name="unarchive_plan", method="DELETE", path="/plans/{planId}/archive", response="PlanDetail",
        summary="Take a Plan out of the archive: it is matched with all Data there are.",
    ),
    Endpoint(
        name="plan_details", method="GET", path="/plans/{planId}/details", response="Json",
        summary="Tell what Knit knows of a Plan beyond Knitfab's fields.",
    ),
    Endpoint(
        name="plan_graph", method="GET", path="/plans/{planId}/graph", query=_DEPTHS, response="PlanGraph",
        summary="Follow a Plan to those that can feed it and those it can feed; depths as for the lineage.",
    ),
    Endpoint(
        name="find_runs", method="GET", path="/runs",
        query=("plan", "knitIdInput", "knitIdOutput", "status", "since", "duration", *ORDERED),
        response="[RunDetail]",
        summary="Find Runs; values of one member are joined by commas (any of them), members narrow each other.",
    ),
    Endpoint(
        name="show_run", method="GET", path="/runs/{runId}", response="RunDetail", summary="Show a Run.",
    ),
    Endpoint(
        name="abort_run", method="PUT", path="/runs/{runId}/abort", response="RunDetail",
        summary="Stop a Run and let it fail.",
    ),
    Endpoint(
        name="tearoff_run", method="PUT", path="/runs/{runId}/tearoff", response="RunDetail",
        summary="Stop a Run and keep what it has made so far as done.",
    ),
    Endpoint(
        name="retry_run", method="PUT", path="/runs/{runId}/retry", query=("downstream",), response="RunDetail",
        summary="Try a Run again that has ended; with downstream=true, what was made from it is deleted first.",
    ),
    Endpoint(
        name="delete_run", method="DELETE", path="/runs/{runId}", query=("downstream",),
        summary="Delete a Run and what it made; with downstream=true, what was made from that, too.",
    ),
    Endpoint(
        name="run_downstream", method="GET", path="/runs/{runId}/downstream", response="[RunDetail]",
        summary="List what was made from a Run: what downstream=true deletes, in that order.",
    ),
    Endpoint(
        name="run_details", method="GET", path="/runs/{runId}/details", response="Json",
        summary="Tell what Knit knows of a Run beyond Knitfab's fields: attempt, image digest, sandbox, its trouble.",
    ),
    Endpoint(
        name="run_log", method="GET", path="/runs/{runId}/log", query=("follow",), response=LOG,
        summary="Read the log of a Run; with follow, until the Run ends.",
    ),
    Endpoint(
        name="find_images", method="GET", path="/images", response="[Image]", summary="List the local images.",
    ),
    Endpoint(
        name="build_image", method="POST", path="/images", query=("name", "dockerfile", "arg*"), request=TAR_GZ,
        response=LINES,
        summary="Build an image: lines of {progress}, then one of {image} or {error}.",
    ),
    Endpoint(
        name="load_images", method="POST", path="/images/load", query=("name*",), request=TAR, response=LINES,
        summary="Load images from a docker-save or OCI archive: lines of {progress}, then one of {images} or {error}.",
    ),
    Endpoint(
        name="tag_image", method="PUT", path="/images", query=("name",), request="ImageName", response="Image",
        summary="Give an image a further name.",
    ),
    Endpoint(
        name="remove_image", method="DELETE", path="/images", query=("name",),
        summary="Take a name from an image; an image without names is deleted.",
    ),
    Endpoint(
        name="why", method="GET", path="/why", query=("id", "plan"), response="Why",
        summary="Explain why a Data (with regard to a Plan, if given), a Plan or a Run did what it did, or did not.",
    ),
    Endpoint(
        name="resolve", method="GET", path="/resolve", query=("prefix", "kind", "limit"), response="[Candidate]",
        summary="Find the ids that begin with prefix; kind is any of data,plan,run; without a prefix, the newest.",
    ),
    Endpoint(
        name="backend_push_data", method="POST", path="/backend/data", query=("tag*",), request=TAR_GZ,
        response="DataDetail", summary="The same as POST /data, where Knitfab's backend has it.",
    ),
    Endpoint(
        name="backend_pull_data", method="GET", path="/backend/data/{knitId}", response=TAR_GZ,
        summary="The same as GET /data/{knitId}, where Knitfab's backend has it.",
    ),
    Endpoint(
        name="backend_run_log", method="GET", path="/backend/runs/{runId}/log", query=("follow",), response=LOG,
        summary="The same as GET /runs/{runId}/log, where Knitfab's backend has it.",
    ),
    Endpoint(
        name="import_begin", method="POST", path="/data/import/begin", response=JWT,
        summary="Begin an import: the answer is a token, whose sub is an empty folder to put files into.",
    ),
    Endpoint(
        name="import_end", method="POST", path="/data/import/end", request=JWT, response="DataDetail",
        summary="End an import: the folder of the token becomes a Data.",
    ),
    Endpoint(
        name="backend_import_begin", method="POST", path="/backend/data/import/begin", response=JWT,
        summary="The same as POST /data/import/begin, where Knitfab's backend has it.",
    ),
    Endpoint(
        name="backend_import_end", method="POST", path="/backend/data/import/end", request=JWT, response="DataDetail",
        summary="The same as POST /data/import/end, where Knitfab's backend has it.",
    ),
    Endpoint(
        name="openapi", method="GET", path="/openapi.json", response="Json",
        summary="Describe this API in OpenAPI 3.1.",
    ),
    Endpoint(
        name="tags", method="GET", path="/tags", query=("prefix", "limit"), response="[TagUse]",
        summary="List tags that Data carry and whose text begins with prefix, with how many carry each.",
    ),
    Endpoint(
        name="events", method="GET", path="/events", response=EVENTS,
        summary="Follow all changes; Last-Event-ID resumes, `reset` tells the reader to start over.",
    ),
    Endpoint(
        name="health", method="GET", path="/health", response="Json",
        summary="Tell how the server is: version, executor, capacity, Runs by status, store, database.",
    ),
    Endpoint(
        name="health_checks", method="GET", path="/health/checks", response="[Check]",
        summary="Look whether database, store and disk do what they must, and tell what to do where they do not.",
    ),
)  # fmt: skip


def endpoint(name: str) -> Endpoint:
    """Return the endpoint of that name. Raises `KeyError`."""
    return _BY_NAME[name]


_BY_NAME = {each.name: each for each in ENDPOINTS}
