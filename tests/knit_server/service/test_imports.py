"""Imports: a folder that Knit made becomes a Data, for whoever has the token, in time, once."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from knit_server.domain.errors import Conflict, InvalidInput, Unavailable, Untrusted
from knit_server.domain.runs import Exit, Status
from knit_server.domain.views import RunView
from knit_server.persistence import keys
from knit_server.scheduler import Scheduler
from knit_server.service import data, imports, lineage, plans, runs
from knit_server.service.context import Context
from knit_server.service.data import TagChange
from knit_server.testing import a_plan, some_tags, temp_knit

MINUTE = 60_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ctx(tmp_path: Path, db_url: str, clock: Clock) -> Iterator[Context]:
    with temp_knit(tmp_path / "home", url=db_url, now=clock) as opened:
        yield opened


@pytest.fixture
def schedule(ctx: Context) -> Iterator[Callable[[], Scheduler]]:
    started: list[Scheduler] = []

    def start(**options: Any) -> Scheduler:
        scheduler = Scheduler(ctx, retry_after=0.05, **options)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    for each in started:
        each.stop()


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return told


def status(ctx: Context, token: str) -> Status:
    return runs.show(ctx, claims(token)[imports.RUN_ID]).run.status


def await_end(ctx: Context, token: str) -> Status:
    """Wait for a Run to end."""
    changed = threading.Event()
    unsubscribe = ctx.signals.subscribe(lambda topics: changed.set())
    try:
        while (found := status(ctx, token)) not in (Status.DONE, Status.FAILED):
            assert changed.wait(20), found
            changed.clear()
    finally:
        unsubscribe()
    return found


def fill(token: str, **files: str) -> Path:
    place = Path(claims(token)["sub"])
    for name, text in (files or {"a.txt": "A"}).items():
        (place / name).write_text(text)
    return place


def test_what_begin_gives(ctx: Context, clock: Clock) -> None:
    """A token of the documented form, an empty folder in the home, a Run that is running."""
    token = imports.begin(ctx)
    header = jwt.get_unverified_header(token)
    told = claims(token)
    assert (header["alg"], len(header["kid"])) == ("HS256", 36)
    assert set(told) == {"jti", "sub", "exp", "knitfab/knitId", "knitfab/runId"}
    assert len(told["jti"]) == 36
    assert told["exp"] == (clock.now + 30 * MINUTE) // 1000
    place = Path(told["sub"])
    assert place.is_relative_to(ctx.home)
    assert list(place.iterdir()) == []
    run = runs.show(ctx, told["knitfab/runId"])
    assert (run.run.status, run.plan.name) == (Status.RUNNING, "knit#imported")
    shown = data.show(ctx, told["knitfab/knitId"])
    assert (shown.data.path, shown.data.status) == ("/imported", Status.RUNNING)


def test_scenario_80_an_import(ctx: Context, schedule: Callable[[], Scheduler]) -> None:
    """After `end` the folder is a Data, which is matched at once; the folder is gone (scenario 80)."""
    scheduler = schedule()
    token = imports.begin(ctx)
    place = fill(token, **{"a.txt": "A", "b.txt": "B"})
    (place / "link").symlink_to("a.txt")
    view = imports.end(ctx, token)
    assert view.data.status is Status.RUNNING
    assert await_end(ctx, token) is Status.DONE
    knit_id = claims(token)["knitfab/knitId"]
    assert data.details(ctx, knit_id)["size"] == 2
    assert b"".join(data.download(ctx, knit_id).chunks)
    scheduler.stop()
    assert not place.exists()
    assert not place.parent.parent.exists()
    graph = lineage.data_lineage(ctx, knit_id, None, None)
    assert [run.plan.name for run in graph.runs] == ["knit#imported"]


def test_scenario_80_twice(ctx: Context, schedule: Callable[[], Scheduler]) -> None:
    """`end` may be repeated while it is at it, but not when it is done (scenario 80)."""
    token = imports.begin(ctx)
    fill(token)
    imports.end(ctx, token)
    assert imports.end(ctx, token).data.status is Status.COMPLETING
    schedule()
    await_end(ctx, token)
    with pytest.raises(Conflict, match=r"is over: its Run .* is done"):
        imports.end(ctx, token)


def test_scenario_80_before_the_folder_is_there(ctx: Context) -> None:
    """Without its folder, or with a link in its place, an import cannot end; it can later (scenario 80)."""
    token = imports.begin(ctx)
    place = Path(claims(token)["sub"])
    place.rmdir()
    with pytest.raises(InvalidInput, match="not on this server"):
        imports.end(ctx, token)
    place.symlink_to("/etc")
    with pytest.raises(InvalidInput, match="not on this server"):
        imports.end(ctx, token)
    place.unlink()
    place.mkdir()
    assert status(ctx, token) is Status.RUNNING
    imports.end(ctx, token)


def test_scenario_80_forged(ctx: Context, clock: Clock) -> None:
    """No token but our own, as it is, counts (scenario 80)."""
    token = imports.begin(ctx)
    fill(token)
    header, told = jwt.get_unverified_header(token), claims(token)
    forged = [
        "", "x", "a.b.c", token[:-6] + "AAAAAA", token + "x", token.rsplit(".", 1)[0] + ".",
        jwt.encode(told, "k" * 256, algorithm="HS256", headers=header),
        jwt.encode(told, "k" * 256, algorithm="HS256", headers={"kid": "other"}),
        jwt.encode(told, "k" * 256, algorithm="HS256"),
        "eyJhbGciOiJub25lIn0." + token.split(".")[1] + ".",
    ]  # fmt: skip
    for each in forged:
        with pytest.raises(
            Untrusted, match=r"this is no token of an import: |is signed with a key that this server does"
        ):
            imports.end(ctx, each)
    clock.now += 30 * MINUTE
    with pytest.raises(Untrusted, match="time of the token is over"):
        imports.end(ctx, token)
    assert status(ctx, token) is Status.RUNNING


def test_what_is_signed_but_lacks_something(ctx: Context, clock: Clock) -> None:
    """A token with a right signature must also say what it is for."""
    token = imports.begin(ctx)
    header, told = jwt.get_unverified_header(token), claims(token)
    with ctx.db.read() as tx:
        key = keys.named(tx, header["kid"], clock.now)
    assert key is not None
    assert repr(key.secret) not in repr(key)
    for name in told:
        less = {each: value for each, value in told.items() if each != name}
        with pytest.raises(Untrusted, match=r"the token lacks knitfab/|this is no token of an import: "):
            imports.end(ctx, jwt.encode(less, key.secret, algorithm="HS256", headers=header))
    strange = told | {"knitfab/runId": ctx.new_id(), "sub": "/etc"}
    with pytest.raises(Conflict, match="the import is gone"):
        imports.end(ctx, jwt.encode(strange, key.secret, algorithm="HS256", headers=header))


def test_keys(ctx: Context, clock: Clock) -> None:
    """A key is used while it outlasts the import, and dropped when its three hours are over."""
    first = jwt.get_unverified_header(imports.begin(ctx))["kid"]
    clock.now += 150 * MINUTE - 1
    assert jwt.get_unverified_header(imports.begin(ctx))["kid"] == first
    clock.now += 1
    token = imports.begin(ctx)
    second = jwt.get_unverified_header(token)["kid"]
    assert second != first
    with ctx.db.read() as tx:
        found = keys.named(tx, first, clock.now)
        assert found is not None
        assert len(found.secret) == 256
    clock.now += 150 * MINUTE
    imports.begin(ctx)
    with ctx.db.read() as tx:
        assert keys.named(tx, first, 0) is None
        assert keys.named(tx, second, clock.now) is not None


def test_scenario_52_past_the_deadline(
    ctx: Context, clock: Clock, schedule: Callable[..., Scheduler]
) -> None:  # fmt: skip
    """An import that is not ended in time is aborted and failed, not before, and its folder goes (scenario 52)."""
    token = imports.begin(ctx)
    place = fill(token)
    clock.now += 30 * MINUTE - 1
    schedule().stop()
    assert status(ctx, token) is Status.RUNNING
    clock.now += 2
    schedule()
    assert await_end(ctx, token) is Status.FAILED
    run = runs.show(ctx, claims(token)["knitfab/runId"]).run
    assert run.exit == Exit(255, "the import was not ended in time")
    with pytest.raises(Untrusted):
        imports.end(ctx, token)
    schedule().stop()
    assert not place.exists()


def test_stopped_by_a_user(ctx: Context, schedule: Callable[[], Scheduler]) -> None:
    """A user may end it as failed, at once, but not as done."""
    schedule()
    token = imports.begin(ctx)
    run_id = claims(token)["knitfab/runId"]
    with pytest.raises(Conflict, match="is an import"):
        runs.tearoff(ctx, run_id)
    runs.abort(ctx, run_id)
    assert await_end(ctx, token) is Status.FAILED
    with pytest.raises(Conflict, match="is failed"):
        imports.end(ctx, token)
    with pytest.raises(Conflict, match=r"is an import; .*"):
        runs.retry(ctx, run_id)
    runs.delete(ctx, run_id)
    with pytest.raises(Conflict, match="the import is gone"):
        imports.end(ctx, token)


def test_other_homes_leave_it_alone(tmp_path: Path, ctx: Context, db_url: str, clock: Clock) -> None:
    """Of several homes on one database, the one that has the folder stores it."""
    token = imports.begin(ctx)
    fill(token)
    imports.end(ctx, token)
    if db_url.startswith("sqlite"):
        return  # a SQLite file has one home
    with temp_knit(tmp_path / "other", url=db_url, now=clock) as other:
        stranger = Scheduler(other, exclusive=False)
        stranger.start()
        stranger.stop()
        assert status(ctx, token) is Status.COMPLETING
    own = Scheduler(ctx, exclusive=False)
    own.start()
    assert await_end(ctx, token) is Status.DONE
    own.stop()


@pytest.mark.parametrize("place", ["stored", "finished", "adopted"])
def test_killed_on_the_way(ctx: Context, clock: Clock, schedule: Callable[..., Scheduler], place: str) -> None:
    """Where the server dies between two steps, the next one ends the import."""

    class Killed(BaseException):
        pass

    died = threading.Event()

    def die(name: str) -> None:
        if name == place:
            died.set()
            raise Killed

    token = imports.begin(ctx)
    fill(token)
    imports.end(ctx, token)
    first = Scheduler(ctx, checkpoint=die)
    first.start()
    assert died.wait(20)
    first.stop()
    clock.now += ctx.limits.lease + 1  # the lease of the dead
    schedule()
    assert await_end(ctx, token) is Status.DONE
    assert data.details(ctx, claims(token)["knitfab/knitId"])["usable"] is True


def test_what_follows(ctx: Context, schedule: Callable[[], Scheduler]) -> None:
    """Tags that an import's Data gets while it is filled make it match when it is done."""
    plan = plans.apply(ctx, a_plan("image:1", {"/in": ("kind:imported",)}, {}))
    token = imports.begin(ctx)
    knit_id = claims(token)["knitfab/knitId"]
    data.retag(ctx, knit_id, TagChange(add=some_tags("kind:imported")))
    fill(token)
    imports.end(ctx, token)
    schedule()
    await_end(ctx, token)
    found = runs.find(ctx, runs.RunQuery(plans=(plan.plan.plan_id,)))
    assert [run.run.hops for run in found] == [0]


class Refusing:
    """A hook that refuses every change until it is allowed."""

    wanted = True

    def __init__(self) -> None:
        self.allowed = False
        self.asked: list[Status] = []
        self.heard = threading.Event()

    async def before(self, run: RunView) -> dict[str, str]:
        self.asked.append(run.run.status)
        self.heard.set()
        if not self.allowed:
            raise Unavailable("not yet")
        return {}

    async def after(self, run: RunView) -> None:
        pass

    async def close(self) -> None:
        pass


def test_scenario_52_a_hook_that_refuses(ctx: Context, clock: Clock, schedule: Callable[..., Scheduler]) -> None:
    """While a hook refuses, an import past its deadline stays running; it fails once the hook agrees (scenario 52)."""
    token = imports.begin(ctx)
    clock.now += 30 * MINUTE + 1
    hooks = Refusing()
    schedule(hooks=hooks)
    for _ in range(2):
        assert hooks.heard.wait(20)
        hooks.heard.clear()
    assert status(ctx, token) is Status.RUNNING
    hooks.allowed = True
    assert await_end(ctx, token) is Status.FAILED
    assert hooks.asked[0] is Status.RUNNING
    assert hooks.asked[-1] is Status.ABORTING
