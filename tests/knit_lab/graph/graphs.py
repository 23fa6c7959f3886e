"""Graphs for tests: random ones without cycles, and lineages of many Runs as the server tells them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from knit_lab.graph.model import Edge, Graph, Kind, Node
from knit_server.wire import shapes

HOSTILE = ("<script>alert(1)</script>", "\"quoted\" & 'more'", "\u202eright to left", "two\nlines\x1b[31m", "x" * 1024)


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> Graph:
    """A graph whose arrows lead from earlier to later cards, around any of them."""
    count = draw(st.integers(1, most))
    names = [f"n{at}" for at in range(count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    drawn = draw(st.sets(pairs, max_size=2 * count)) if count > 1 else set()
    words = st.sampled_from(("", "a line", "a longer line of a card", *HOSTILE))
    statuses = st.sampled_from(("done", "failed", "running"))
    nodes = [
        Node(
            id=name, kind=(Kind.DATA, Kind.RUN)[at % 2], title=name, lines=tuple(draw(st.lists(words, max_size=3))),
            statuses={draw(statuses): 1}, members=(name,),
        )
        for at, name in enumerate(names)
    ]  # fmt: skip
    edges = [Edge(source=names[a], target=names[b], label=draw(words)) for a, b in sorted(drawn)]
    return Graph(draw(st.sampled_from(names)), tuple(nodes), tuple(edges))


def fan(count: int, tag: str = "type:made") -> shapes.LineageOutline:
    """A Data that `count` Runs of one Plan took, each making one Data; every tenth of them failed."""
    failed = [at % 10 == 3 for at in range(count)]
    data: list[Any] = [{"knitId": "root", "tags": ["type:raw"], "timestamp": None, "transient": None, "plan": 0,
                        "path": "/upload"}]  # fmt: skip
    data += [
        {"knitId": f"d{at}", "tags": [tag, f"number:{at}"], "timestamp": "2026-11-22T10:00:00+00:00",
         "transient": "failed" if failed[at] else None, "plan": 1, "path": "/out"}
        for at in range(count)
    ]  # fmt: skip
    runs: list[Any] = [
        {"runId": f"r{at}", "status": "failed" if failed[at] else "done", "updatedAt": "2026-11-22T10:00:00+00:00",
         "plan": 1}
        for at in range(count)
    ]  # fmt: skip
    edges: list[Any] = [{"from": "root", "to": f"r{at}", "label": "/in"} for at in range(count)]
    edges += [{"from": f"r{at}", "to": f"d{at}", "label": "/out"} for at in range(count)]
    plans: list[Any] = [{"planId": "up", "name": "knit#uploaded"}, {"planId": "plan", "image": "make:1"}]
    return {"root": "root", "plans": plans, "data": data, "runs": runs, "edges": edges}
