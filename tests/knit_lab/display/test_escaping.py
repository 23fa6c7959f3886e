"""Whatever users call things, pages show it as text: nothing acts, nothing breaks out of its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markup import Page, drawing  # found by conftest.py

from knit_lab.display import cards, code, reasons, tables
from knit_lab.display import html as markup
from knit_lab.graph import picture
from knit_lab.graph.model import Edge, Graph, Kind, Node
from knit_server.wire import shapes

HOSTILE = (
    "<script>alert(1)</script>", "\"onmouseover='alert(1)", "'><img src=x onerror=alert(1)>", "</table></div>", "<!--",
    "<![CDATA[", "&lt;b&gt;&amp;amp;", "javascript:alert(1)", "${alert(1)}", "a\nb\r\n\tc", "\x00\x1b[31mred\x07",
    "\u202egnp.exe", "\u2066x\u2069", "\ud800", "\ufffe\uffff", "العربية", "日本語テキスト", "👩‍🔬", "x" * 1024,
    "-->", "]]>", "\x85", "style=\"background:url('x')\"",
)  # fmt: skip
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=40)


def data(text: str) -> shapes.DataDetail:
    run = {"runId": text, "status": text, "updatedAt": text, "plan": {"planId": text, "image": text}}
    detail = {
        "knitId": text, "tags": [f"k:{text}", text, f"knit#transient:{text}", f"knit#timestamp:{text}"],
        "upstream": {"run": run, "mountpoint": {"path": text, "tags": []}},
        "downstreams": [{"run": run, "mountpoint": {"path": text, "tags": []}}],
    }  # fmt: skip
    return cast("shapes.DataDetail", detail)


def run(text: str) -> shapes.RunDetail:
    assigned = [{"path": text, "knitId": text}]
    detail = {
        "runId": text, "status": text, "updatedAt": text, "plan": {"planId": text, "name": text},
        "exit": {"code": 1, "message": text}, "inputs": assigned, "outputs": assigned, "log": {"knitId": text},
    }  # fmt: skip
    return cast("shapes.RunDetail", detail)


def plan(text: str) -> shapes.PlanDetail:
    ports = [{"path": text, "tags": [text, f"k:{text}"], "upstreams": [], "downstreams": []}]
    detail = {
        "planId": text, "image": text, "active": False, "inputs": ports, "outputs": ports, "log": {"tags": [text]},
        "entrypoint": [text], "args": [text], "resources": {text: text}, "on_node": {"may": [text]},
        "service_account": text, "annotations": [text],
    }  # fmt: skip
    return cast("shapes.PlanDetail", detail)


def why(text: str) -> shapes.Why:
    point = {"code": text, "text": text, "points": [{"code": text, "text": text}]}
    receipt = {
        "at": text, "event": text, "code": text, "knitId": text, "planId": text, "path": text, "count": 2,
        "detail": {"missing": [text]},
    }  # fmt: skip
    answer = {
        "kind": text, "id": text, "standing": text, "now": [point], "then": [receipt] * 7, "log": [text],
        "next": [text], "omitted": 3,
    }  # fmt: skip
    return cast("shapes.Why", answer)


def dry_run(text: str) -> shapes.DryRun:
    foreseen = {"status": text, "count": 1, "fitting": {text: 1}, "first": []}
    answer = {"applicable": True, "reason": text, "advice": text, "cycle": [text, text], "runs": foreseen}
    return cast("shapes.DryRun", answer)


HEADS = tuple(tables.Head("<b>", kind) for kind in tables.Kind)
FORMS: dict[str, Callable[[str], str]] = {
    "data": lambda text: cards.data(data(text)),
    "run": lambda text: cards.run(run(text)),
    "plan": lambda text: cards.plan(plan(text)),
    "why": lambda text: reasons.html(why(text)),
    "dry run": lambda text: cards.dry_run(dry_run(text)),
    "yaml": lambda text: code.yaml(f"key: {text}\n- a: {text}\n{text}: b"),
    "table": lambda text: tables.html(HEADS, [[text] * len(HEADS), [(text, text)] * len(HEADS)], text),
    "no rows": lambda text: tables.html(HEADS, [], text),
}


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXTS)
def test_html(form: str, text: str) -> None:
    """The elements, attributes and styles are ours whatever the text is, and all can be saved in a notebook."""
    made = FORMS[form](text)
    page, plain = Page(made), Page(FORMS[form]("plain"))
    colours = {f"color:{each}" for each in [*markup.COLOURS.values(), "inherit"]}
    assert {style for style in page.styles - plain.styles if style.split(";")[0] not in colours} == set()
    made.encode("utf-8")
    assert not set(made) & set("\x00\x1b\x85\u202e\u2066")


@pytest.mark.parametrize("form", FORMS)
def test_the_text_is_there(form: str) -> None:
    """Escaping loses nothing: what a person wrote is what is read."""
    page = Page(FORMS[form]("<b>&amp;\"'</b>"))
    assert "<b>&amp;\"'</b>" in page.text + "".join(page.titles)


@given(text=TEXTS)
def test_lines_for_a_terminal(text: str) -> None:
    """One line stays one line, and holds nothing that a terminal acts on."""
    line = cards.line("Data", "4f2a", [text])
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 200


@given(text=TEXTS)
def test_tables_for_a_terminal(text: str) -> None:
    """As many lines as there are rows, whatever is in them."""
    lines = tables.text(HEADS, [[text] * len(HEADS)] * 3, "Data").split("\n")
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)


@given(text=TEXTS)
def test_parts(text: str) -> None:
    """Each of the small parts is one element with the text in it."""
    for part in (markup.chip, markup.identifier, markup.status, markup.mark):
        Page(part(text))
    assert len(Page(markup.chips([text])).titles) == 1


def test_drawings() -> None:
    """Hostile texts in graphs are XML without anything that acts."""
    for text in HOSTILE:
        nodes = [
            Node(id=f"{at}{text}", kind=kind, title=text, lines=(text, text), statuses={text: 1}, members=(text,))
            for at, kind in enumerate(Kind)
        ]
        edges = [Edge(source=one.id, target=other.id, label=text) for one, other in itertools.pairwise(nodes)]
        said = drawing(picture.svg(Graph(nodes[0].id, tuple(nodes), tuple(edges))))
        assert any(said)
