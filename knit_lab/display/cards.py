"""Cards: one Data, Plan, Run or dry run on a page; and the one line that a terminal gets."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from knit_lab.display import html as markup
from knit_server.domain import tags as domain_tags
from knit_server.wire import shapes

_WORD = 100
"""Characters of a tag or an image that a line shows."""
_CAPTION = "text-align:left;caption-side:top;white-space:nowrap;padding:0 0 2px"
_NAME = "text-align:left;vertical-align:top;padding:2px 14px 2px 0;white-space:nowrap;font-weight:600"
_VALUE = "text-align:left;vertical-align:top;padding:2px 0"


def line(noun: str, identifier: str, words: Iterable[str]) -> str:
    """Return `noun id  words`, with what a terminal would act on replaced, and long words cut."""
    shown = (word if len(word) <= _WORD else f"{word[: _WORD - 1]}…" for word in words if word)
    return markup.printable("  ".join([f"{noun} {identifier}", *shown])).replace("\n", "\N{REPLACEMENT CHARACTER}")


def data(detail: shapes.DataDetail) -> str:
    """Show a Data."""
    upstream = detail["upstream"]
    where = "(log)" if "log" in upstream else upstream.get("mountpoint", {}).get("path", "")
    mine = [tag for tag in detail["tags"] if not tag.startswith(domain_tags.SYSTEM_PREFIX)]
    system = dict(tag.split(":", 1) for tag in detail["tags"] if tag.startswith(domain_tags.SYSTEM_PREFIX))
    state, at = system.get(domain_tags.TRANSIENT, "usable"), system.get(domain_tags.TIMESTAMP, "")
    takers = len({each["run"]["runId"] for each in detail["downstreams"]})
    rows = [
        ("tags", markup.chips(mine)),
        ("state", f"{markup.status(state)} {_since(at)}"),
        ("made by", f"{_run_words(upstream['run'])} {_at(where)}"),
        ("taken by", markup.counted(takers, "Runs") if takers else ""),
    ]
    return _card("Data", detail["knitId"], rows)


def run(detail: shapes.RunDetail) -> str:
    """Show a Run."""
    ended = detail.get("exit")
    told = "" if ended is None else f"exit code {ended['code']} {markup.escape(ended['message'])}"
    rows = [
        ("status", f"{markup.status(detail['status'])} {_since(detail['updatedAt'])}"),
        ("ended", told),
        ("plan", _plan_words(detail["plan"])),
        *((f"in {each['path']}", _data_words(each)) for each in detail["inputs"]),
        *((f"out {each['path']}", _data_words(each)) for each in detail["outputs"]),
    ]
    log = detail["log"]
    if log is not None:
        rows.append(("log", markup.identifier(log["knitId"])))
    return _card("Run", detail["runId"], rows)


def plan(detail: shapes.PlanDetail) -> str:
    """Show a Plan."""
    rows = [
        ("image", markup.escape(markup.plan_name(detail))),
        ("state", markup.status("active" if detail["active"] else "inactive")),
        *((f"in {each['path']}", markup.chips(each["tags"])) for each in detail["inputs"]),
        *((f"out {each['path']}", markup.chips(each["tags"])) for each in detail["outputs"]),
    ]
    if "log" in detail:
        rows.append(("log", markup.chips(detail["log"]["tags"])))
    return _card("Plan", detail["planId"], [*rows, *_operation(detail)])


def _operation(detail: shapes.PlanDetail) -> Iterator[tuple[str, str]]:
    """Return the rows of what a Plan says beyond image and paths; rows of what it does not say are empty."""
    yield "entrypoint", markup.escape(shlex.join(detail.get("entrypoint", [])))
    yield "args", markup.escape(shlex.join(detail.get("args", [])))
    amounts = (f"{name}={amount}" for name, amount in detail.get("resources", {}).items())
    yield "resources", markup.escape(" ".join(amounts))
    wishes = cast("Mapping[str, list[str]]", detail.get("on_node", {}))
    for how, labels in sorted(wishes.items()):
        yield f"on node: {how}", markup.escape(" ".join(labels))
    yield "account", markup.escape(detail.get("service_account", ""))
    yield "annotations", "<br>".join(markup.escape(each) for each in detail.get("annotations", []))


def verdict(answer: shapes.DryRun) -> list[str]:
    """Return the lines of a dry run."""
    reason = answer.get("reason", "")
    lines = ["can be applied" if answer["applicable"] else f"cannot be applied: {reason}"]
    if "advice" in answer:
        lines.append(answer["advice"])
    cycle = " -> ".join(answer.get("cycle", ()))
    if cycle not in reason:
        lines.append(f"cycle: {cycle}")
    foreseen = answer.get("runs")
    if foreseen is not None and answer["applicable"]:
        lines += [f"{path}: {count} fitting Data" for path, count in foreseen["fitting"].items()]
        lines.append(f"{markup.counted(foreseen['count'], 'Runs')} would be made")
    return lines


def dry_run(answer: shapes.DryRun) -> str:
    """Show a dry run."""
    first, *others = verdict(answer)
    told = "".join(f"<div>{markup.escape(each)}</div>" for each in others)
    shown = markup.mark("done" if answer["applicable"] else "failed")
    return markup.framed(f"<div>{shown} <b>{markup.escape(first)}</b></div>{told}")


def _card(noun: str, identifier: str, rows: Iterable[tuple[str, str]]) -> str:
    told = "".join(
        f'<tr><th style="{_NAME}">{markup.escape(name)}</th><td style="{_VALUE}">{shown}</td></tr>'
        for name, shown in rows
        if shown.strip()
    )
    title = f'<caption style="{_CAPTION}"><b>{noun}</b> <code>{markup.escape(identifier)}</code></caption>'
    return markup.framed(f'<table style="border-collapse:collapse;margin:0">{title}{told}</table>')


def _since(at: str) -> str:
    """Show an instant of the API as people read it: to the second, with its zone."""
    if not at:
        return ""
    day, _, time = at.partition("T")
    return markup.escape(f"since {day} {time[:8]} {'UTC' if time.endswith(('+00:00', 'Z')) else time[-6:]}")


def _at(path: str) -> str:
    return f"at <code>{markup.escape(path)}</code>" if path else ""


def _run_words(run: shapes.RunSummary) -> str:
    return f"Run {markup.identifier(run['runId'])} {markup.status(run['status'])} {_plan_words(run['plan'])}"


def _plan_words(plan: shapes.PlanSummary) -> str:
    return f"{markup.escape(markup.plan_name(plan))} {markup.identifier(plan['planId'])}"


def _data_words(mount: shapes.Assigned) -> str:
    return markup.identifier(mount["knitId"])
