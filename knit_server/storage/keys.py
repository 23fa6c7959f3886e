"""Keys of a store: `packs/ab/<64 hex>` and `manifests/cd/<64 hex>`, so that no key is a prefix of another."""

from __future__ import annotations

from knit_server.content.packs import PackId
from knit_server.content.tree import is_id
from knit_server.domain.errors import InvalidInput

PACKS = "packs/"
MANIFESTS = "manifests/"


def pack(name: str) -> str:
    """Give the key of a pack. Raises `InvalidInput` for what is no pack id."""
    return _key(PACKS, name)


def manifest(name: str) -> str:
    """Give the key of a manifest. Raises `InvalidInput` for what is no manifest's name."""
    return _key(MANIFESTS, name)


def _key(prefix: str, name: str) -> str:
    if not is_id(name):
        raise InvalidInput(f"{name!r} is no name that a store gives", advice="Take one that it lists.")
    return f"{prefix}{name[3:5]}/{name[3:]}"


def name(key: str) -> PackId | None:
    """Give back the name of the object under a key; None for strangers and unfinished files."""
    text = "b3:" + key.rpartition("/")[2]
    return PackId(text) if is_id(text) else None
