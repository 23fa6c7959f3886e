"""Every method asks its endpoint as the table says, and gives back what came."""

from __future__ import annotations

import pytest
from double import Answer, Asked

from knit_server.client.api import KnitClient
from knit_server.client.streams import Event
from knit_server.domain.errors import Conflict, InvalidInput, NotFound, Unavailable

CALLS = [
    (lambda k: k.find_data(["a:b"], since=0, duration=5), "GET /data",
     [("tag", "a:b"), ("since", "1970-01-01T00:00:00+00:00"), ("duration", "5ms")]),
    (lambda k: k.data_details("x"), "GET /data/x/details", []),
    (lambda k: k.data_files("x"), "GET /data/x/files", []),
    (lambda k: k.data_outline("x", downstream=1, whole=True), "GET /data/x/lineage/outline",
     [("upstream", "all"), ("downstream", "1"), ("whole", "true")]),
    (lambda k: k.data_lineage("x", upstream=2), "GET /data/x/lineage", [("upstream", "2"), ("downstream", "all")]),
    (lambda k: k.tag_data("x", add=["a:b"]), "PUT /data/x", []),
    (lambda k: k.find_plans(active=False), "GET /plans", [("active", "false")]),
    (lambda k: k.show_plan("x"), "GET /plans/x", []),
    (lambda k: k.apply_plan({"image": "i"}), "POST /plans", []),
    (lambda k: k.set_active("x", True), "PUT /plans/x/active", []),
    (lambda k: k.set_active("x", False), "DELETE /plans/x/active", []),
    (lambda k: k.plan_details("x"), "GET /plans/x/details", []),
    (lambda k: k.plan_graph("x", downstream=0), "GET /plans/x/graph", [("upstream", "all"), ("downstream", "0")]),
    (lambda k: k.find_runs(plans=["a", "b"], statuses=["done"]), "GET /runs", [("plan", "a,b"), ("status", "done")]),
    (lambda k: k.show_run("x"), "GET /runs/x", []),
    (lambda k: k.stop_run("x"), "PUT /runs/x/tearoff", []),
    (lambda k: k.stop_run("x", fail=True), "PUT /runs/x/abort", []),
    (lambda k: k.run_details("x"), "GET /runs/x/details", []),
    (lambda k: k.find_images(), "GET /images", []),
    (lambda k: k.tag_image("x", "y"), "PUT /images", [("name", "x")]),
    (lambda k: k.resolve("ab", ["data", "run"]), "GET /resolve",
     [("prefix", "ab"), ("kind", "data,run"), ("limit", "6")]),
    (lambda k: k.health(), "GET /health", []),
    (lambda k: k.tags_in_use("a"), "GET /tags", [("prefix", "a"), ("limit", "100")]),
    (lambda k: k.checks(), "GET /health/checks", []),
]  # fmt: skip


@pytest.mark.parametrize(("call", "route", "query"), CALLS, ids=[route for _, route, _ in CALLS])
def test_calls(knit: KnitClient, server, call, route, query) -> None:
    """Route and query are those of the table; the token goes with every request, never in the URL."""
    server.on(route, ["answer"])
    assert call(knit) == ["answer"]
    assert server.last.query == query
    assert server.last.headers["Authorization"] == "token s3cret"


def test_no_token(server) -> None:
    """Without a token there is no such header."""
    server.on("GET /health", {})
    with KnitClient(server.url) as knit:
        knit.health()
    assert "Authorization" not in server.last.headers


def test_ids_are_encoded(knit, server) -> None:
    """An id cannot name another path."""
    server.on("GET /runs/a/../b?c", {})
    assert knit.show_run("a/../b?c") == {}


def test_show_data(knit, server) -> None:
    """One Data is found by its id; none is NotFound."""
    server.on("GET /data", lambda asked: Answer([{"knitId": "x"}] if ("tag", "knit#id:x") in asked.query else []))
    assert knit.show_data("x") == {"knitId": "x"}
    with pytest.raises(NotFound):
        knit.show_data("y")


