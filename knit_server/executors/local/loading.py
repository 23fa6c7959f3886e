"""From a stream with an archive of images to root file systems: received, chosen, verified, unpacked.

The archive is kept in a private folder first, because what lies at its end says in which order its layers belong.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from knit_server.content import archives
from knit_server.content.archives import Config, Found, Member, Stream, read_config
from knit_server.content.archives.layout import DOCUMENT, runs_on
from knit_server.content.archives.members import Tally
from knit_server.content.archives.stream import AGAIN, Source
from knit_server.content.door import show, translated
from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.executors.local.rootfs import RootFs

_MOST_MEMBERS = 100_000  # of the archive itself; each image has some and a few for each layer
_MOST_LINKS = 8
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A file of the archive as it was received: where it lies now, and its SHA-256 in hexadecimal digits."""

    file: Path
    sha256: str


@dataclass(frozen=True)
class Choice:
    """An image of the archive that runs here: its configuration, verified, and that configuration's digest."""

    found: Found
    config: Config
    digest: str
    names: tuple[str, ...]


@dataclass
class Received:
    """An archive on this disk, by the names of its members."""

    parts: dict[str, Part] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        """The file of that name, links followed. Raises `InvalidInput` where it is missing or not what it is named."""
        target = name
        for _ in range(_MOST_LINKS):
            if target not in self.links:
                break
            target = self.links[target]
        part = self.parts.get(target)
        if part is None:
            raise InvalidInput(f"the archive lacks {show(name)}", advice=AGAIN)
        named = _BLOB.fullmatch(target)
        if named is not None and named[1] != part.sha256:
            raise InvalidInput(f"the archive is damaged: {show(name)} is not what its digest says", advice=AGAIN)
        return part

    def read(self, name: str) -> bytes | None:
        """A small file, verified like every part; None if there is none of that name."""
        if name not in self.parts and name not in self.links:
            return None
        file = self.part(name).file
        if file.stat().st_size > DOCUMENT:
            raise InvalidInput(f"{show(name)} of the archive is longer than {DOCUMENT} bytes", advice=AGAIN)
        return file.read_bytes()


def receive(source: Source, folder: Path) -> Received:
    """Keep every file of an archive in `folder`, under numbers. Raises `InvalidInput`, `OutOfSpace`."""
    received = Received()
    for number, member in enumerate(archives.members(Stream(source))):
        if number >= _MOST_MEMBERS:
            raise InvalidInput(f"the archive has more than {_MOST_MEMBERS} members", advice=AGAIN)
        if member.kind == "file":
            with translated("receiving the archive"):
                received.parts[member.path] = _keep(member, folder / str(number))
            received.links.pop(member.path, None)
        elif member.kind == "symlink":  # how docker save names a layer that two images share
            beside = posixpath.join("/", posixpath.dirname(member.path), member.header.link)
            received.links[member.path] = posixpath.normpath(beside).lstrip("/")
        elif member.kind == "link":
            received.links[member.path] = member.original()
    return received


def choose(received: Received, names: Sequence[str], tell: Tell) -> list[Choice]:
    """The images of the archive that run on this machine; with `names`, the only one there is gets these.

    Raises `InvalidInput` for what is broken or has no name, `Unsupported` if there is nothing for this machine.
    """
    groups: dict[int, list[Choice]] = {}
    others: list[str] = []
    here = archives.this_machine()
    for found in archives.find(received.read):
        if not found.config:
            others.append(found.platform)
            continue
        choice = _verified(received, found)
        if not runs_on(choice.config.platform, here):
            others.append(choice.config.platform)
        else:
            groups.setdefault(found.group, []).append(choice)
    if not groups:
        raise Unsupported(
            f"the archive has no image for {here}, only for {', '.join(sorted(set(filter(None, others)))) or 'others'}",
            advice=f"Save it for this machine: docker pull --platform {here} NAME, then docker save NAME -o FILE.",
        )
    if others:
        tell(f"left out, because this machine is {here}: {', '.join(sorted(set(others)))}")
    return _named([group[0] for group in groups.values()], names)


def unpack(received: Received, choice: Choice, root: Path, tell: Tell) -> RootFs:
    """Unpack the layers of an image into the new folder `root`, verified. Raises `InvalidInput`, `OutOfSpace`."""
    layers, diff_ids = choice.found.layers, choice.config.diff_ids
    if len(layers) != len(diff_ids):
        raise InvalidInput(
            f"the image has {len(layers)} layers, but its configuration names {len(diff_ids)}", advice=AGAIN
        )
    made, tally = RootFs(root), Tally()
    for number, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True), 1):
        name = f"layer {number} of {len(layers)}"
        tell(f"unpacking {name}")
        file = received.part(layer).file
        if number > 1:  # nothing lies below the first
            with _opened(file, name) as stream:
                made.hide(_members(stream, Tally()))
        with _opened(file, name) as stream:
            made.add(_members(stream, tally))
            if f"sha256:{stream.sha256}" != diff_id:
                raise InvalidInput(f"{name} is damaged: it is not what the image's diff_ids say", advice=AGAIN)
    made.finish()
    return made


def notes(choice: Choice, made: RootFs) -> list[str]:
    """What people should know of the image: what of it has no effect here."""
    told = []
    if choice.config.user.partition(":")[0] not in ("", "0", "root"):
        told.append(f"USER {choice.config.user} has no effect here: programs run as the user that runs Knit")
    if made.odd:
        more = " and more" if made.odd > len(made.left_out) else ""
        told.append(f"{made.odd} devices or pipes are left out: {', '.join(map(show, made.left_out))}{more}")
    return told


def _keep(member: Member, place: Path) -> Part:
    digest = hashlib.sha256()
    with place.open("xb") as file:
        for block in member.blocks():
            digest.update(block)
            file.write(block)
    os.chmod(place, 0o600)
    return Part(place, digest.hexdigest())


def _verified(received: Received, found: Found) -> Choice:
    part = received.part(found.config)
    digest = f"sha256:{part.sha256}"
    if found.digest and found.digest != digest:
        raise InvalidInput("the archive is damaged: a configuration is not what its digest says", advice=AGAIN)
    return Choice(found, read_config(received.read(found.config) or b""), digest, found.names)


def _named(choices: list[Choice], names: Sequence[str]) -> list[Choice]:
    """Give every image its names: those asked for, else its own. Raises `InvalidInput` if one has none."""
    merged: dict[str, Choice] = {}
    for each in choices:
        before = merged[each.digest].names if each.digest in merged else ()
        merged[each.digest] = Choice(each.found, each.config, each.digest, tuple(dict.fromkeys(before + each.names)))
    if names and len(merged) > 1:
        theirs = ", ".join(name for each in merged.values() for name in each.names) or "without names"
        raise InvalidInput(
            f"the archive has {len(merged)} images ({theirs}), so none of them can be given a name",
            advice="Load them under their own names, without --tag, or save one of them alone.",
        )
    found = [Choice(each.found, each.config, each.digest, tuple(names) or each.names) for each in merged.values()]
    if not all(each.names for each in found):
        raise InvalidInput("the archive gives an image no name", advice="Name it: --tag NAME:TAG")
    return found


@contextmanager
def _opened(file: Path, name: str) -> Iterator[Stream]:
    with file.open("rb") as raw:
        yield Stream(raw, name)


def _members(stream: Stream, tally: Tally) -> Iterable[Member]:
    return archives.members(stream, tally)
