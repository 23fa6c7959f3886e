"""Threads of which only one runs at a time, an event loop in virtual time, and dice that decide who is next.

Whatever is under test calls `Stepper.seam` where others may come in between: before each transaction, between a commit
and its announcement, at the scheduler's checkpoints, before a program is started. Between two seams nobody else does
anything, so a history is a function of its seed. Nobody ever sleeps: when all wait, the clock goes on to the next
timer.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

STUCK = 60.0
"""Real seconds after which a thread that does not come to its next seam counts as deadlocked."""
NEWCOMER = "newcomer"
"""Name of the workers that `Stepper.rush` favours."""


class Worker:
    """A thread that runs only between `step` and its next seam."""

    def __init__(self, function: Callable[[], object], future: Future[Any], name: str) -> None:
        self.name = name
        self._function, self._future = function, future
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.ended = False
        self._thread.start()

    def _run(self) -> None:
        _here.worker = self
        self._go.acquire()
        try:
            self._future.set_result(self._function())
        except BaseException as err:
            self._future.set_exception(err)
        finally:
            self.ended = True
            self._paused.release()

    def step(self) -> None:
        """Let it run to its next seam or its end."""
        self._go.release()
        assert self._paused.acquire(timeout=STUCK), f"{self.name} waits for somebody who cannot move"
        if self.ended:
            self._thread.join()

    def pause(self) -> None:
        """Wait, in its own thread, for the next `step`."""
        self._paused.release()
        self._go.acquire()


_here = threading.local()


class Stepper:
    """Throws the dice. Lives in one thread, that of the event loop; all others are its workers.

    `newcomer` begins what somebody new does, if there is anybody; `bustle` is how likely that is at each step, and
    where nothing else happens it is certain. While `quiet`, the loop's thread goes on alone.
    """

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.now = 0.0
        self.quiet = False
        self.bustle = 0.1
        self.newcomer: Callable[[], bool] = lambda: False
        self._main = threading.get_ident()
        self._workers: list[Worker] = []
        self._turning = False
        self._rushed = 0

    def spawn(self, function: Callable[[], object], future: Future[Any], name: str) -> Worker:
        """Begin a worker; it does nothing before it is stepped."""
        worker = Worker(function, future, name)
        self._workers.append(worker)
        return worker

    def seam(self) -> None:
        """Let others come in between, or nobody: the dice decide."""
        worker = getattr(_here, "worker", None)
        if worker is not None:
            worker.pause()
        elif threading.get_ident() == self._main and not self.quiet and not self._turning:
            self.turn()

    def turn(self) -> None:
        """Let a few steps happen, or none."""
        self.now += self.dice.choice((0, 0, 0.001, 0.003))
        while self.dice.random() < (0.8 if self._rushed else 0.45):
            if not self.move():
                return

    def rush(self, steps: int) -> None:
        """Favour newcomers for so many steps: whoever comes to a seam meanwhile is held there."""
        self._rushed = steps

    def move(self) -> bool:
        """Let one worker make a step, or somebody new begin; False if nothing moved."""
        self._turning = True
        try:
            self._rushed = max(self._rushed - 1, 0)
            if self.dice.random() < (0.5 if self._rushed else self.bustle) and self.newcomer():
                return True
            if not self._workers:
                return False
            favoured = [each for each in self._workers if each.name == NEWCOMER] if self._rushed else []
            worker = self.dice.choice(favoured or self._workers)
            worker.step()
            if worker.ended:
                self._workers.remove(worker)
            return True
        finally:
            self._turning = False


class SteppedPool(Executor):
    """A pool of which the stepper moves the threads; at most `size` at a time, the others queue."""

    def __init__(self, stepper: Stepper, name: str, size: int = 4) -> None:
        self._stepper, self._name, self.size = stepper, name, size
        self._queue: list[tuple[Callable[[], object], Future[Any]]] = []
        self.busy = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Run a function some time."""
        future: Future[Any] = Future()
        self._queue.append((lambda: function(*args, **more), future))
        self._begin()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Drop what has not begun, and move everybody until what has begun is over."""
        dropped, self._queue = self._queue, []
        for _, future in dropped:
            future.cancel()
        while self.busy:
            self._stepper.move()

    def _begin(self) -> None:
        while self._queue and self.busy < self.size:
            function, future = self._queue.pop(0)
            if future.set_running_or_notify_cancel():
                self.busy += 1
                self._stepper.spawn(lambda function=function: self._guarded(function), future, self._name)  # type: ignore[misc]

    def _guarded(self, function: Callable[[], object]) -> object:
        try:
            return function()
        finally:
            self.busy -= 1
            self._begin()


class _Selector(selectors.SelectSelector):
    """Where the loop would wait for the world, the stepper moves it."""

    def __init__(self, stepper: Stepper, patience: float) -> None:
        super().__init__()
        self._stepper, self._patience = stepper, patience
        self.idle: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            self._stepper.turn()
        elif not self._stepper.move():
            if timeout is not None and timeout <= self._patience:
                self._stepper.now += timeout
            elif not self._stepper.newcomer():
                self.idle()
        return []


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. `on_idle` is called when nothing happens for `patience` virtual seconds."""

    def __init__(self, stepper: Stepper, patience: float = 5.0) -> None:
        self._stepper = stepper
        self._waiting = _Selector(stepper, patience)
        super().__init__(self._waiting)

    def on_idle(self, act: Callable[[], None]) -> None:
        """Call `act` when all is quiet. It must begin something, or end the loop."""
        self._waiting.idle = act

    def time(self) -> float:
        """Virtual seconds."""
        return self._stepper.now

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Only one thread runs: there is nobody to be safe from, and nobody sleeps who had to be woken."""
        return self.call_soon(callback, *args, context=context)

    def call_exception_handler(self, context: Mapping[str, Any]) -> None:
        """What asyncio would only log is a failure."""
        raise AssertionError(context["message"]) from context.get("exception")
