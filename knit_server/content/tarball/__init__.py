"""The tar.gz codec: Knitfab's wire format, read and written as a stream in bounded memory, never the resting format.

Reading trusts nothing: names, links, sizes and headers of a hostile archive are refused before they cost memory or
reach a disk. Writing is deterministic: one tree always gives the same bytes.
"""

from knit_server.content.tarball.reading import Limits, Member, read
from knit_server.content.tarball.transfer import (
    DirectoryArchive,
    Extracted,
    examine,
    extract,
    extract_to,
    pack_directory,
)
from knit_server.content.tarball.writing import BLOCK, write

__all__ = [
    "BLOCK",
    "DirectoryArchive",
    "Extracted",
    "Limits",
    "Member",
    "examine",
    "extract",
    "extract_to",
    "pack_directory",
    "read",
    "write",
]
