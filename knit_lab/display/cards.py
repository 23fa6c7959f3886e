"""Cards: one Data, Plan, Run or dry run on a page; and the one line that a terminal gets."""

from __future__ import annotations

from collections.abc import Iterable

from knit_lab.display import html as markup
from knit_server.domain import tags as domain_tags
from knit_server.wire import shapes


def line(noun: str, identifier: str, words: Iterable[str]) -> str:
    """Return `noun id  words`, with what a terminal would act on replaced."""
    told = "  ".join([f"{noun} {identifier}", *(word for word in words if word)])
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in told)


def data(detail: shapes.DataDetail) -> str:
    """Show a Data."""
    upstream = detail["upstream"]
    where = upstream.get("mountpoint", {}).get("path", "(log)") if "log" not in upstream else "(log)"
    mine = [tag for tag in detail["tags"] if not tag.startswith(domain_tags.SYSTEM_PREFIX)]
    system = [tag for tag in detail["tags"] if tag.startswith(domain_tags.SYSTEM_PREFIX) and not _is_id(tag)]
    rows = [
        ("tags", markup.chips(mine)),
        ("", markup.chips(system) if system else ""),
        ("made by", f"{_run_words(upstream['run'])} at {markup.escape(where)}"),
        ("taken by", f"{len(detail['downstreams'])} Runs" if detail["downstreams"] else ""),
    ]
    return _card("Data", detail["knitId"], rows)


def run(detail: shapes.RunDetail) -> str:
    """Show a Run."""
    ended = detail.get("exit")
    told = "" if ended is None else f"exit code {ended['code']} {markup.escape(ended['message'])}"
    rows = [
        ("status", f"{markup.status(detail['status'])} {told}"),
        ("plan", _plan_words(detail["plan"])),
        *((f"in {each['path']}", markup.identifier(each["knitId"])) for each in detail["inputs"]),
        *((f"out {each['path']}", markup.identifier(each["knitId"])) for each in detail["outputs"]),
    ]
    log = detail["log"]
    if log is not None:
        rows.append(("log", markup.identifier(log["knitId"])))
    return _card("Run", detail["runId"], rows)


def plan(detail: shapes.PlanDetail) -> str:
    """Show a Plan."""
    rows = [
        ("image", markup.escape(detail.get("image") or detail.get("name", ""))),
        ("", "" if detail["active"] else "inactive"),
        *((f"in {each['path']}", markup.chips(each["tags"])) for each in detail["inputs"]),
        *((f"out {each['path']}", markup.chips(each["tags"])) for each in detail["outputs"]),
    ]
    if "log" in detail:
        rows.append(("log", markup.chips(detail["log"]["tags"])))
    return _card("Plan", detail["planId"], rows)


def verdict(answer: shapes.DryRun) -> list[str]:
    """Return the lines of a dry run."""
    lines = ["can be applied" if answer["applicable"] else f"cannot be applied: {answer.get('reason', '')}"]
    if "advice" in answer:
        lines.append(answer["advice"])
    if "cycle" in answer:
        lines.append("cycle: " + " -> ".join(answer["cycle"]))
    foreseen = answer.get("runs")
    if foreseen is not None:
        lines += [f"{path}: {count} fitting Data" for path, count in foreseen["fitting"].items()]
        lines.append(f"{foreseen['count']} Runs would be made")
    return lines


def dry_run(answer: shapes.DryRun) -> str:
    """Show a dry run."""
    mark = markup.status("done" if answer["applicable"] else "failed").split("</span>", maxsplit=1)[0].rsplit(" ", 1)[0]
    first, *others = verdict(answer)
    told = "".join(f"<div>{markup.escape(each)}</div>" for each in others)
    return markup.framed(f"<div><b>{mark}</span> {markup.escape(first)}</b></div>{told}")


def _card(noun: str, identifier: str, rows: Iterable[tuple[str, str]]) -> str:
    told = "".join(
        f'<tr><th style="text-align:left;vertical-align:top">{markup.escape(name)}</th>'
        f'<td style="text-align:left">{shown}</td></tr>'
        for name, shown in rows
        if shown
    )
    title = f'<caption style="text-align:left"><b>{noun}</b> <code>{markup.escape(identifier)}</code></caption>'
    return markup.framed(f"<table>{title}{told}</table>")


def _run_words(run: shapes.RunSummary) -> str:
    return f"Run {markup.identifier(run['runId'])} {markup.status(run['status'])} {_plan_words(run['plan'])}"


def _plan_words(plan: shapes.PlanSummary) -> str:
    return f"{markup.escape(plan.get('image') or plan.get('name', ''))} {markup.identifier(plan['planId'])}"


def _is_id(tag: str) -> bool:
    return tag.startswith(f"{domain_tags.ID}:")
