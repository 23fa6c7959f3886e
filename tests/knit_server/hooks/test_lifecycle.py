"""Hooks over HTTP: what they are sent, what counts as yes, and what is done with answers that nobody should give."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hook_server import Behaviour, HookServer, answer, gives, says

from knit_server.domain.errors import InvalidInput, Unavailable
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.plans import Plan, check
from knit_server.domain.runs import Assignment, Exit, Run, Status
from knit_server.domain.views import RunView
from knit_server.hooks import HookSettings, LifecycleHooks
from knit_server.hooks import lifecycle as http
from knit_server.testing import a_plan
from knit_server.wire import codecs

PLAN = Plan(plan_id=PlanId("p1"), spec=check(a_plan("image:1", {"/in": ("a:b",)}, {"/out": ("c:d",)})))


def a_run(status: Status = Status.READY) -> RunView:
    """A Run that stands there."""
    exit_ = Exit(3, "(container main) Fehler ⚠") if status is Status.ABORTING else None
    run = Run(run_id=RunId("r1"), plan_id=PlanId("p1"), key="", status=status, updated_at=1_000, exit=exit_)
    taken, made = Assignment(path="/in", knit_id=KnitId("d1")), Assignment(path="/out", knit_id=KnitId("d2"))
    return RunView(run=run, plan=PLAN, inputs=(taken,), outputs=(made,), log=None)


async def ask(*urls: str, run: RunView | None = None, seconds: float = 30.0) -> dict[str, str]:
    """Ask hooks before a change."""
    hooks = LifecycleHooks(HookSettings(before=urls, timeout=seconds))
    try:
        return dict(await hooks.before(run or a_run()))
    finally:
        await hooks.close()


async def tell(*urls: str, run: RunView | None = None, seconds: float = 30.0) -> None:
    """Tell hooks after a change."""
    hooks = LifecycleHooks(HookSettings(after=urls, timeout=seconds))
    try:
        await hooks.after(run or a_run())
    finally:
        await hooks.close()


@pytest.mark.parametrize("send", [ask, tell])
@pytest.mark.parametrize("status", [Status.READY, Status.ABORTING])
async def test_what_is_sent(hook: HookServer, send: Callable[..., Any], status: Status) -> None:
    """A POST of JSON: the Run as the API tells it."""
    run = a_run(status)
    await send(hook.url, run=run)
    assert hook.seen == [codecs.run_detail(run)]
    first, *headers = hook.requests[0].decode().lower().split("\r\n")
    assert first == "post /hook http/1.1"
    assert "content-type: application/json" in headers
    assert not any(line.startswith("transfer-encoding") for line in headers), "the length is known"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 206, 299])
async def test_any_2xx_is_yes(hook: HookServer, status: int) -> None:
    """Any 2xx is a yes, whatever else it says."""
    hook.behaviour = says(status, b"" if status in (204, 205) else b"thanks")
    assert await ask(hook.url) == {}


@pytest.mark.parametrize("status", [300, 302, 400, 404, 500, 503])
async def test_anything_else_is_no(hook: HookServer, status: int) -> None:
    """Any other status is a refusal that names the hook and the status."""
    hook.behaviour = says(status, b"{}", "application/json")
    with pytest.raises(Unavailable, match=rf"hook {hook.url} answered {status}"):
        await ask(hook.url)


async def test_redirects_are_not_followed(hook: HookServer, other: HookServer) -> None:
    """A redirect is a refusal: the Run is sent nowhere else."""
    hook.behaviour = says(307, Location=other.url)
    with pytest.raises(Unavailable, match=r"307 \(redirects are not followed\)"):
        await ask(hook.url)
    assert other.seen == []


async def test_first_refusal_stops(hook: HookServer, other: HookServer) -> None:
    """Hooks are asked one after the other; behind one that refuses, none is asked."""
    assert await ask(hook.url, other.url) == {}
    hook.behaviour = says(500)
    with pytest.raises(Unavailable):
        await ask(hook.url, other.url)
    assert (len(hook.seen), len(other.seen)) == (2, 1)


async def test_scenario_65_all_are_told_afterwards(
    hook: HookServer, other: HookServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A hook that fails afterwards is logged, and the next one is told all the same (scenario 65)."""
    hook.behaviour = says(500)
    with caplog.at_level(logging.WARNING, "knit.hooks"):
        await tell(hook.url, other.url)
    assert len(other.seen) == 1
    assert "Run r1 is ready, but hook" in caplog.text
    assert "answered 500" in caplog.text


