"""What applying a Plan would do, on a page: the verdict, the Data that fit, the Runs, and a cycle drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from knit_lab.components.plan_editing import Foreseen
from knit_lab.display import html as markup
from knit_server.domain import tags as domain_tags
from knit_server.wire import shapes

FIRST = 3
"""Runs that are shown of those that would be made."""


def html(found: Foreseen, warnings: Sequence[str] = ()) -> str:
    """Show what applying the Plan would do, and what in its YAML has no effect."""
    answer = found.answer
    parts = [_head(answer)]
    if "advice" in answer and not answer["applicable"]:
        parts.append(f"<div>{markup.escape(answer['advice'])}</div>")
    if "cycle" in answer:
        parts.append(cycle(answer["cycle"]))
    parts += [f"<div>⚠ {markup.escape(each)}</div>" for each in warnings]
    if "runs" in answer:
        parts.append(_fitting(answer["runs"], found))
        if answer["applicable"]:
            parts.append(_runs(answer["runs"]))
    return markup.framed("".join(parts))


def cycle(ids: Sequence[str]) -> str:
    """Draw the way from a Plan back to itself."""
    boxes = [
        f'<span title="{markup.escape(each)}" style="border:1.5px solid #cf222e;border-radius:6px;padding:2px 8px;'
        f'display:inline-block;margin:2px 0">{markup.escape(each[:8] if _is_id(each) else each)}</span>'
        for each in ids
    ]
    arrow = ' <span aria-label="feeds">→</span> '
    return f'<div class="knit-cycle" role="img" aria-label="cycle">{arrow.join(boxes)}</div>'


def _head(answer: shapes.DryRun) -> str:
    if answer["applicable"]:
        return f"<div>{_mark('done')} <b>It can be applied</b></div>"
    if "equivalent" in answer:
        same = markup.identifier(answer["equivalent"])
        return f"<div>{_mark('done')} <b>The same Plan is there already</b>: {same}</div>"
    return f"<div>{_mark('failed')} <b>It cannot be applied</b>: {markup.escape(answer.get('reason', ''))}</div>"


def _fitting(foreseen: shapes.ForeseenRuns, found: Foreseen) -> str:
    rows = [_input(path, count, found.fitting.get(path, ())) for path, count in foreseen["fitting"].items()]
    return f"<ul>{''.join(rows)}</ul>"


def _runs(foreseen: shapes.ForeseenRuns) -> str:
    runs = "1 Run" if foreseen["count"] == 1 else f"{foreseen['count']:,} Runs"
    would = "would be made at once" if foreseen["count"] else "would be made now; they come with the Data"
    first = "".join(f"<li>{_assigned(each)}</li>" for each in foreseen["first"][:FIRST])
    more = foreseen["count"] - min(FIRST, len(foreseen["first"]))
    first += f"<li>and {more:,} more</li>" if more > 0 and first else ""
    return f"<div><b>{runs}</b> {would}</div>" + (f"<ul>{first}</ul>" if first else "")


def _input(path: str, count: int, data: Sequence[shapes.DataDetail]) -> str:
    shown = "".join(f"<li>{markup.identifier(each['knitId'])} {_tags(each)}</li>" for each in data)
    more = f"<li>and {count - len(data):,} older</li>" if count > len(data) and data else ""
    listed = f"<ul>{shown}{more}</ul>" if shown else ""
    return f"<li><code>{markup.escape(path)}</code>: {count:,} fitting Data{listed}</li>"


def _tags(data: shapes.DataDetail) -> str:
    return markup.chips(tag for tag in data["tags"] if not tag.startswith(domain_tags.SYSTEM_PREFIX))


def _assigned(run: Sequence[shapes.Assigned]) -> str:
    return ", ".join(f"<code>{markup.escape(each['path'])}</code> {markup.identifier(each['knitId'])}" for each in run)


def _mark(status: str) -> str:
    return f'<span style="color:{markup.COLOURS[status]}">{markup.MARKS[status]}</span>'


def _is_id(word: str) -> bool:
    return len(word) == 36 and word.count("-") == 4
