"""Writing results: few entries, and again until Redis has them."""

from __future__ import annotations

import json
import logging
import queue
import time

import redis

from .held import Stop
from .settings import Link
from .shared import Outgoing, Shared

ITEMS_MAX = 1000
BYTES_MAX = 256 * 1024
# Results of many small calls gather for so long, once there was one shortly before.
GATHER = 0.005
log = logging.getLogger("igor.worker")


class Writer:
    """The thread that writes results."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._link: Link = shared.link("results", 5.0)
        self._waiting: list[Outgoing] = []

    def run(self) -> None:
        """Writes until the worker closes."""
        while not self._shared.closing.is_set():
            self._gather()
            self._waiting = [one for one in self._waiting if one.held.stopped is not Stop.NO_CONTACT]
            if self._waiting:
                try:
                    self._write()
                except (redis.RedisError, OSError) as error:
                    log.warning("results are kept until Redis takes them: %s", error)
                    self._link.reset()
                    self._shared.closing.wait(0.2)

    def _gather(self) -> None:
        results = self._shared.results
        try:
            if not self._waiting:
                self._waiting.append(results.get(timeout=0.2))
            until = time.monotonic() + GATHER
            while len(self._waiting) < ITEMS_MAX:
                self._waiting.append(results.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            pass

    def _write(self) -> None:
        while self._waiting:
            kind = self._waiting[0].held.kind
            entry: list[Outgoing] = []
            texts: list[str] = []
            size = 1
            for one in self._waiting:
                if one.held.kind is not kind:
                    continue
                text = json.dumps(one.item, separators=(",", ":"))
                size += len(text) + 1
                if entry and (len(entry) == ITEMS_MAX or size > BYTES_MAX):
                    break
                entry.append(one)
                texts.append(text)
            self._link.command("XADD", kind.results, "*", "w", self._shared.id, "r", f"[{','.join(texts)}]")
            stored = set(map(id, entry))
            self._waiting = [one for one in self._waiting if id(one) not in stored]
            for one in entry:
                if one.last_word:
                    self._shared.table.remove(one.held)
