"""Data at rest: packs and manifests in a store, and the cache of materialised trees on this machine.

The only door to fsspec. Nothing here knows Runs, tags or SQL: a `Writer` returns what the caller commits, and which
chunks are known or which packs are garbage is the caller's word. No byte leaves a store unless it has the hash under
which it was stored. Layout and rules: `docs/storage-format.md`.
"""

from knit_server.storage.cache import Pin, TreeCache
from knit_server.storage.copying import copy_tree
from knit_server.storage.objects import Stored
from knit_server.storage.store import Problem, Store
from knit_server.storage.writer import Snapshot, Writer

__all__ = ["Pin", "Problem", "Snapshot", "Store", "Stored", "TreeCache", "Writer", "copy_tree"]
