"""What holds for all handlers: short, authenticated, in step with the endpoint table, never slow on the event loop."""

from __future__ import annotations

import ast
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import knit_server
from knit_server import handlers
from knit_server.handlers.base import KnitHandler
from knit_server.handlers.routes import HANDLERS
from knit_server.wire.endpoints import ENDPOINTS

METHODS = ("get", "post", "put", "delete", "patch", "head")
FILES = sorted(Path(str(handlers.__file__)).parent.glob("*.py"))
TarGz = Callable[..., bytes]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_endpoint_has_a_handler() -> None:
    """Paths and methods of the table and of the handlers are the same."""
    table = defaultdict(set)
    for endpoint in ENDPOINTS:
        table[endpoint.path].add(endpoint.method.lower())
    served = {
        path: {name for name in METHODS if getattr(handler, name) is not KnitHandler._unimplemented_method}
        for path, handler in HANDLERS.items()
    }
    assert served == dict(table)


def test_every_method_is_authenticated() -> None:
    """Besides `prepare`, each method carries the decorator that Jupyter looks for."""
    for handler in HANDLERS.values():
        for name in METHODS:
            method = getattr(handler, name)
            if method is not KnitHandler._unimplemented_method:
                assert method.__code__.co_qualname.startswith("authenticated"), (handler, name)
                assert inspect.iscoroutinefunction(method.__wrapped__)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_handlers_are_short(file: Path) -> None:
    """Decode, call, encode: a method of a handler has at most 15 lines."""
    for node in functions(ast.parse(file.read_text())):
        if node.name in METHODS:
            assert (node.end_lineno or 0) - node.lineno < 15, f"{file.name}: {node.name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_services_are_only_passed_on(file: Path) -> None:
    """No function of a service is called here: they are handed to `call`, `reply` or a worker. Values may be made."""
    tree = ast.parse(file.read_text())
    services = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "knit_server.service"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            called = f"{node.func.value.id}.{node.func.attr}"
            assert node.func.value.id not in services or node.func.attr[0].isupper(), f"{file.name}: {called}"


SLOW = tuple(
    str(Path(str(knit_server.__file__)).parent / name)
    for name in ("service", "storage", "persistence", "content", "executors", "wire/codecs")
)
FINE = ("signals.py",)  # subscribing takes a lock for a moment, and needs no thread


def test_nothing_slow_runs_on_the_event_loop(fake_knit: Any, tar_gz: TarGz) -> None:
    """While every kind of request is served, no function below the handlers is entered by the loop's thread."""
    entered: set[str] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(SLOW) and not code.co_filename.endswith(FINE):
            entered.add(f"{code.co_filename}:{code.co_name}")

    fake_knit.call(lambda: sys.setprofile(watch))
    with fake_knit.client() as client:
        plan = {"image": "x:1", "inputs": [{"path": "/in", "tags": ["a:1"]}], "log": {"tags": []}}
        assert client.post("/plans", json=plan).status_code == 200
        pushed = client.post("/data", params={"tag": "a:1"}, content=tar_gz(f="x")).json()
        run = pushed["upstream"]["run"]["runId"]
        paths = [endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET" and endpoint.name != "events"]
        for path in paths:
            plan_id = client.get("/plans", params={"image": "x"}).json()[0]["planId"]
            filled = path.format(knitId=pushed["knitId"], planId=plan_id, runId=run)
            for asked in ({"id": run}, {"id": run, "limit": 1}):
                assert client.get(filled, params=asked).status_code in (200, 404), filled
        client.put(f"/data/{pushed['knitId']}", json={"add": ["b:2"]})
        client.post("/images", params={"name": "y:1"}, content=tar_gz(Dockerfile=""))
        with client.stream("GET", "/events", headers={"Last-Event-ID": "1"}) as answer:
            next(answer.iter_raw())
    fake_knit.call(lambda: sys.setprofile(None))
    assert not entered
    assert threading.current_thread() is threading.main_thread()
