"""Kills by message. One that gets lost is no harm: the next heartbeat says the same."""

from __future__ import annotations

import json
import logging

import redis

from .held import Stop
from .shared import Shared

log = logging.getLogger("igor.worker")


class Control:
    """The thread that listens."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._link = shared.link("kills", 15.0)

    def run(self) -> None:
        """Listens until the worker closes."""
        while not self._shared.closing.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                log.info("no kills by message: %s", error)
                self._link.reset()
                self._shared.closing.wait(0.2)

    def _listen(self) -> None:
        with self._link.client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(*(kind.control for kind in self._shared.kinds))
            while not self._shared.closing.is_set():
                message = channel.get_message(timeout=1.0)
                if message is not None:
                    self._hear(message["data"])

    def _hear(self, data: bytes) -> None:
        try:
            kills = set(json.loads(data)["kill"])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("a message that cannot be read: %r", error)
            return
        for held in self._shared.table.all():
            if f"{held.header.id}.{held.header.attempt}" in kills:
                held.stop(Stop.KILLED)
