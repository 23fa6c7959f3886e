"""Names of container images as Plans write them: `[host[:port]/][namespace/]name[:tag]`.

Rules: docs/rules.md, "Image names". No registry and no namespace is ever implied.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from knit_server.domain.errors import InvalidInput

LATEST = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?"
_REPOSITORY = re.compile(rf"(?:(?P<host>{_HOST})/)?{_COMPONENT}(?:/{_COMPONENT})*")
_MAX_REPOSITORY = 255
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class ImageName(NamedTuple):
    """A repository and a tag."""

    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def parse(text: str) -> ImageName:
    """Read an image name; without a tag it means `latest`. Raises `InvalidInput`."""
    repository, tag = split(text)
    name = ImageName(repository, LATEST if tag is None else tag)
    if "@" in text:
        raise InvalidInput(f"image {text[:300]!r} names a digest", advice="Name an image by tag: name:tag.")
    if not _is_repository(name.repository) or not _TAG.fullmatch(name.tag):
        raise InvalidInput(
            f"not an image name: {text[:300]!r}",
            advice="Write [host[:port]/][namespace/]name[:tag] in lower case, for example lab/segment:2.1.",
        )
    return name


def split(text: str) -> tuple[str, str | None]:
    """Cut `text` into repository and tag (None if there is none); a port of the host is no tag."""
    head, slash, tail = text.rpartition("/")
    name, colon, tag = tail.partition(":")
    return head + slash + name, tag if colon else None


def _is_repository(text: str) -> bool:
    """Whether `text` is a repository; a host is told from a namespace by the dot or colon in it."""
    match = _REPOSITORY.fullmatch(text) if len(text) <= _MAX_REPOSITORY else None
    host = match and match["host"]
    return match is not None and (not host or "." in host or ":" in host or host == host.lower())
