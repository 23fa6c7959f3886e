"""An explanation on a page: what holds now, what was decided, the last lines of the log, and what helps next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from knit_lab.display import html as markup
from knit_server.wire import shapes, why

_LIST = "margin:2px 0 6px;padding-left:22px"
_PRE = "margin:2px 0 6px;padding:2px 0 2px 10px;border-left:3px solid #8c959f;white-space:pre-wrap"
_SHOWN = 5
"""Decisions that are shown; the answer has them all."""


def html(answer: shapes.Why) -> str:
    """Show the answer to "why"."""
    return markup.framed("".join(_parts(answer)))


def _parts(answer: shapes.Why) -> Iterator[str]:
    noun = markup.escape(answer["kind"].capitalize())
    yield f"<div><b>{noun}</b> {markup.identifier(answer['id'])}: <b>{markup.escape(answer['standing'])}</b></div>"
    yield _points(answer["now"])
    if answer["omitted"]:
        yield f"<div>and {answer['omitted']} more inputs that it fits</div>"
    if answer["log"]:
        log = "\n".join(answer["log"])
        yield f'<div>The end of its log:</div><pre style="{_PRE}">{markup.escape(log)}</pre>'
    if answer["then"]:
        decided = "".join(f"<li>{markup.escape(why.decided(each))}</li>" for each in answer["then"][:_SHOWN])
        more = "<div>and more before; see .answer</div>" if len(answer["then"]) > _SHOWN else ""
        yield f'<div>Decided then:</div><ul style="{_LIST}">{decided}</ul>{more}'
    if answer["next"]:
        yield "<div>Next:</div>"
        yield from (f"<div><code>{markup.escape(each)}</code></div>" for each in answer["next"])


def _points(points: Iterable[shapes.WhyPoint]) -> str:
    told = "".join(f"<li>{markup.escape(each['text'])}{_points(each.get('points', ()))}</li>" for each in points)
    return f'<ul style="{_LIST}">{told}</ul>' if told else ""
