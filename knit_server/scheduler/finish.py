"""Ending a Run: what it made is stored, made usable, matched, and kept at hand for the next one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from knit_server.content.door import translated
from knit_server.content.restore import remove_tree
from knit_server.domain.errors import KnitError, OutOfSpace, Unavailable
from knit_server.domain.plans import IMPORTED, UPLOADED
from knit_server.domain.runs import STUCK, Exit, Run, Status
from knit_server.scheduler import launch, relief
from knit_server.service import data as data_service
from knit_server.service import lifecycle
from knit_server.service.context import Context
from knit_server.service.garbage import Swept
from knit_server.service.lifecycle import Work
from knit_server.storage import Snapshot

log = logging.getLogger("knit.scheduler")

Checkpoint = Callable[[str], None]

CUT_OFF = {
    UPLOADED: Exit(STUCK, "the upload was cut off"),
    IMPORTED: Exit(STUCK, "the import was not ended in time"),
}
"""How Runs of built-in Plans end that nobody goes on with."""

_NAMED = 5  # files named in a remark; the others are counted


def finish(ctx: Context, work: Work, checkpoint: Checkpoint, remarks: Sequence[str] = ()) -> Run:
    """Store outputs and log, end the Run, tidy up. Raises `KnitError`; may be repeated. Blocks, so not for the loop.

    `remarks` say what of the outputs is lost already. Nobody is woken before finished trees are in the cache: the next
    Run of a chain finds its inputs there.
    """
    if work.plan.name is not None and not (work.plan.name == IMPORTED and work.run.status is Status.COMPLETING):
        data_service.fail_upload(ctx, work.run.run_id, CUT_OFF[work.plan.name].message)
        with contextlib.suppress(KnitError):  # the sweep will tidy up
            tidy(ctx, work)
        return lifecycle.present(ctx, work.run.run_id)
    with ctx.signals.deferred():
        run, snapshots = _end(ctx, work, checkpoint, remarks)
        checkpoint("finished")
        try:
            if run.status is Status.DONE and work.plan.spec is not None:  # others may still write to an import
                _adopt(ctx, work, snapshots)
            checkpoint("adopted")
            tidy(ctx, work)
        except KnitError as err:  # the Run has ended, come what may: the cache can do without, the sweep will tidy up
            log.warning("Run %s is %s, but its folder stays for now: %s", run.run_id, run.status.value, err.reason)
    return run


def _end(ctx: Context, work: Work, checkpoint: Checkpoint, remarks: Sequence[str]) -> tuple[Run, dict[str, Snapshot]]:
    """Store what the Run made and end it; once more if chunks that it shares were deleted in between."""
    for last in (False, True):
        skipped = list(remarks)
        try:
            snapshots = _store(ctx, work, skipped.append)
        except OutOfSpace:
            if work.run.status is not Status.ABORTING or not relief.drop_outputs(ctx, work):
                raise
            skipped = [relief.REMARK]
            snapshots = _store(ctx, work, skipped.append)
        checkpoint("stored")
        try:
            return lifecycle.finish(ctx, work, snapshots, _remark(skipped)), snapshots
        except Swept:
            if last:
                raise
    raise AssertionError("the second try returns or raises")


def tidy(ctx: Context, work: Work) -> None:
    """Remove the folders of all attempts of a Run; a Run that a user ended before its first has number 0."""
    for number in range(work.run.attempt + 1):
        folder = ctx.folder(work.attempt._replace(number=number)).path
        if folder.exists():
            remove_tree(folder)


def _store(ctx: Context, work: Work, skipped: Callable[[str], None]) -> dict[str, Snapshot]:
    places = _places(ctx, work)
    if not places:
        return {}
    with ctx.store.writer(
        data_service.known(ctx), has_content=lambda content_id: data_service.has_content(ctx, content_id)
    ) as writer:
        return {knit_id: writer.add_directory(place, warn=skipped) for knit_id, place in places.items()}


def _remark(skipped: list[str]) -> str | None:
    """Say what of the outputs could not be kept."""
    if len(skipped) > _NAMED:
        skipped = [*skipped[:_NAMED], f"and {len(skipped) - _NAMED} more"]
    return "; ".join(skipped) or None


def _places(ctx: Context, work: Work) -> dict[str, Path]:
    """Return where each of the Run's Data lies; those that were never begun are left out if the Run failed.

    A folder that the program itself removed is an empty result; that the whole attempt is gone is nobody's word.
    """
    folder = ctx.folder(work.attempt)
    places: dict[str, Path] = {
        each.knit_id: folder.log if each.path is None else folder.output(index) for index, each in enumerate(work.made)
    }
    missing = [place for place in places.values() if not place.is_dir()]
    if not missing:
        return places
    if work.run.status is not Status.COMPLETING:
        return {knit_id: place for knit_id, place in places.items() if place.is_dir()}
    if not folder.path.exists() and not _stopped_early(work):
        raise Unavailable(f"the folder of this Run's results is gone: {folder.path}", advice="Put it back.")
    with translated(f"making the folder of Run {work.run.run_id}"):
        launch.make_outputs(folder, work)
    return places


def _stopped_early(work: Work) -> bool:
    """Whether a user ended the Run, perhaps before it had a folder: then its results are empty by his word."""
    return work.run.exit is not None and work.run.exit.code == 0 and bool(work.run.exit.message)


def _adopt(ctx: Context, work: Work, snapshots: dict[str, Snapshot]) -> None:
    folder = ctx.folder(work.attempt)
    for index, each in enumerate(work.made):
        snapshot = snapshots.get(each.knit_id)
        if each.path is not None and snapshot is not None and snapshot.exact:
            ctx.trees.adopt(snapshot.content_id, folder.output(index))
