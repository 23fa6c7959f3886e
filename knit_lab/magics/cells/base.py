"""The image that cells run in where none is named: the packages of the server's own Python environment.

Made once, by `FROM knit/environment` (docs/images.md), under a name that follows from the packages at hand: after an
installation there is a new one. It is meant for a server that runs in the environment of this notebook; one that runs
another minor version of Python is told from that.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from knit_server.domain import images
from knit_server.domain.errors import InvalidInput, KnitError, NotFound, Unsupported

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient
    from knit_server.wire import shapes

REPOSITORY = "knit/environment"
_NAME_ONE = "Name an image that has Python and your packages: --image NAME[:TAG]"


def name() -> str:
    """Return the name of the image for the packages that this Python has now."""
    folders = sorted({sysconfig.get_path(kind) for kind in ("purelib", "platlib")})
    found = {f"{each.metadata['Name']}=={each.version}" for each in importlib.metadata.distributions(path=folders)}
    words = "\n".join([_minor(sys.version), *sorted(found)])
    return f"{REPOSITORY}:{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def ensure(client: KnitClient, wanted: str, say: Callable[[str], None]) -> None:
    """Have the server make the image `wanted`, unless it has it. Raises `Unsupported` if it cannot lend its Python."""
    image = _found(client, wanted) or _built(client, wanted, say)
    if _minor(image["python"]) != _minor(sys.version):
        raise Unsupported(
            f"the server runs Python {_minor(image['python'])}, this notebook {_minor(sys.version)}: "
            "its environment is not this one",
            advice=_NAME_ONE,
        )


def tell_missing(client: KnitClient, image: str, say: Callable[[str], None]) -> None:
    """Say so if a server with images of its own has none of this name: a Plan may come before its image."""
    try:
        wanted = str(images.parse(image))
        known = [name for each in client.find_images() for name in each["names"]]
    except (InvalidInput, NotFound):  # no name, which applying tells; or an executor that fetches images by itself
        return
    if wanted not in known:
        say(f"the server has no image {wanted} yet: Runs fail until it is built or loaded (%knit image build?)")


def _found(client: KnitClient, wanted: str) -> shapes.Image | None:
    try:
        return next((each for each in client.find_images() if wanted in each["names"]), None)
    except (InvalidInput, NotFound) as err:
        raise _cannot(err) from err


def _built(client: KnitClient, wanted: str, say: Callable[[str], None]) -> shapes.Image:
    say(f"image {wanted}: made of the server's Python environment, this once ...")
    with tempfile.TemporaryDirectory(prefix="knit-image-") as folder:
        Path(folder, "Dockerfile").write_text(f"FROM {REPOSITORY}\n", encoding="utf-8")
        try:
            return client.build_image(folder, wanted)
        except InvalidInput as err:
            raise _cannot(err) from err


def _cannot(err: KnitError) -> Unsupported:
    return Unsupported(f"this server cannot lend its Python environment to Runs: {err.reason}", advice=_NAME_ONE)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
