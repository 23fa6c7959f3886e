"""Answers to "why": from the domain's explanation to JSON, and from that JSON to a text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from knit_server.domain import times
from knit_server.domain.runs import Status
from knit_server.domain.why import Explanation, Point, Receipt
from knit_server.wire import shapes

_CODE = 17
"""Width of the column of codes in the text."""
_SHOWN = 5
"""Receipts in the text; JSON has them all."""


def encode(found: Explanation) -> shapes.Why:
    """Write an explanation."""
    return {
        "kind": found.kind.value,
        "id": found.id,
        "standing": found.standing,
        "now": [_point(each) for each in found.points],
        "then": [_receipt(each) for each in found.receipts],
        "log": list(found.log),
        "next": list(found.steps),
        "omitted": found.omitted,
    }


def text(found: shapes.Why) -> str:
    """Return an explanation as people read it: how it stands, why, what was decided then, and what to do next."""
    return "\n".join(_lines(found)) + "\n"


# --- JSON -------------------------------------------------------------------------------------------------------------


def _point(point: Point) -> shapes.WhyPoint:
    ids = {"planId": point.plan_id, "path": point.path, "knitId": point.knit_id, "runId": point.run_id}
    written: shapes.Json = {"code": point.code.value, "text": point.text}
    written |= {name: value for name, value in ids.items() if value is not None}
    if point.tags:
        written["tags"] = [str(tag) for tag in point.tags]
    if point.runs:
        written["runs"] = {status.value: point.runs[status] for status in Status if status in point.runs}
    if point.detail:
        written["detail"] = dict(point.detail)
    if point.below:
        written["points"] = [_point(each) for each in point.below]
    return cast("shapes.WhyPoint", written)  # put together member by member, for the order


def _receipt(receipt: Receipt) -> shapes.WhyReceipt:
    return {
        "at": times.format_instant(receipt.at),
        "event": receipt.event,
        "code": receipt.reason.value,
        "knitId": receipt.knit_id,
        "planId": receipt.plan_id,
        "path": receipt.path,
        "count": receipt.count,
        "detail": dict(receipt.detail),
    }


# --- text -------------------------------------------------------------------------------------------------------------


def _lines(found: shapes.Why) -> Iterator[str]:
    yield f"{found['kind'].capitalize()} {found['id']}: {found['standing']}"
    yield from _points(found["now"], 1)
    if found["omitted"]:
        yield f"  and {found['omitted']} more inputs that it fits"
    if found["log"]:
        yield "the end of its log:"
        yield from (f"  | {line}" for line in found["log"])
    if found["then"]:
        yield "decided then:"
        yield from (f"  {decided(each)}" for each in found["then"][:_SHOWN])
        if len(found["then"]) > _SHOWN:
            yield "  and more before; --output json shows them"
    yield "next:"
    yield from (f"  {each}" for each in found["next"])


def _points(points: Iterable[shapes.WhyPoint], depth: int) -> Iterator[str]:
    for each in points:
        begin, *further = each["text"].split("\n")
        yield f"{'  ' * depth}{each['code']:<{_CODE}} {begin}"
        yield from (f"{'  ' * depth}{'':<{_CODE}} {line}" for line in further)
        yield from _points(each.get("points", ()), depth + 1)


def decided(receipt: shapes.WhyReceipt) -> str:
    """Return one decision of matching as a line: when, on what, about which Data, input and Plan."""
    times_ = f" ({receipt['count']} times)" if receipt["count"] > 1 else ""
    what = f'Data {receipt["knitId"]} at "{receipt["path"]}" of Plan {receipt["planId"]}'
    return f"{receipt['at']}  {receipt['event']}: {receipt['code']}{times_}: {what}{_detail(receipt['detail'])}"


def _detail(detail: Mapping[str, object]) -> str:
    missing = detail.get("missing")
    return f"; missing {', '.join(map(str, missing))}" if isinstance(missing, list) and missing else ""
