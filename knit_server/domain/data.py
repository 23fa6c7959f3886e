"""Data: immutable directories, made by exactly one output of one Run.

Rules: docs/rules.md, "Data".
"""

from __future__ import annotations

from dataclasses import dataclass

from knit_server.domain import tags, times
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag, Tags


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a Data holds. `size` is the sum of its files in bytes.

    `content_id` names the tree with its times and modes, `bytes_id` what programs read in it (no times); `manifest` is
    where the list of its chunks rests.
    """

    content_id: str
    bytes_id: str
    manifest: str
    size: int
    files: int


@dataclass(frozen=True, kw_only=True)
class Data:
    """A Data as known now. `path` is its output's mount path, None for a log; `timestamp` is in milliseconds.

    `tags` are the user's; `status` is that of the Run that makes it.
    """

    knit_id: KnitId
    tags: Tags
    run_id: RunId
    path: str | None
    timestamp: int | None = None
    status: Status = Status.DONE
    content: Content | None = None


def transient(status: Status) -> str | None:
    """Return the value of `knit#transient` that a Data of a Run in `status` carries, or None."""
    if status is Status.DONE:
        return None
    return tags.FAILED if status in (Status.FAILED, Status.INVALIDATED) else tags.PROCESSING


def effective_tags(data: Data) -> Tags:
    """Return the user's tags and the system tags derived from the Data itself, in normal form."""
    derived = [Tag(tags.ID, data.knit_id)]
    if data.timestamp is not None:
        derived.append(Tag(tags.TIMESTAMP, times.format_instant(data.timestamp)))
    if (state := transient(data.status)) is not None:
        derived.append(Tag(tags.TRANSIENT, state))
    return tags.normal([*data.tags, *derived])
