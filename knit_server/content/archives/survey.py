"""What an archive's images run, found in one pass over a stream: layers are read over, never kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knit_server.content.archives.config import Config, document, read_config
from knit_server.content.archives.layout import DOCUMENT, Found, find, runs_on, this_machine
from knit_server.content.archives.members import members
from knit_server.content.archives.stream import Source, Stream
from knit_server.domain.errors import InvalidInput

_MOST = 64 * 1024**2  # bytes of all JSON that is kept; real archives have some kilobytes


@dataclass(frozen=True)
class Candidate:
    """An image of the archive: its names, and what it runs."""

    names: tuple[str, ...]
    config: Config


def survey(source: Source) -> list[Candidate]:
    """Read a whole archive and return its images, one for each configuration. Raises `InvalidInput`.

    Of an image for several platforms, the one for this machine counts, else the first.
    """
    kept: dict[str, bytes] = {}
    total = 0
    for member in members(Stream(source)):
        if member.kind != "file" or not 0 < member.header.size <= DOCUMENT:
            continue
        data = member.read(1)
        if data not in (b"{", b"["):
            continue
        data += b"".join(member.blocks())
        total += len(data)
        if total > _MOST:
            raise InvalidInput("the archive has too much JSON in it", advice="Is it the archive of an image?")
        kept[member.path] = data
    if "manifest.json" not in kept and "index.json" not in kept:
        return [Candidate((), read_config(data)) for path, data in kept.items() if _is_config(path, data)]
    return [_candidate(found, kept) for found in _one_each(find(kept.get), kept)]


def _one_each(found: Iterable[Found], kept: dict[str, bytes]) -> list[Found]:
    """One of each group, that for this machine if there is one, and each configuration once."""
    groups: dict[int, list[Found]] = {}
    for each in found:
        if each.config in kept:
            groups.setdefault(each.group, []).append(each)
    here = this_machine()
    chosen: dict[str, Found] = {}
    for group in groups.values():
        one = next((each for each in group if each.platform and runs_on(each.platform, here)), group[0])
        before = chosen.get(one.config)
        names = (*(before.names if before else ()), *one.names)
        chosen[one.config] = Found(config=one.config, names=tuple(dict.fromkeys(names)))
    return list(chosen.values())


def _candidate(found: Found, kept: dict[str, bytes]) -> Candidate:
    return Candidate(found.names, read_config(kept[found.config]))


def _is_config(path: str, data: bytes) -> bool:
    try:
        members_of = document(data, path)
    except InvalidInput:
        return False
    return isinstance(members_of, dict) and {"os", "architecture", "rootfs"} <= members_of.keys()
