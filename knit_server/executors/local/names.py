"""Names of images: `[host[:port]/][namespace/]name[:tag]`, compared in one spelling."""

from __future__ import annotations

import re

from knit_server.domain.errors import InvalidInput

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:\d))(?::\d+)?"
_NAME = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?")


def full_name(name: str) -> str:
    """`name` with its tag, `latest` where it has none. Raises `InvalidInput` for what is no image name."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not an image name",
            advice="Write it as [host[:port]/][namespace/]name[:tag], with a lower-case name, such as team/cutter:1.0.",
        )
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
