"""Where in an archive the images are: by `manifest.json` (docker save), else by `index.json` (OCI image layout).

Both formats are public: the OCI Image Format Specification ("Image Layout", "Image Index", "Image Manifest"), and the
"Docker Image Specification v1.2", section "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import platform as machine
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from knit_server.content.archives.config import document, platform_of
from knit_server.content.archives.stream import AGAIN
from knit_server.domain.errors import InvalidInput, Unsupported

DOCUMENT = 4 * 1024**2
"""Bytes of the longest JSON in an archive; what OCI registries accept at most."""

_DEEPEST = 4  # an index in an index in an index: more is no real archive
_MOST = 1000  # images, and layers of an image
_ARCHITECTURES = {
    "x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm", "armv6l": "arm",
    "i386": "386", "i686": "386", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
    "loongarch64": "loong64",
}  # fmt: skip
_DIGEST = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")
_BLOB = re.compile(r"([a-z0-9]+):([0-9a-f]{32,})")
_ONLY_A_TAG = re.compile(r"latest|v?\d[\w.-]*")
_HUB = re.compile(r"(?:index\.)?docker\.io/(?:library/)?")
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")

Read = Callable[[str], bytes | None]
"""Gives a small file of the archive by its path, None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image in an archive: paths of its configuration and layers, and its names.

    `digest` is what the configuration's SHA-256 must be, as far as the archive says. `group` is the same for what is
    one image for several platforms. `config` is "" where an index names an image that is not in the archive.
    """

    config: str
    layers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    digest: str = ""
    platform: str = ""
    group: int = 0


def find(read: Read) -> list[Found]:
    """Find the images of an archive, in its order. Raises `InvalidInput`, also if there is none."""
    manifest = read("manifest.json")
    listed = None if manifest is None else document(manifest, "manifest.json")
    if isinstance(listed, list):
        found = [_saved(number, each) for number, each in enumerate(listed[:_MOST])]
    elif (index := read("index.json")) is not None:
        found = list(_indexed(read, document(index, "index.json")))
    else:
        raise InvalidInput(
            "this is no archive of an image: it has neither a manifest.json nor an index.json", advice=AGAIN
        )
    if not found:
        raise InvalidInput("no image found: the archive lists none", advice=AGAIN)
    return found


def this_machine() -> str:
    """The platform of images that run here: os/architecture."""
    return f"linux/{platform(machine.machine())}"


def platform(kernel: str) -> str:
    """The architecture as images name it, from the kernel's word for it."""
    return _ARCHITECTURES.get(kernel.lower(), kernel.lower())


def runs_on(image: str, here: str) -> bool:
    """Whether an image for the platform `image` runs on the machine `here`; one that says nothing is believed to."""
    return not image or image == here or image.startswith(here + "/")


# --- docker save ------------------------------------------------------------------------------------------------------


def _saved(number: int, entry: object) -> Found:
    members = _object(entry, "manifest.json")
    config = members.get("Config")
    if not isinstance(config, str):
        raise _broken("manifest.json")
    config = _normal(config)
    named = _DIGEST.fullmatch(config)
    return Found(
        config=config,
        layers=tuple(map(_normal, _texts(members.get("Layers"), "manifest.json"))),
        names=_texts(members.get("RepoTags"), "manifest.json"),
        digest=f"sha256:{named[1]}" if named else "",
        group=number,
    )


# --- OCI --------------------------------------------------------------------------------------------------------------


def _indexed(read: Read, index: object) -> Iterator[Found]:
    listed = _descriptors(index, "manifests", "index.json")
    for number, descriptor in enumerate(listed):
        for found in _leaves(read, descriptor, _DEEPEST):
            yield replace(found, names=_names(descriptor), group=number)


def _leaves(read: Read, descriptor: Mapping[str, Any], depth: int) -> Iterator[Found]:
    """Give the images that a descriptor leads to: one, or one for each platform of an index."""
    asked = descriptor.get("platform")
    platform_asked = platform_of(asked) if isinstance(asked, dict) else ""
    if _is_attestation(descriptor, platform_asked):
        return
    path = _blob(descriptor)
    data = read(path)
    if data is None:
        yield Found(config="", platform=platform_asked)
        return
    members = _object(document(data, path), path)
    if "manifests" in members:
        if depth == 0:
            raise InvalidInput("the archive has indexes within indexes without end", advice=AGAIN)
        for each in _descriptors(members, "manifests", path):
            yield from _leaves(read, each, depth - 1)
        return
    config = _object(members.get("config"), path)
    if "image" not in str(config.get("mediaType", "image")):
        return  # an artifact of another kind, such as a signature
    layers = _descriptors(members, "layers", path)
    yield Found(
        config=_blob(config), layers=tuple(map(_blob, layers)), digest=str(config["digest"]), platform=platform_asked
    )


def _is_attestation(descriptor: Mapping[str, Any], platform_asked: str) -> bool:
    notes = descriptor.get("annotations")
    return platform_asked.startswith("unknown/") or (isinstance(notes, dict) and "vnd.docker.reference.type" in notes)


def _names(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that the annotations give. A reference that is only a tag ("latest", "1.0") names nothing."""
    notes = descriptor.get("annotations")
    if not isinstance(notes, dict):
        return ()
    for key in _NAMES:
        name = notes.get(key)
        if isinstance(name, str) and name and not _ONLY_A_TAG.fullmatch(name):
            return (_HUB.sub("", name, count=1) if _HUB.match(name) else name,)
    return ()


def _blob(descriptor: Mapping[str, Any]) -> str:
    """The path of what a descriptor describes. Raises `InvalidInput`, `Unsupported` for other digests than SHA-256."""
    digest = descriptor.get("digest")
    match = _BLOB.fullmatch(digest) if isinstance(digest, str) else None
    if match is None:
        raise InvalidInput(f"the archive has a descriptor with an impossible digest: {digest!r}", advice=AGAIN)
    if match[1] != "sha256":
        raise Unsupported(f"the archive has digests of the kind {match[1]}; sha256 is read", advice=AGAIN)
    return f"blobs/{match[1]}/{match[2]}"


def _descriptors(members: object, name: str, where: str) -> list[Mapping[str, Any]]:
    listed = _object(members, where).get(name)
    if not isinstance(listed, list) or len(listed) > _MOST:
        raise _broken(where)
    return [_object(each, where) for each in listed]


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _broken(where)
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    texts = [] if value is None else value
    if not isinstance(texts, list) or len(texts) > _MOST or not all(isinstance(each, str) for each in texts):
        raise _broken(where)
    return tuple(texts)


def _normal(path: str) -> str:
    """A path inside the archive as its members are named. Nothing is opened by it, so it cannot lead anywhere else."""
    return posixpath.normpath("/" + path).lstrip("/")


def _broken(where: str) -> InvalidInput:
    return InvalidInput(f"the archive has a broken {where}", advice=AGAIN)
