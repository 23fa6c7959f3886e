"""Use cases about local images: build, load, list, name, remove."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from knit_server.content import tarball
from knit_server.content.restore import remove_tree
from knit_server.executors.base import Image
from knit_server.service.context import Context


def build(
    ctx: Context,
    context: BinaryIO,
    name: str,
    *,
    dockerfile: str = "Dockerfile",
    build_args: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Image:
    """Build an image from a tar.gz stream of its context. Raises `InvalidInput`, `Unsupported` or `OutOfSpace`."""
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=ctx.home / "uploads"))
    try:
        tarball.extract(context, folder)
        return ctx.executor.images.build(folder, name, dockerfile=dockerfile, build_args=build_args, progress=progress)
    finally:
        remove_tree(folder)


def load(
    ctx: Context, archive: BinaryIO, names: Sequence[str] = (), *, progress: Callable[[str], None] = lambda line: None
) -> Sequence[Image]:
    """Load the images of a docker-save or OCI archive under `names`, else their own; all of them or none.

    Raises `InvalidInput`, `Unsupported` or `OutOfSpace`.
    """
    loaded = ctx.executor.images.load(archive, names, progress=progress)
    if ctx.executor.describe().sandbox == "substitution":
        progress("warning: this server has no bubblewrap, so it cannot run loaded images; Runs of them will fail")
    return loaded


def find(ctx: Context) -> list[Image]:
    """Return all images, the newest last."""
    return ctx.executor.images.list()


def tag(ctx: Context, name: str, new: str) -> Image:
    """Give an image a further name. Raises `NotFound`."""
    return ctx.executor.images.tag(name, new)


def remove(ctx: Context, name: str) -> None:
    """Take a name from an image; one without names is deleted. Raises `NotFound`."""
    ctx.executor.images.remove(name)
