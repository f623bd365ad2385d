"""What a function gets: one task, or a batch of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .held import Held
from .outcome import Failure, Skipped, of_error, of_return


class Task:
    """A task to be run."""

    def __init__(self, held: Held) -> None:
        self._held = held

    @property
    def id(self) -> str:
        """The task's id, the same over all attempts."""
        return self._held.header.id

    @property
    def attempt(self) -> int:
        """The attempt, counted from 1."""
        return self._held.header.attempt

    @property
    def retries_left(self) -> int:
        """Retries left after this attempt."""
        return self._held.header.retries_left

    @property
    def job(self) -> str:
        """`<namespace>/<name>` of the job."""
        return self._held.header.job

    @property
    def layer(self) -> str:
        """The layer's name."""
        return self._held.header.layer

    @property
    def name(self) -> str:
        """The task's name."""
        return self._held.header.name

    @property
    def index(self) -> int:
        """The task's index in its array; 0 for a task that is none."""
        return self._held.header.index

    @property
    def traceparent(self) -> str | None:
        """W3C trace context of whoever wanted the task, if any."""
        return self._held.header.traceparent

    @property
    def args(self) -> bytes:
        """The arguments as they were given."""
        return self._held.args

    @property
    def text(self) -> str:
        """The arguments as text."""
        try:
            return self.args.decode()
        except UnicodeDecodeError as error:
            raise Failure(f"the arguments are not UTF-8: {error}", last=True) from error

    def json(self) -> Any:
        """The arguments read as JSON."""
        try:
            return json.loads(self.args)
        except ValueError as error:
            raise Failure(f"the arguments do not parse: {error}", last=True) from error

    @property
    def cancelled(self) -> bool:
        """Whether the work shall stop: raise `Failure` then; what it says is replaced by the true reason."""
        return self._held.cancel.is_set()

    def wait_cancelled(self, seconds: float | None = None) -> bool:
        """Sleeps until the work shall stop, at most so long; whether it shall stop."""
        return self._held.cancel.wait(seconds)


class BatchItem(Task):
    """A task in a batch, which takes a status of its own.

    What has none when the function returns is completed, or failed if the function did.
    """

    def begin(self) -> bool:
        """Says that the work on this task begins: its timeout counts from here. False: it was cancelled or given back, leave it out.

        In a batch whose function never says so, the tasks share the sum of their timeouts.
        """
        return self._held.begin()

    def complete(self, message: object = None) -> None:
        """Ended well. The first status counts."""
        self._held.decide(of_return(message))

    def skip(self, why: str) -> None:
        """Left out on purpose."""
        self._held.decide(of_error(Skipped(why)))

    def fail(self, error: BaseException | str) -> None:
        """Failed, or put off when the error is a `PutOff`."""
        self._held.decide(of_error(Failure(error) if isinstance(error, str) else error))


class Batch:
    """Tasks of one type for one call; never empty, in the order of delivery."""

    def __init__(self, items: list[BatchItem]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[BatchItem]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, at: int) -> BatchItem:
        return self._items[at]