def test_errors_keep_their_kind(knit, server) -> None:
    """What the server refuses is raised as what it is, with its status as a note."""
    server.on("POST /plans", {"reason": "r", "advice": "a"}, status=409)
    with pytest.raises(Conflict) as caught:
        knit.apply_plan({})
    assert (caught.value.reason, caught.value.advice) == ("r", "a")
    assert caught.value.__notes__ == ["status code = 409"]


def test_events(knit, server) -> None:
    """Events are read as they come, whatever the blocks; the last id resumes."""
    stream = (
        b': hello\n\nevent: data\nid: 7\ndata: {"a":\ndata: 1}\n\n'
        b"event: run\r\nid: 8\r\ndata: {}\r\n\r\nevent: reset\ndata: null\n\n"
    )
    server.on("GET /events", chunks=[stream[at : at + 5] for at in range(0, len(stream), 5)])
    assert list(knit.events(after=6)) == [
        Event(id=7, kind="data", data={"a": 1}),
        Event(id=8, kind="run", data={}),
        Event(id=8, kind="reset", data={}),
    ]
    assert server.last.headers["Last-Event-ID"] == "6"


def test_a_log_left_early(knit, server) -> None:
    """Whoever stops reading a log can go on using the client."""
    server.on("GET /runs/r/log", chunks=[b"x"] * 1000)
    log = knit.run_log("r")
    assert next(log).startswith(b"x")
    log.close()
    server.on("GET /health", {"version": "1"})
    assert knit.health() == {"version": "1"}


def test_long_tags_come_after(knit, server, tmp_path) -> None:
    """Tags that no URL can hold are set right after the push."""
    (tmp_path / "f").write_text("x")
    server.on("POST /data", {"knitId": "k"})
    server.on("PUT /data/k", {"knitId": "k", "tags": []})
    assert knit.push(tmp_path, ["a:1", f"b:{'x' * 9000}", "c:2"]) == {"knitId": "k", "tags": []}
    assert server.asked[0].query == [("tag", "a:1")]
    assert [each["key"] for each in server.asked[1].json["add"]] == ["b", "c"]


def test_push_tells_progress(knit, server, tmp_path) -> None:
    """Progress counts the bytes read; `sent` comes when all is sent."""
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "b").write_bytes(b"y" * 5)
    told: list[object] = []
    server.on("POST /data", {"knitId": "k"})
    knit.push(tmp_path, progress=lambda done, path: told.append((done, path)), sent=lambda: told.append("sent"))
    assert told == [(10, "a"), (15, "b"), "sent"]


def test_push_refused_at_once(knit, server, tmp_path) -> None:
    """The reason of a server that refuses without reading the body is shown, not the broken pipe."""
    (tmp_path / "a").write_bytes(bytes(range(256)) * 4096)

    def refuse(asked: Asked) -> Answer:
        return Answer({"reason": "the disk is full"}, status=507)

    server.on("POST /data", refuse)
    with pytest.raises(Exception, match="the disk is full"):
        knit.push(tmp_path)


def test_pull_gives_the_place(knit, server, tmp_path) -> None:
    """Without the server's word on the content there is a warning."""
    from knit_server.content.tarball import pack_directory

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").write_text("x")
    server.on("GET /data/k", chunks=[b"".join(pack_directory(tmp_path / "src"))])
    warnings: list[str] = []
    assert knit.pull("k", tmp_path / "dest", warn=warnings.append) == tmp_path / "dest"
    assert (tmp_path / "dest" / "f").read_text() == "x"
    assert "could not be verified" in warnings[0]


@pytest.mark.parametrize("stream", [b"not a gzip", b""])
def test_pull_of_garbage(knit, server, tmp_path, stream) -> None:
    """What is no archive is refused and leaves nothing."""
    server.on("GET /data/k", chunks=[stream] if stream else [])
    with pytest.raises(InvalidInput):
        knit.pull("k", tmp_path / "dest")
    assert list(tmp_path.iterdir()) == []


def test_closed_and_used_again(knit, server) -> None:
    """A closed client opens new connections when it is used."""
    server.on("GET /health", {})
    knit.health()
    knit.close()
    assert knit.health() == {}


def test_cut_in_the_middle(knit, server) -> None:
    """JSON that breaks off is Unavailable."""
    server.on("GET /health", chunks=[b'{"a"'], cut=True)
    with pytest.raises(Unavailable, match="cut off"):
        knit.health()