async def test_scenario_64_environments_are_merged(hook: HookServer, other: HookServer) -> None:
    """Of {A:1} and {A:2,B:3} come A=2 and B=3; what is not JSON gives nothing (scenario 64)."""
    hook.behaviour = gives({"A": "1"})
    other.behaviour = gives({"A": "2", "B": "3"})
    assert await ask(hook.url, other.url) == {"A": "2", "B": "3"}
    assert await ask(other.url, hook.url) == {"A": "1", "B": "3"}
    hook.behaviour = says(200, b'{"knitfabExtension": {"env": {"A": "1"}}}', "text/plain")
    assert await ask(hook.url) == {}


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x=y"]
)
async def test_json_with_parameters(hook: HookServer, kind: str) -> None:
    """Parameters of the content type change nothing."""
    hook.behaviour = gives({"GREETING": "grüß dich\n"}, kind)
    assert await ask(hook.url) == {"GREETING": "grüß dich\n"}


@pytest.mark.parametrize("kind", ["", "text/html", "application/json5", "application/problem+json", "json"])
async def test_other_content_gives_nothing(hook: HookServer, kind: str) -> None:
    """What is not called application/json is not looked at."""
    hook.behaviour = says(200, b"{ rubbish", kind)
    assert await ask(hook.url) == {}


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.READY])
async def test_only_before_a_start(hook: HookServer, status: Status) -> None:
    """Where no program starts, no environment is given, and nobody minds what the answer holds."""
    hook.behaviour = gives({"A": "1"})
    assert await ask(hook.url, run=a_run(status)) == {}
    hook.behaviour = says(200, b"{ rubbish", "application/json")
    assert await ask(hook.url, run=a_run(status)) == {}


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"fine"', b"null", b"1", b'{"knitfabExtension": null}',
                                  b'{"knitfabExtension": {}}', b'{"knitfabExtension": {"env": null, "more": 1}}',
                                  b'{"knitfabExtension": {"env": {}}}'])  # fmt: skip
async def test_json_without_environment(hook: HookServer, body: bytes) -> None:
    """JSON that names no environment gives none."""
    hook.behaviour = says(200, body, "application/json")
    assert await ask(hook.url) == {}


