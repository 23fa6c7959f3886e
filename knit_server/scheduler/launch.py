"""Bringing a claimed Run to life: its inputs on this machine, its folders, its program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from knit_server.content.door import translated
from knit_server.content.restore import remove_tree
from knit_server.domain.data import Content
from knit_server.executors.base import Attempt, Mount
from knit_server.scheduler import again
from knit_server.service import data as data_service
from knit_server.service.context import Context, RunFolder
from knit_server.service.lifecycle import Work, needs
from knit_server.storage import Pin


class Staged:
    """What lies ready for an attempt. The pins keep its inputs from being trimmed; `release` gives them back."""

    def __init__(self) -> None:
        self.inputs: list[Mount] = []
        self.outputs: list[Mount] = []
        self._pins = contextlib.ExitStack()

    def hold(self, pin: Pin) -> None:
        """Keep `pin` until `release`."""
        self._pins.callback(pin.release)

    def release(self) -> None:
        """Give the inputs' pins back; may be repeated."""
        self._pins.close()


def stage(ctx: Context, work: Work) -> Staged:
    """Make the folders of an attempt and bring its inputs here. Raises `KnitError`; blocks, so not for the loop."""
    folder = ctx.folder(work.attempt)
    with translated(f"making the folder of Run {work.run.run_id}"):
        if folder.path.exists():  # left by a crash between claiming and starting
            remove_tree(folder.path)
    if work.plan.retry is not None:
        again.take_over(ctx, work)
    with translated(f"making the folder of Run {work.run.run_id}"):
        outputs = make_outputs(folder, work)
        folder.work.mkdir(parents=True)
    staged = Staged()
    staged.outputs += [Mount(path=path, host=place) for path, place in outputs.items()]
    try:
        for assignment, content in work.inputs:
            staged.hold(ctx.trees.pin(content.content_id))
            tree = ctx.trees.get(content.content_id, _filler(ctx, content))
            staged.inputs.append(Mount(path=assignment.path, host=tree))
    except BaseException:
        staged.release()
        raise
    return staged


def make_outputs(folder: RunFolder, work: Work) -> dict[str, Path]:
    """Make an attempt's empty outputs, by path, and its empty log. Raises `OSError`."""
    places: dict[str, Path] = {}
    for index, made in enumerate(work.made):
        place = folder.log if made.path is None else folder.output(index)
        place.mkdir(parents=True, exist_ok=True)
        if made.path is None:
            folder.log_file.touch()  # it can be read before the program says its first word
        else:
            places[made.path] = place
    return places


def timeout(work: Work) -> int | None:
    """Return how long an attempt may run, in milliseconds."""
    return work.plan.spec.timeout if work.plan.spec else None


def attempt(ctx: Context, work: Work, staged: Staged, env: Mapping[str, str] | None = None) -> Attempt:
    """Describe the attempt to the executor; `env` are variables that hooks give to its program."""
    spec = work.plan.spec
    assert spec is not None, "uploads have no program"
    folder = ctx.folder(work.attempt)
    asked = needs(work.plan)
    return Attempt(
        id=work.attempt,
        image=str(spec.image),
        entrypoint=spec.entrypoint,
        args=spec.args,
        inputs=staged.inputs,
        outputs=staged.outputs,
        log=folder.log_file if spec.log is not None else None,
        folder=folder.work,
        cpu=asked.cpu or None,
        memory=asked.memory or None,
        env=env or {},
    )


def _filler(ctx: Context, content: Content) -> Callable[[Path], None]:
    def fill(dest: Path) -> None:
        manifest = ctx.store.manifest(content.manifest)
        with data_service.distrusting(ctx, manifest):
            ctx.store.materialise(manifest, dest)

    return fill
