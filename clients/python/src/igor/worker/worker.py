"""Putting a worker together, and running it from its first read to its last result."""

from __future__ import annotations

import logging
import re
import threading
import time

from . import handlers as registry
from .call import Calls
from .control import Control
from .fetch import Fetcher
from .handlers import Handlers
from .heartbeat import Heartbeat
from .held import Stop
from .results import Writer
from .settings import Redis
from .shared import Shared
from .types import Kind

# How long the last results may take to be written.
LAST_WORDS = 5.0
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
log = logging.getLogger("igor.worker")


class Worker:
    """A worker for one queue: `<namespace>.<queue>` for a namespace's own, its name for a shared one.

    It serves the types of `handlers`, or of the functions decorated with `igor.worker.task` and `batch`.
    """

    def __init__(
        self,
        queue: str,
        *,
        redis: Redis | None = None,
        handlers: Handlers | None = None,
        types: list[str] | None = None,
        slots: int = 1,
        most: int | None = None,
        shutdown_grace: float = 30.0,
        stop_grace: float = 10.0,
        version: str = "1",
    ) -> None:
        """`slots`: calls that run at once. `most`: tasks that a slot takes at once, instead of what the functions say.

        `shutdown_grace`: seconds that running tasks may go on once a shutdown began; `stop_grace`: seconds that a function may
        take to return once it is cancelled.
        """
        chosen = handlers.chosen(types) if handlers is not None else registry.chosen(types)
        if not chosen:
            raise ValueError("a worker needs at least one task type: decorate a function with igor.worker.task")
        if not _QUEUE.fullmatch(queue):
            raise ValueError(f"the queue {queue!r} is <namespace>.<queue>, or the name of a shared queue")
        if slots < 1 or (most is not None and most < 1):
            raise ValueError("a worker has at least 1 slot, and takes at least 1 task at once")
        redis = redis or Redis.from_env()
        kinds = [Kind(redis.prefix, f"{queue}/{name}", handler, most) for name, handler in chosen.items()]
        self._shared = Shared(redis, kinds, slots, version)
        self._shutdown_grace = shutdown_grace
        self._calls = Calls(self._shared, stop_grace)
        self._stop_grace = stop_grace
        self._told_at: float | None = None

    @property
    def id(self) -> str:
        """`<host>-<pid>-<6 hex>`, new with each worker."""
        return self._shared.id

    def run(self) -> None:
        """Works until `stop`, and all is given back or finished. Redis need not be there: it is waited for."""
        shared, heartbeat = self._shared, Heartbeat(self._shared)
        log.info("working as %s", shared.id)
        # Known before it reads, so that nobody finds a consumer without a card.
        heartbeat.beat()
        parts = [heartbeat.run, Control(shared).run, Writer(shared).run, self._calls.watch]
        threads = [threading.Thread(target=part, name="igor worker", daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        Fetcher(shared, self._calls).run()
        self._drain()
        shared.closing.set()
        shared.renew_now.set()
        threads[0].join(timeout=3)

    def stop(self) -> None:
        """Takes nothing new from now on; what runs has the shutdown grace, then it is given back. For signal handlers too."""
        self._told_at = time.monotonic()
        self._shared.stopping.set()

    def _drain(self) -> None:
        told_at = time.monotonic() if self._told_at is None else self._told_at
        if not self._until_empty(told_at + self._shutdown_grace):
            for held in self._shared.table.all():
                held.stop(Stop.SHUTDOWN)
            self._until_empty(time.monotonic() + self._stop_grace + LAST_WORDS)

    def _until_empty(self, until: float) -> bool:
        """Waits until the last result is stored, at most until then."""
        while len(self._shared.table):
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True