WRONG = [
    b"", b"{", b"ok", b"\xff\xfe", b"[" * 100_000, b'{"knitfabExtension": []}', b'{"knitfabExtension": "A=1"}',
    b'{"knitfabExtension": {"env": ["A=1"]}}', b'{"knitfabExtension": {"env": "A=1"}}',
    b'{"knitfabExtension": {"env": {"A": 1}}}', b'{"knitfabExtension": {"env": {"A": null}}}',
    b'{"knitfabExtension": {"env": {"A": true}}}', b'{"knitfabExtension": {"env": {"": "1"}}}',
    b'{"knitfabExtension": {"env": {"A=B": "1"}}}', b'{"knitfabExtension": {"env": {"1A": "1"}}}',
    b'{"knitfabExtension": {"env": {"A-B": "1"}}}', b'{"knitfabExtension": {"env": {"A\\n": "1"}}}',
    '{"knitfabExtension": {"env": {"Ä": "1"}}}'.encode(), b'{"knitfabExtension": {"env": {"A": "\\u0000"}}}',
    b'{"knitfabExtension": {"env": {"A": "\\ud800"}}}',
    json.dumps({"knitfabExtension": {"env": {"A": "x" * 131_070}}}).encode(),
    json.dumps({"knitfabExtension": {"env": {"A": "x"}}, "more": "x" * http.MOST_BYTES}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", WRONG, ids=range(len(WRONG)))
async def test_unusable_environment(hook: HookServer, other: HookServer, body: bytes) -> None:
    """What says that it is JSON and is not, or gives what no program can be given, is a refusal that says why."""
    hook.behaviour = says(200, body, "application/json")
    with pytest.raises(Unavailable, match=rf"hook {hook.url} (gave no usable environment: |answered more)"):
        await ask(hook.url, other.url)
    assert other.seen == []


async def test_too_much_together(hook: HookServer, other: HookServer) -> None:
    """Several hooks together cannot give more than a program can be started with."""
    hook.behaviour = gives({f"A{n}": "x" * 100_000 for n in range(8)})
    other.behaviour = gives({f"B{n}": "x" * 100_000 for n in range(8)})
    with pytest.raises(Unavailable, match=rf"hook {other.url} .*together"):
        await ask(hook.url, other.url)
    assert len(await ask(hook.url)) == 8


def in_drops(text: bytes) -> Behaviour:
    """Answer so slowly that each byte is in time, but not the whole."""

    def drip(run: dict[str, Any], to: socket.socket) -> None:
        for byte in answer(200, text, "application/json"):
            to.sendall(bytes([byte]))
            time.sleep(0.02)

    return drip


async def test_time_is_bounded(hook: HookServer, other: HookServer) -> None:
    """A hook that hangs, or answers in drops for ever, has refused when its time is over, before and after."""
    for behaviour in (hook.hangs, in_drops(b" " * 10_000)):
        hook.behaviour = behaviour
        with pytest.raises(Unavailable, match=r"did not answer in 0\.2 s"):
            await ask(hook.url, seconds=0.2)
        await tell(hook.url, other.url, seconds=0.2)
    assert len(other.seen) == 2


def endless(run: dict[str, Any], to: socket.socket) -> None:
    """Answer without end."""
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        to.sendall(b" " * 65536)


def a_bomb(run: dict[str, Any], to: socket.socket) -> None:
    """Answer with few bytes that unpack to many."""
    to.sendall(answer(200, gzip.compress(b" " * (64 << 20)), "application/json", Content_Encoding="gzip"))


def rubbish(run: dict[str, Any], to: socket.socket) -> None:
    """Speak no HTTP."""
    to.sendall(b"220 mail.example ESMTP\r\n\r\n\x00\xff")


def cut_off(run: dict[str, Any], to: socket.socket) -> None:
    """Hang up in the midst of an answer."""
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")


def no_word(run: dict[str, Any], to: socket.socket) -> None:
    """Hang up at once."""


def long_headers(run: dict[str, Any], to: socket.socket) -> None:
    """Send headers without end."""
    to.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        to.sendall(b"X-More: " + b"x" * 60_000 + b"\r\n")


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [(endless, "answered more than 1048576 bytes"), (a_bomb, "compressed"), (rubbish, "no proper answer"),
     (cut_off, "no proper answer"), (no_word, "no proper answer"), (long_headers, "no proper answer")],
)  # fmt: skip
async def test_indecent_answers(hook: HookServer, behaviour: Behaviour, why: str) -> None:
    """Whatever a hook answers, it costs no more than a bounded time and memory, and is told in words."""
    hook.behaviour = behaviour
    with pytest.raises(Unavailable, match=why):
        await ask(hook.url, seconds=5)
    await tell(hook.url, seconds=5)


async def test_a_huge_answer_does_not_matter_where_nobody_reads_it(hook: HookServer) -> None:
    """A yes is a yes: what follows is not waited for."""
    hook.behaviour = endless
    assert await ask(hook.url, run=a_run(Status.RUNNING)) == {}


async def test_nobody_listens() -> None:
    """A hook that is not there is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(Unavailable, match=rf"hook {url} cannot be reached"):
        await ask(url)
    with pytest.raises(Unavailable, match="cannot be"):
        await ask("http://name.invalid./x", seconds=5)
    await tell(url)


async def test_secrets_are_not_told(hook: HookServer) -> None:
    """What a URL carries as password or query is sent to the hook, and told nobody else."""
    hook.behaviour = says(500)
    url = hook.url.replace("http://", "http://user:geheim@") + "?token=geheim"
    with pytest.raises(Unavailable) as raised:
        await ask(url)
    assert "geheim" not in str(raised.value)
    assert hook.url in str(raised.value)
    head = hook.requests[0].lower()
    assert b"post /hook?token=geheim " in head
    assert b"authorization: basic" in head
    assert http.shown("http://[::1]:1/x?y") == "http://[::1]:1/x"


async def test_a_proxy_is_not_used_for_this_machine(hook: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a proxy is set, hooks on this machine are asked directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await ask(hook.url) == {}


async def test_many_at_once(hook: HookServer, other: HookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that hangs holds up no other one, until there are very many; those wait for their turn."""
    hook.behaviour = hook.hangs
    hooks = LifecycleHooks(HookSettings(before=(hook.url,)))
    free = LifecycleHooks(HookSettings(before=(other.url,)))
    slow = [asyncio.create_task(hooks.before(a_run())) for _ in range(http.AT_ONCE + 5)]
    await asyncio.to_thread(hook.wait, lambda: len(hook.seen) == http.AT_ONCE)
    assert await free.before(a_run()) == {}
    for task in slow:
        task.cancel()
    done = await asyncio.gather(*slow, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in done), "cancelled at once"
    assert len(hook.seen) <= http.AT_ONCE + 5
    await hooks.close()
    await free.close()


def test_wanted() -> None:
    """Without URLs there is nobody to tell; wrong settings are refused at once."""
    assert not LifecycleHooks(HookSettings()).wanted
    assert LifecycleHooks(HookSettings(after=("http://a/",))).wanted
    with pytest.raises(InvalidInput):
        LifecycleHooks(dataclasses.replace(HookSettings(), timeout=0))
