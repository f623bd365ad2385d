"""Which function runs which task type, and how it takes its tasks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .tasks import Batch, Task

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

OfTask = TypeVar("OfTask", bound=Callable[[Task], object])
OfBatch = TypeVar("OfBatch", bound=Callable[[Batch], None])


@dataclass(frozen=True)
class Handler:
    """A function for a type. `most` tasks are taken at once; one function call each, unless it is for whole batches."""

    most: int
    of_task: Callable[[Task], object] | None = None
    of_batch: Callable[[Batch], None] | None = None


class Handlers:
    """Functions for task types. `igor.worker.task` and `batch` add to one that belongs to the process."""

    def __init__(self) -> None:
        self._by_type: dict[str, Handler] = {}

    def task(self, kind: str, *, take: int = 1) -> Callable[[OfTask], OfTask]:
        """Serves a type, one task a call. It returns the task's message or None, and raises to fail.

        With `take` a slot takes so many tasks at once and runs them one after the other: for small tasks, where asking for
        each costs more than the work.
        """

        def add(function: OfTask) -> OfTask:
            self._add(kind, function, Handler(take, of_task=function))
            return function

        return add

    def batch(self, kind: str, most: int) -> Callable[[OfBatch], OfBatch]:
        """Serves a type, up to `most` tasks a call; each has a status of its own."""

        def add(function: OfBatch) -> OfBatch:
            self._add(kind, function, Handler(most, of_batch=function))
            return function

        return add

    def chosen(self, kinds: list[str] | None = None) -> dict[str, Handler]:
        """Those of the named types; of all when none is named."""
        wanted = list(dict.fromkeys(kinds)) if kinds else list(self._by_type)
        unknown = [kind for kind in wanted if kind not in self._by_type]
        if unknown:
            known = ", ".join(self._by_type) or "none: is the module imported that has them?"
            raise ValueError(f"there is no function for the task type {', '.join(unknown)}; there are functions for {known}")
        return {kind: self._by_type[kind] for kind in wanted}

    def _add(self, kind: str, function: Callable[..., object], handler: Handler) -> None:
        if not _TYPE.fullmatch(kind):
            raise ValueError(
                f"the task type {kind!r} may hold letters, digits, . _ - and begins with a letter or digit; at most 100 characters"
            )
        if kind in self._by_type:
            raise ValueError(f"the task type {kind!r} has two functions")
        if handler.most < 1:
            raise ValueError("at least 1 task is taken at once")
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"the function for {kind!r} is async; make it a plain one that calls asyncio.run")
        self._by_type[kind] = handler


_of_the_process = Handlers()
task = _of_the_process.task
batch = _of_the_process.batch
chosen = _of_the_process.chosen
