"""What is shown of a graph, and how clicks change that."""

from __future__ import annotations

from graphs import fan, graphs
from hypothesis import given
from hypothesis import strategies as st

from knit_lab.graph import elements
from knit_lab.graph.exploring import BUDGET, MOST, STEP, Explored, taken_out
from knit_lab.graph.model import Graph

WAYS = ("up", "down", "without_up", "without_down")


@given(graphs(), st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 13)), max_size=8))
def test_the_root_is_always_shown(graph: Graph, clicks: list[tuple[str, int]]) -> None:
    """Whatever is clicked, the root stays, and nothing is shown that is not there."""
    explored = Explored.start(graph, 3)
    for way, at in clicks:
        shown = sorted(explored.shown)
        explored = getattr(explored, way)(shown[at % len(shown)])
        assert graph.root in explored.shown
        assert explored.shown <= graph.by_id.keys()
        assert len(explored.view.edges) <= len(graph.edges)


@given(graphs())
def test_folding_takes_back_unfolding(graph: Graph) -> None:
    """From the root alone: one step up and back shows the root alone again; so does one step down and back."""
    alone = Explored.start(graph, 1)
    assert alone.up(graph.root).without_up(graph.root) == alone
    assert alone.down(graph.root).without_down(graph.root) == alone


@given(graphs())
def test_badges_count_what_is_hidden(graph: Graph) -> None:
    """The cards that are shown say how many neighbours are not; once everything is shown, none."""
    for node in Explored.start(graph, 4).view.nodes:
        shown = Explored.start(graph, 4).shown
        assert node.more_up == len(set(graph.up.get(node.id, ())) - shown)
        assert node.more_down == len(set(graph.down.get(node.id, ())) - shown)
    assert not any(node.more_up or node.more_down for node in Explored(graph, frozenset(graph.by_id)).view.nodes)


@given(graphs(), st.data())
def test_reveal(graph: Graph, data: st.DataObject) -> None:
    """What is revealed is shown, together with all that was."""
    start = Explored.start(graph, 2)
    wanted = data.draw(st.sampled_from(sorted(graph.by_id)))
    revealed = start.reveal(wanted)
    assert start.shown | {wanted} <= revealed.shown
    assert revealed.reveal("no such card") == revealed


def test_steps_are_bounded() -> None:
    """One click on a Data that very many Runs took shows some of them, failed ones first; never more than `MOST`."""
    explored = Explored.start(elements.of_lineage(fan(400)), 1)
    once = explored.down("root")
    assert len(once.shown) == 1 + STEP
    assert all("failed" in once.graph.by_id[each].statuses for each in once.shown - {"root"})
    for _ in range(40):
        once = once.down("root")
    assert len(once.shown) == MOST
    assert len(explored.everything().shown) == MOST
    assert len(Explored.start(explored.graph).shown) == BUDGET


def test_condensed_keeps_counts() -> None:
    """Groups stand for all members and count their statuses, whoever is taken out; arrows are counted, too."""
    outline = fan(100)
    cards = elements.of_lineage(outline)
    whole = elements.condensed(cards, outline)
    assert [node.title for node in whole.nodes] == ["Data root", "100 Data", "100 Runs"]
    assert sum(edge.count for edge in whole.edges) == len(cards.edges)
    runs = whole.by_id["runs:plan"]
    assert runs.statuses == {"done": 90, "failed": 10}
    assert whole.by_id["data:plan:/out"].lines == ("type:made",)
    out = taken_out(runs, cards)
    assert len(out) == STEP
    assert [cards.by_id[each].status for each in out[:10]] == ["failed"] * 10
    rest = elements.condensed(cards, outline, out)
    members = [each for node in rest.nodes for each in node.members]
    assert sorted(members) == sorted(cards.by_id)
    assert rest.by_id["runs:plan"].statuses == {"done": 88}


def test_search() -> None:
    """All words must be there, in any case, in ids, tags, images or statuses; no words find nothing."""
    explored = Explored.start(elements.of_lineage(fan(20)), 2)
    assert explored.found("NUMBER:7 made") == ["d7"]
    assert explored.found("make:1 failed") == ["r3", "r13"]
    assert explored.found("  ") == []


def test_new_statuses_leave_the_rest() -> None:
    """Statuses change without anything else."""
    cards = elements.of_lineage(fan(5))
    assert cards.down["root"] == ("r0", "r1", "r2", "r3", "r4")
    news = {"r1": "running", "d1": elements.state_of("running"), "stranger": "done"}
    changed = cards.with_statuses(news, {"r1": "done", "d1": "usable"})
    assert changed.by_id["r1"].status == "running"
    assert changed.by_id["d1"].status == "processing"
    assert changed.by_id["r0"] == cards.by_id["r0"]
    assert changed.down == cards.down
    assert [elements.state_of(each) for each in ("done", "failed", "invalidated")] == ["usable", "failed", "failed"]


def test_joined_takes_what_lies_beside() -> None:
    """What is new appears if it lies beside what is shown."""
    explored = Explored.start(elements.of_lineage(fan(30)), 1)
    assert explored.joined(["r1", "d2"]).shown == {"root", "r1"}


@given(st.dictionaries(st.integers(0, 29), st.sampled_from(("running", "done", "failed")), max_size=10), st.data())
def test_groups_count_as_if_drawn_anew(news: dict[int, str], data: st.DataObject) -> None:
    """After changes of statuses, groups are as if the cards had been drawn together then."""
    outline = fan(30)
    cards = elements.of_lineage(outline)
    apart = data.draw(st.sets(st.sampled_from([f"r{at}" for at in range(30)]), max_size=5))
    changed = {f"r{at}": status for at, status in news.items()}
    before = {each: cards.by_id[each].status for each in changed}
    told = elements.condensed(cards, outline, apart).with_statuses(changed, before)
    anew = elements.condensed(cards.with_statuses(changed, before), outline, apart)
    assert {node.id: dict(node.statuses) for node in told.nodes} == {n.id: dict(n.statuses) for n in anew.nodes}
