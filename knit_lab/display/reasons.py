"""An explanation on a page: what holds now, what was decided, the last lines of the log, and what helps next."""

from __future__ import annotations

from collections.abc import Iterable

from knit_lab.display import html as markup
from knit_server.wire import shapes


def html(answer: shapes.Why) -> str:
    """Show the answer to "why"."""
    parts = [f"<div><b>{markup.escape(answer['kind'])}</b> {markup.identifier(answer['id'])}: "]
    parts.append(f"{markup.escape(answer['standing'])}</div>{_points(answer['now'])}")
    if answer["log"]:
        log = "\n".join(answer["log"])
        parts.append(f"<div>It printed last:</div><pre>{markup.escape(log)}</pre>")
    if answer["next"]:
        parts.append("<div>Next:</div>")
        parts += [f"<div><code>{markup.escape(each)}</code></div>" for each in answer["next"]]
    return markup.framed("".join(parts))


def _points(points: Iterable[shapes.WhyPoint]) -> str:
    told = "".join(f"<li>{markup.escape(each['text'])}{_points(each.get('points', ()))}</li>" for each in points)
    return f"<ul>{told}</ul>" if told else ""
