"""Renewal: every sixth of a lease the card and all entries in hand, then a look at meta, on a connection of its own."""

from __future__ import annotations

import logging
import time

import redis

from .held import Held, Stop
from .shared import Shared
from .types import GROUP, Kind

log = logging.getLogger("igor.worker")


class Heartbeat:
    """The thread that keeps the leases."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._link = shared.link("beat", 2.0)
        self._silent = False

    def run(self) -> None:
        """Beats until the worker closes; then the card goes, so that nobody waits for this worker."""
        shared = self._shared
        while not shared.closing.is_set():
            shared.renew_now.wait(shared.shortest_lease / 6)
            shared.renew_now.clear()
            self.beat()
        try:
            # An ACL may forbid DEL.
            self._link.command("PEXPIRE", shared.card_key, 1)
        except (redis.RedisError, OSError) as error:
            log.debug("the card stays until it expires: %s", error)

    def beat(self) -> None:
        """One heartbeat, or what its absence asks for."""
        try:
            self._renew()
            if self._silent:
                log.info("Redis answers again")
            self._silent = False
        except (redis.RedisError, OSError) as error:
            if not self._silent:
                log.warning("Redis does not answer; running tasks go on: %s", error)
            self._silent = True
            self._link.reset()
            self._shared.give_up_what_must_not_go_on()

    def _renew(self) -> None:
        shared = self._shared
        lanes: dict[tuple[Kind, str], list[Held]] = {}
        for held in shared.table.all():
            if not held.revoked:
                lanes.setdefault((held.kind, held.lane), []).append(held)
        ttl = int(max(kind.lease for kind in shared.kinds) * 1000)
        card = [word for pair in shared.card().items() for word in pair]
        commands: list[tuple[tuple[object, ...], dict[str, object]]] = [
            (("HSET", shared.card_key, *card), {}),
            (("PEXPIRE", shared.card_key, ttl), {}),
        ]
        for (kind, lane), of_lane in lanes.items():
            entries = [held.entry for held in of_lane]
            commands.append((("XCLAIM", kind.lanes[lane], GROUP, shared.id, 0, *entries, "JUSTID"), {"parse_justid": True}))
        # After the claims: or data made anew in between would read as a kill.
        commands += [(("HGETALL", kind.meta), {}) for kind in shared.kinds]
        answers = self._link.commands(commands)
        for answer in answers:
            if isinstance(answer, Exception) and not str(answer).startswith("NOGROUP"):
                raise answer
        claims = answers[2 : 2 + len(lanes)]
        for kind, meta in zip(shared.kinds, answers[2 + len(lanes) :], strict=True):
            kind.learn(meta)
        shared.contact = time.monotonic()
        for ((kind, _), of_lane), claimed in zip(lanes.items(), claims, strict=True):
            self._judge(kind, of_lane, claimed)

    def _judge(self, kind: Kind, of_lane: list[Held], claimed: list[bytes] | Exception) -> None:
        """Whose lease goes on, who was revoked, and what has to be announced because Redis lost it."""
        no_group = isinstance(claimed, Exception)
        leased = set() if isinstance(claimed, Exception) else {entry.decode() for entry in claimed}
        for held in of_lane:
            if held.entry in leased:
                held.generation, held.announced = kind.generation, None
            elif not no_group and kind.generation is not None and kind.generation == held.generation:
                held.revoked = True
                if not held.reported:
                    held.stop(Stop.KILLED)
            elif held.announced is None or time.monotonic() - held.announced >= kind.lease / 3:
                held.announced = time.monotonic()
                if not held.reported:
                    self._shared.say_running(held)
