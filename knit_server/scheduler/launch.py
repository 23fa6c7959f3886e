"""Bringing a claimed Run to life: its inputs on this machine, its folders, its program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from knit_server.content.restore import remove_tree
from knit_server.domain.data import Content
from knit_server.executors.base import Attempt, Mount
from knit_server.service.context import Context
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
    if folder.path.exists():  # left by a crash between claiming and starting
        remove_tree(folder.path)
    folder.work.mkdir(parents=True)
    staged = Staged()
    try:
        for assignment, content in work.inputs:
            staged.hold(ctx.trees.pin(content.content_id))
            tree = ctx.trees.get(content.content_id, _filler(ctx, content))
            staged.inputs.append(Mount(path=assignment.path, host=tree))
    except BaseException:
        staged.release()
        raise
    for index, made in enumerate(work.made):
        if made.path is None:
            folder.log.mkdir(parents=True)
        else:
            folder.output(index).mkdir(parents=True)
            staged.outputs.append(Mount(path=made.path, host=folder.output(index)))
    return staged


def attempt(ctx: Context, work: Work, staged: Staged) -> Attempt:
    """Describe the attempt to the executor."""
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
    )


def _filler(ctx: Context, content: Content) -> Callable[[Path], None]:
    return lambda dest: ctx.store.materialise(ctx.store.manifest(content.manifest), dest)
