"""What a Plan or a Run has at each path: a dict that tells its paths when it is asked for another."""

from __future__ import annotations

import difflib
from typing import TypeVar

from knit_server.domain.errors import NotFound

T = TypeVar("T")


class ByPath(dict[str, T]):
    """Inputs or outputs by path. `[path]` raises `NotFound` with the nearest path, or all; the rest is as in a dict."""

    def __missing__(self, path: object) -> T:
        likely = difflib.get_close_matches(str(path), self, n=1)
        known = f"The paths are {', '.join(self)}." if self else "There is none at all."
        advice = f"Did you mean {likely[0]}?" if likely else known
        raise NotFound(f"nothing is at the path {path!r} here", advice=advice)
