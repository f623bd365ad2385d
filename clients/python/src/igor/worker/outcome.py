"""What is said of a task: by its function, which returns or raises, and in the words of the contract."""

from __future__ import annotations

import enum
from dataclasses import dataclass

MESSAGE_BYTES_MAX = 4096


class Failure(Exception):  # noqa: N818, the word of the contract's other workers
    """Raised to fail a task, with a message for people. Any other exception fails it too."""

    def __init__(self, message: str, *, retry_after: float | None = None, last: bool = False) -> None:
        """`retry_after`: seconds before which no next attempt comes. `last`: no other attempt, trying again cannot help."""
        super().__init__(message)
        self.retry_after = retry_after
        self.last = last


class PutOff(Exception):  # noqa: N818
    """Raised to give a task back for some seconds, with no retry used up: it can do nothing about it, like a licence in use."""

    def __init__(self, message: str, *, wait: float = 10.0) -> None:
        super().__init__(message)
        self.wait = wait


class Skipped(Exception):  # noqa: N818
    """Raised to leave a task out on purpose: it counts as done."""


class Status(str, enum.Enum):
    """The statuses of the contract."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERRORED = "ERRORED"
    SKIPPED = "SKIPPED"
    RELEASED = "RELEASED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Verdict:
    """A status, and what goes with it."""

    status: Status
    message: str | None = None
    why: str | None = None
    retry_ms: int | None = None
    final: bool = False


def of_return(value: object) -> Verdict:
    """What a function that returned says: done, with a message if it returned one."""
    return Verdict(Status.COMPLETED, None if value is None else str(value))


def of_error(error: BaseException) -> Verdict:
    """What a function that raised says."""
    if isinstance(error, Skipped):
        return Verdict(Status.SKIPPED, str(error))
    if isinstance(error, PutOff):
        return Verdict(Status.RELEASED, str(error), "PutOff", _millis(error.wait))
    if isinstance(error, Failure):
        wait = None if error.retry_after is None else _millis(error.retry_after)
        return Verdict(Status.ERRORED, str(error), None, wait, error.last)
    return Verdict(Status.ERRORED, words(error))


def words(error: BaseException) -> str:
    """An exception as a message for people."""
    text = str(error)
    if isinstance(error, Failure | PutOff | Skipped):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def cut(text: str) -> str:
    """A message within the contract's bound, without the character that Postgres cannot hold."""
    return text.replace("\0", "").encode(errors="replace")[:MESSAGE_BYTES_MAX].decode(errors="ignore")


def _millis(seconds: float) -> int:
    return max(0, int(seconds * 1000))
