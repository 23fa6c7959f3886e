"""Lists that are told in pages: the body stays the list that it is, and the header `Link` says where it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from knit_server.domain.paging import DataPosition, Page, PlanPosition, RunPosition
from knit_server.handlers.base import KnitHandler, as_json, each
from knit_server.service.context import Context
from knit_server.wire import cursors

_P = TypeVar("_P", DataPosition, PlanPosition, RunPosition)
_Q = TypeVar("_Q")
_T = TypeVar("_T")


async def reply(
    handler: KnitHandler, encode: Callable[[_T], object], query: _Q, *, by: type[_P],
    find: Callable[[Context, _Q], list[_T]], page: Callable[[Context, _Q, _P | None, int], Page[_T]],
) -> None:  # fmt: skip
    """Answer with all that fits `query` or, where a limit or a cursor is given, with a page of it, ordered `by`."""
    window = cursors.page(by, handler.one("limit"), handler.one("cursor"))
    if window is None:
        await handler.reply(each(encode), find, query)
        return

    def work() -> tuple[bytes, str | None]:
        found = page(handler.ctx, query, *window)
        return as_json([encode(row) for row in found.rows]), found.next and cursors.encode(found.next)

    body, following = await handler.host.workers.call(work)
    if following is not None:
        handler.set_header("Link", cursors.link(handler.request.path, handler.request.query_arguments, following))
    handler.finish(body)
