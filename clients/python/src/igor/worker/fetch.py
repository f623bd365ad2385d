"""Taking tasks and handing them to slots. Knows nothing of what a function does."""

from __future__ import annotations

import logging
import secrets
import time

import redis

from .call import Calls
from .held import Header, Held, Unreadable
from .outcome import Status, Verdict
from .shared import Shared
from .types import GROUP, LANES, Kind

BLOCK = 1.0
PAGE = 500
# Tasks that found no free slot are given back after this, so that another worker takes them.
KEEP_WAITING = 1.0
log = logging.getLogger("igor.worker")


class Fetcher:
    """The loop that reads tasks, on the thread that calls it."""

    def __init__(self, shared: Shared, calls: Calls) -> None:
        self._shared, self._calls = shared, calls
        self._link = shared.link("tasks", BLOCK + 10.0)
        self._waiting: list[Held] = []  # delivered, not yet handed out
        self._looked_back = False
        self._last_was_solo = False

    def run(self) -> None:
        """Takes and hands out until the worker stops; then gives back what was not begun."""
        while not self._shared.stopping.is_set():
            try:
                self._step()
            except (redis.RedisError, OSError) as error:
                log.warning("cannot read tasks: %s", error)
                self._lost_a_reply()
                self._shared.stopping.wait(0.1 + secrets.randbelow(200) / 1000)
        self._release("Shutdown")
        try:
            # A read whose reply got lost may have delivered something: that is given back too.
            if not self._looked_back:
                self._look_back()
        except (redis.RedisError, OSError):
            log.info("what Redis still holds for this worker is found by its operator")
        self._release("Shutdown")
        self._link.reset()

    def _step(self) -> None:
        if not self._calls.wait_for(1, BLOCK):
            return
        if self._is_full():
            self._shared.stopping.wait(0.05)
            return
        ready = [kind for kind in self._shared.kinds if kind.ready or self._look_for(kind)]
        if not ready:
            self._shared.stopping.wait(BLOCK)
            return
        if not self._looked_back:
            self._look_back()
            self._looked_back = True
        if not self._waiting:
            self._take(ready)
        self._hand_out()

    def _is_full(self) -> bool:
        """Too much is in hand because its results cannot be written."""
        most = self._shared.slots * max(kind.batch for kind in self._shared.kinds) * 4 + 100
        return len(self._shared.table) >= most

    def _look_for(self, kind: Kind) -> bool:
        kind.ready = kind.learn(self._link.command("HGETALL", kind.meta))
        if kind.ready:
            log.info("serving %s, with leases of %g s", kind.name, kind.lease)
            # The heart beats by the lease that was known so far.
            self._shared.renew_now.set()
        return kind.ready

    # Reading.

    def _lost_a_reply(self) -> None:
        """What it delivered stands in the own pending list."""
        self._link.reset()
        self._looked_back = False

    def _look_back(self) -> None:
        for kind in self._shared.kinds:
            for lane in LANES if kind.ready else ():
                after = "0"
                while got := self._read([kind], {kind.lanes[lane]: after}, PAGE):
                    after = got[-1][2]
                    self._receive(got)

    def _take(self, ready: list[Kind]) -> None:
        free = self._calls.free
        for kind in ready:
            most, got = self._wanted(kind, free), 0
            for lane in LANES:
                if got < most:
                    got += self._receive(self._read([kind], {kind.lanes[lane]: ">"}, most - got))
            if got:
                return self._fill(kind)
        least = min(self._wanted(kind, free) for kind in ready)
        streams = {kind.lanes[lane]: ">" for kind in ready for lane in LANES}
        self._receive(self._read(ready, streams, max(1, least // 3), BLOCK))
        if self._waiting:
            self._fill(self._waiting[0].kind)
        return None

    def _wanted(self, kind: Kind, free: int) -> int:
        # The next ones may be to run alone too.
        return 1 if self._last_was_solo else kind.wanted * free

    def _fill(self, kind: Kind) -> None:
        """A batch that may wait for more does so, from its first task on."""
        until = time.monotonic() + kind.batch_delay
        streams = {kind.lanes[lane]: ">" for lane in LANES}
        while not self._shared.stopping.is_set() and not any(held.header.solo for held in self._waiting):
            missing = kind.batch - sum(held.kind is kind for held in self._waiting)
            left = until - time.monotonic()
            if missing <= 0 or left < 0.001:
                return
            self._receive(self._read([kind], streams, max(1, missing // 3), min(left, BLOCK)))

    def _read(
        self, kinds: list[Kind], streams: dict[str, str], count: int, block: float | None = None
    ) -> list[tuple[Kind, str, str, dict[bytes, bytes]]]:
        """Entries as (type, lane, id, fields), in order."""
        wait = () if block is None else ("BLOCK", max(1, int(block * 1000)))
        try:
            reply = self._link.command(
                "XREADGROUP",
                "GROUP",
                GROUP,
                self._shared.id,
                "COUNT",
                count,
                *wait,
                "STREAMS",
                *streams,
                *streams.values(),
            )
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            for kind in kinds:
                kind.ready = False
            return []
        lanes = {kind.lanes[lane].encode(): (kind, lane) for kind in kinds for lane in LANES}
        return [(*lanes[stream], entry.decode(), fields) for stream, entries in reply or [] for entry, fields in entries]

    def _receive(self, entries: list[tuple[Kind, str, str, dict[bytes, bytes]]]) -> int:
        """Takes entries in hand, and gives back what it cannot read; how many came."""
        for kind, lane, entry, fields in entries:
            if not fields:
                continue
            args = fields.get(b"p", b"")
            try:
                held = Held(kind, lane, entry, Header.parse(fields.get(b"h", b"")), args)
            except Unreadable as unreadable:
                held = Held(kind, lane, entry, unreadable.header, args)
                if self._shared.table.add(held):
                    log.error("giving back a task of %s that cannot be read: %s", kind.name, unreadable)
                    self._shared.report(held, Verdict(Status.RELEASED, str(unreadable), "Unreadable"))
                continue
            if self._shared.table.add(held):
                self._last_was_solo = held.header.solo
                self._waiting.append(held)
        return len(entries)

    # Handing out.

    def _hand_out(self) -> None:
        """Starts what has a free slot; what gets none in a while is given back."""
        solo = next((held for held in self._waiting if held.header.solo), None)
        if solo is not None:
            self._waiting.remove(solo)
            self._release("Solo")
            return self._run_alone(solo)
        until = time.monotonic() + KEEP_WAITING
        while self._waiting:
            if self._shared.stopping.is_set():
                return None
            if not self._calls.wait_for(1, max(0.0, until - time.monotonic())):
                return self._release("Busy")
            kind = self._waiting[0].kind
            of_kind = [held for held in self._waiting if held.kind is kind]
            mine = of_kind[: self._share_of_a_slot(kind, len(of_kind))]
            self._waiting = [held for held in self._waiting if held not in mine]
            self._calls.start(kind, mine)
        return None

    def _share_of_a_slot(self, kind: Kind, waiting: int) -> int:
        """A batch is for one slot; single tasks are spread over those that are free."""
        if kind.handler.of_batch is not None:
            return kind.batch
        return min(kind.batch, -(-waiting // max(1, self._calls.free)))

    def _run_alone(self, held: Held) -> None:
        """A task of which an earlier attempt was lost may be what crashed its worker: it takes nobody along."""
        slots = self._shared.slots
        while not self._calls.wait_for(slots, 0.1):
            if self._shared.stopping.is_set() or held.stopped is not None:
                break
        if held.stopped is not None:
            return self._shared.report(held)
        if self._shared.stopping.is_set():
            return self._shared.report(held, Verdict(Status.RELEASED, None, "Shutdown"))
        self._calls.start(held.kind, [held])
        while not self._calls.wait_for(slots, BLOCK):
            if self._shared.stopping.is_set():
                return None
        return None

    def _release(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for held in waiting:
            self._shared.report(held, Verdict(Status.RELEASED, None, why))
