"""What the tests share: waiting for a condition, and an operator's stand-in on the test rig's Redis."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import redis

from igor.worker import Handlers, Redis, Worker

LIMIT = 30.0
QUEUE = "film.default"
Value = TypeVar("Value")


def until(what: str, probe: Callable[[], Value | None]) -> Value:
    """Asks `probe` again and again until it gives something; tells what it gave last when it does not."""
    end = time.monotonic() + LIMIT
    while not (value := probe()):
        assert time.monotonic() < end, f"still not: {what}; last seen: {value!r}"
        time.sleep(0.01)
    return value


class StandIn:
    """An operator that makes types ready, gives tasks, and reads what is said of them."""

    def __init__(self, url: str) -> None:
        self.settings = Redis(url=url, prefix=f"py-{uuid.uuid4().hex[:12]}")
        self._redis: Any = redis.Redis.from_url(url)
        self._workers: list[tuple[Worker, threading.Thread]] = []

    def key(self, kind: str, part: str) -> str:
        return f"{self.settings.prefix}:{{{QUEUE}/{kind}}}:{part}"

    def prepare(self, kind: str, **meta: int) -> None:
        for lane in "012":
            self._redis.xgroup_create(self.key(kind, f"q{lane}"), "igor", "0", mkstream=True)
        self._redis.hset(self.key(kind, "meta"), mapping={"v": 1, "gen": "a", "lease_ms": 900} | meta)

    def give(self, kind: str, args: str = "", **header: object) -> str:
        """Admits a task on the normal lane; its id."""
        task = str(uuid.uuid4())
        self._redis.xadd(self.key(kind, "q1"), {"h": json.dumps({"v": 1, "id": task, "a": 1} | header), "p": args})
        return task

    def said(self, kind: str, task: str) -> list[dict[str, Any]]:
        """What was said of it so far."""
        entries = self._redis.xrange(self.key(kind, "r"))
        return [item for _, fields in entries for item in json.loads(fields[b"r"]) if item.get("id") == task]

    def end(self, kind: str, task: str) -> dict[str, Any]:
        """How it ended, without what differs from run to run."""

        def ended() -> dict[str, Any] | None:
            return next((item for item in self.said(kind, task) if item["s"] != "RUNNING"), None)

        item = until(f"the end of {task}", ended)
        return {name: value for name, value in item.items() if name not in {"e", "q", "id", "a", "ts", "dur"}}

    def work(self, handlers: Handlers, **options: Any) -> Worker:
        """A worker that runs until the test ends."""
        worker = Worker(QUEUE, redis=self.settings, handlers=handlers, **options)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        self._workers.append((worker, thread))
        return worker

    def stop(self) -> None:
        for worker, _ in self._workers:
            worker.stop()
        for _, thread in self._workers:
            thread.join(LIMIT)
            assert not thread.is_alive(), "the worker does not stop"
        self._workers.clear()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    one = StandIn(os.environ["IGOR_TEST_REDIS_URL"])
    yield one
    one.stop()


def with_file(settings: Redis, path: Any) -> Redis:
    """The same server, its address in a file."""
    path.write_text(settings.url + "\n")
    return replace(settings, url="redis://127.0.0.1:1", url_file=path)
