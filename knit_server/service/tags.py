"""Which tags are in use, for those who type one."""

from __future__ import annotations

from knit_server.domain.tags import Tag
from knit_server.persistence import tags
from knit_server.service.context import Context

MAX = 1000
"""Most tags that are told at once."""


def in_use(ctx: Context, prefix: str = "", limit: int = 100) -> list[tuple[Tag, int]]:
    """Return at most `limit` user tags whose text begins with `prefix`, by text, with how many Data carry each."""
    with ctx.db.read() as tx:
        return tags.in_use(tx, prefix, max(0, min(limit, MAX)))
