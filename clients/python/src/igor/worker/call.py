"""One slot at work: a function called for its tasks, their times, and what is said meanwhile. Knows nothing of fetching."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .held import Held, Stop, now_ms
from .outcome import of_error, of_return, words
from .shared import Shared
from .tasks import Batch, BatchItem, Task
from .types import Kind

# A task is said to run once it has run so long: shorter ones cost one write less.
SAY_RUNNING_AFTER = 0.5
# How often a call tells what it has done so far.
PROGRESS = 0.5
LOOK = 0.05
log = logging.getLogger("igor.worker")


class Call:
    """A function's work on the tasks that one slot took."""

    def __init__(self, shared: Shared, kind: Kind, held: list[Held]) -> None:
        self.shared, self.kind, self.held = shared, kind, held
        self.started = time.monotonic()
        self.told = self.started
        self.deaf = False  # it was cancelled and did not stop in time

    def run(self) -> None:
        """From the first task to the last report."""
        self._wait_until_leased()
        self.started = self.told = time.monotonic()
        if self.kind.handler.of_batch is not None:
            self._run_batch(self.kind.handler.of_batch)
        elif self.kind.handler.of_task is not None:
            for held in self.held:
                self._run_one(self.kind.handler.of_task, held)
        for held in self.held:
            held.ended = True
            self.shared.report(held)

    def _wait_until_leased(self) -> None:
        """After a pause of the whole process the lease may be over: it is renewed before anything begins.

        Without contact work goes on: the heartbeat stops what must not.
        """
        lease = self.kind.lease
        if time.monotonic() - self.shared.contact <= lease:
            return
        self.shared.renew_now.set()
        patience = time.monotonic() + lease
        while time.monotonic() - self.shared.contact > lease and time.monotonic() < patience:
            time.sleep(0.01)

    def _run_one(self, function: Callable[[Task], object], held: Held) -> None:
        _look_at_deadline(held)
        if self.shared.stopping.is_set():
            held.spare()
        if held.begin():
            try:
                held.decide(of_return(function(Task(held))))
            except BaseException as error:
                self._failed([held], error)
        held.ended = True

    def _run_batch(self, function: Callable[[Batch], None]) -> None:
        for held in self.held:
            _look_at_deadline(held)
        live = [held for held in self.held if held.stopped is None]
        if not live:
            return
        try:
            function(Batch([BatchItem(held) for held in live]))
        except BaseException as error:
            self._failed(live, error)

    def _failed(self, of: list[Held], error: BaseException) -> None:
        verdict = of_error(error)
        if verdict.message == words(error) and type(error).__module__ != "igor.worker.outcome":
            log.error("%s failed", ", ".join(held.header.name or held.header.id for held in of[:5]), exc_info=error)
        for held in of:
            if held.stopped is None:
                held.decide(verdict)
            else:
                held.last_words = words(error)

    # What the watch does while the function runs.

    def look(self, stop_grace: float) -> None:
        """Times, what is said to run, what is done already, and functions that do not stop."""
        self._look_after_times()
        if self.shared.stopping.is_set():
            self._give_back_what_is_not_begun()
        if time.monotonic() - self.told >= PROGRESS:
            self.told = time.monotonic()
            self._tell()
        self._look_for_the_deaf(stop_grace)

    @property
    def _begins_each(self) -> bool:
        return self.kind.handler.of_task is not None or any(held.began is not None for held in self.held)

    def _look_after_times(self) -> None:
        now = time.monotonic()
        limits = [held.header.timeout for held in self.held]
        together = not self._begins_each and all(limits) and now - self.started >= sum(limits)
        for held in self.held:
            if held.stopped is not None or held.is_over:
                continue
            _look_at_deadline(held)
            alone = held.header.timeout > 0 and held.began is not None and now - held.began >= held.header.timeout
            if together or alone:
                held.stop(Stop.TIMEOUT)

    def _give_back_what_is_not_begun(self) -> None:
        if self._begins_each:
            for held in self.held:
                if held.spare():
                    self.shared.report(held)

    def _tell(self) -> None:
        for held in self.held:
            if held.is_over:
                self.shared.report(held)
            elif (held.began is not None or not self._begins_each) and held.take_running(SAY_RUNNING_AFTER, self.started):
                self.shared.say_running(held)

    def _look_for_the_deaf(self, stop_grace: float) -> None:
        stopped = [held for held in self.held if held.stopped is not None and not held.is_over and not held.reported]
        for held in stopped:
            if time.monotonic() - held.stopped_at >= stop_grace and (held.began is not None or not self._begins_each):
                if not self.deaf:
                    log.error("the function for %s ignores its cancellation: its thread and slot stay taken", self.kind.name)
                self.deaf = True
                self.shared.report(held)


def _look_at_deadline(held: Held) -> None:
    if held.header.deadline_ms and now_ms() >= held.header.deadline_ms:
        held.stop(Stop.DEADLINE)


class Calls:
    """The slots: calls that run, and the thread that watches them."""

    def __init__(self, shared: Shared, stop_grace: float) -> None:
        self._shared, self._stop_grace = shared, stop_grace
        self._running: list[Call] = []
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """Slots without a call."""
        return self._shared.slots - len(self._running)

    def start(self, kind: Kind, held: list[Held]) -> None:
        """Takes a slot. Whether one is free has been seen to."""
        call = Call(self._shared, kind, held)
        with self._changed:
            self._running.append(call)
        threading.Thread(target=self._run, args=(call,), name=f"igor {kind.name}", daemon=True).start()

    def wait_for(self, free: int, seconds: float) -> bool:
        """Waits until so many slots are free, at most so long; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self.free >= free, seconds)

    def watch(self) -> None:
        """Looks after the calls until the worker closes."""
        while not self._shared.closing.wait(LOOK):
            with self._changed:
                running = list(self._running)
            for call in running:
                call.look(self._stop_grace)

    def _run(self, call: Call) -> None:
        try:
            call.run()
        finally:
            with self._changed:
                self._running.remove(call)
                self._changed.notify_all()
