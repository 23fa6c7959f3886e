"""Addresses of files in Data: `knit://4f2a/table.csv`, `knit://type:raw,project:x/table.csv`.

What stands before the first slash names a Data: the beginning of its id, or tags of which the newest usable Data has
all. Tags are joined by commas, and percent-encoded: what would end them (`/` and `,`), `%` itself, and `*?[` and `::`,
which fsspec reads otherwise. Blanks may be encoded. The rest is the name of a file in it, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from knit_lab.objects import asking

SCHEME = "knit"
_PLAIN = "!#$&'()+:;=@"
"""What `url` leaves as it is, besides letters, digits and `-._~`."""


def plain(path: str) -> str:
    """Return an address without scheme, slashes at its ends, and slashes without a name between them."""
    return re.sub("/+", "/", path.removeprefix(f"{SCHEME}:/") if path.startswith(f"{SCHEME}://") else path).strip("/")


def split(path: str) -> tuple[str, str]:
    """Cut a plain address into what names the Data and the name in it, either of which may be empty."""
    head, _, inside = path.partition("/")
    return head, inside


def tags(head: str) -> tuple[str, ...] | None:
    """Read the tags that `head` asks for, sorted; None if it is the beginning of an id. Raises `InvalidInput`."""
    words = [unquote(word) for word in head.split(",")]
    return tuple(sorted(set(asking.texts(words)))) if any(map(asking.is_tag, words)) else None


def url(*words: str, path: str = "") -> str:
    """Write the address of the Data with an id or with tags, or of the file `path` in it. Raises `InvalidInput`."""
    return f"{SCHEME}://{_head(words)}" + (f"/{path}" if path else "")


def _head(words: Iterable[str]) -> str:
    asked = list(words)
    asking.refuse_others(asked, 'url("4f2a") or url("type:raw", "project:demo", path="table.csv")')
    return ",".join(quote(word, safe=_PLAIN).replace("::", "%3A%3A") for word in asked)
