"""What the parts of one worker share."""

from __future__ import annotations

import os
import queue
import secrets
import socket
import threading
import time

from .held import Held, Stop, Table, now_ms
from .outcome import Status, Verdict
from .settings import Link, Redis
from .types import CONTRACT, Kind


class Outgoing:
    """A result on its way."""

    def __init__(self, held: Held, item: dict[str, object], last_word: bool) -> None:
        self.held, self.item, self.last_word = held, item, last_word


class Shared:
    """One worker's tasks, results, times and signals."""

    def __init__(self, redis: Redis, kinds: list[Kind], slots: int, version: str) -> None:
        host = _host()
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
        self.redis, self.kinds, self.slots = redis, kinds, slots
        self.table = Table()
        self.results: queue.SimpleQueue[Outgoing] = queue.SimpleQueue()
        self.stopping, self.closing, self.renew_now = threading.Event(), threading.Event(), threading.Event()
        self.contact = time.monotonic()
        self.done = self.errs = 0
        self._fixed: dict[str, str | int] = {
            "types": ",".join(kind.name for kind in kinds),
            "host": host,
            "pod": os.environ.get("POD_NAME", ""),
            "version": version,
            "lang": "python",
            "slots": slots,
            "started": now_ms(),
            "v": CONTRACT,
        }

    @property
    def card_key(self) -> str:
        """Where the worker's card lies."""
        return f"{self.redis.prefix}:w:{self.id}"

    def card(self) -> dict[str, str | int]:
        """What operators and people see of this worker."""
        batch = max(kind.batch for kind in self.kinds)
        return self._fixed | {"batch": batch, "inflight": len(self.table), "done": self.done, "errs": self.errs}

    @property
    def shortest_lease(self) -> float:
        """Of all types."""
        return min(kind.lease for kind in self.kinds)

    def link(self, role: str, timeout: float) -> Link:
        """A connection that is named by the worker and its role."""
        return Link(self.redis, f"{self.id}.{role}", timeout)

    def say_running(self, held: Held) -> None:
        """Reports that a task runs, which also announces it where Redis forgot it."""
        self.results.put(Outgoing(held, held.item(Verdict(Status.RUNNING)), last_word=False))

    def report(self, held: Held, verdict: Verdict | None = None) -> None:
        """Reports how a task ended, once: by `verdict`, or as it stands."""
        verdict = verdict or held.conclusion()
        if verdict is None:
            self.table.remove(held)
        elif held.take_report():
            if verdict.status in (Status.COMPLETED, Status.ERRORED, Status.SKIPPED):
                self.done += 1
                self.errs += verdict.status is Status.ERRORED
            self.results.put(Outgoing(held, held.item(verdict), last_word=True))

    def give_up_what_must_not_go_on(self) -> None:
        """Without contact for the grace, or a lease for exclusive tasks, the work may run elsewhere: stopped, and never told of."""
        silence = time.monotonic() - self.contact
        for held in self.table.all():
            if silence >= (held.kind.lease if held.header.exclusive else held.kind.grace):
                held.stop(Stop.NO_CONTACT)
                if held.reported:
                    self.table.remove(held)


def _host() -> str:
    name = "".join(c for c in socket.gethostname() if c.isascii() and (c.isalnum() or c in ".-_"))
    return name[:100] or "host"
