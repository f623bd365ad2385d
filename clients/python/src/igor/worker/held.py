"""The tasks that this worker holds: each with its lease, its cancel token and what became of it so far."""

from __future__ import annotations

import enum
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from .outcome import Status, Verdict, cut
from .types import CONTRACT, Kind


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Stop(str, enum.Enum):
    """Why a function was told to stop."""

    KILLED = "Killed"
    TIMEOUT = "Timeout"
    DEADLINE = "Deadline"
    SHUTDOWN = "Shutdown"
    NO_CONTACT = "NoContact"


class Unreadable(Exception):  # noqa: N818
    """A header that this worker cannot read; it still may say which task it is of."""

    def __init__(self, why: str, task: str = "", attempt: int = 0) -> None:
        super().__init__(why)
        self.header = Header(id=task, attempt=attempt)


@dataclass(frozen=True)
class Header:
    """What an entry says of its task, besides the arguments."""

    id: str
    attempt: int
    job: str = ""
    layer: str = ""
    name: str = ""
    index: int = 0
    timeout: float = 0.0
    deadline_ms: int = 0
    retries_left: int = 0
    solo: bool = False
    exclusive: bool = False
    traceparent: str | None = None

    @classmethod
    def parse(cls, text: bytes) -> Header:
        """Reads the field `h` of an entry."""
        try:
            said = json.loads(text)
            if not isinstance(said, dict):
                raise ValueError("it is no object")
        except ValueError as error:
            raise Unreadable(f"the header does not parse: {error}") from error
        identity = said.get("id"), said.get("a")
        known = (str(identity[0]), int(identity[1])) if isinstance(identity[0], str) and isinstance(identity[1], int) else ("", 0)
        if said.get("v") != CONTRACT:
            raise Unreadable(f"the header has version {said.get('v')} of the contract, this worker knows {CONTRACT}", *known)
        if not known[0]:
            raise Unreadable("the header does not parse: id is a text and a is a number")
        try:
            return cls(*known, **_details(said))
        except (TypeError, ValueError) as error:
            raise Unreadable(f"the header does not parse: {error}", *known) from error


def _details(said: dict[str, Any]) -> dict[str, Any]:
    texts = {name: str(said.get(name, "")) for name in ("job", "layer", "name")}
    return texts | {
        "index": int(said.get("ix", 0)),
        "timeout": int(said.get("to", 0)) / 1000,
        "deadline_ms": int(said.get("dl", 0)),
        "retries_left": int(said.get("ra", 0)),
        "solo": bool(said.get("solo")),
        "exclusive": bool(said.get("ex")),
        "traceparent": said.get("tp"),
    }


class Held:
    """One task in hand, from its delivery until its result is stored."""

    def __init__(self, kind: Kind, lane: str, entry: str, header: Header, args: bytes) -> None:
        self.kind, self.lane, self.entry, self.header, self.args = kind, lane, entry, header, args
        self.cancel = threading.Event()
        self.generation = kind.generation
        self.announced: float | None = None  # when; then the announcement is the lease
        self.revoked = False  # the entry is gone for good: nothing is left to renew
        self.began: float | None = None
        self.stopped: Stop | None = None
        self.stopped_at = 0.0
        self.verdict: Verdict | None = None
        self.ended = False  # its function is through with it, whatever it said
        self.last_words: str | None = None  # of a function that was stopped
        self.reported = False
        self._decided_at = 0.0
        self._said_running = False
        self._lock = threading.Lock()

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by here."""
        return self.kind.name, self.lane, self.entry

    def begin(self) -> bool:
        """Marks the start of the work on it; False: it was stopped before, leave it."""
        with self._lock:
            if self.stopped is not None:
                return False
            if self.began is None:
                self.began = time.monotonic()
            return True

    def stop(self, why: Stop) -> None:
        """Tells the function to stop. The first reason stays, but without contact nobody may hear of the task any more."""
        with self._lock:
            if why is not Stop.NO_CONTACT and (self.stopped is not None or self.verdict is not None):
                return
            self.stopped, self.stopped_at = why, time.monotonic()
        self.cancel.set()

    def spare(self) -> bool:
        """Stops it for the shutdown, if it was not begun; whether it was so."""
        with self._lock:
            if self.began is not None or self.stopped is not None or self.verdict is not None:
                return False
            self.stopped, self.stopped_at = Stop.SHUTDOWN, time.monotonic()
        self.cancel.set()
        return True

    def decide(self, verdict: Verdict) -> None:
        """The function's word; the first one stays."""
        with self._lock:
            if self.verdict is None:
                self.verdict, self._decided_at = verdict, time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard of its function."""
        return self.verdict is not None or self.ended

    def take_running(self, after: float, started: float) -> bool:
        """Whether it is time to say that it runs; says yes once."""
        with self._lock:
            begun = started if self.began is None else self.began
            due = not (self._said_running or self.reported or self.is_over) and time.monotonic() - begun >= after
            self._said_running |= due
            return due

    def take_report(self) -> bool:
        """Whether its end is still to be reported; says yes once."""
        with self._lock:
            first, self.reported = not self.reported, True
            return first

    def item(self, verdict: Verdict) -> dict[str, object]:
        """A result of it, as the contract has it."""
        item: dict[str, object] = {"e": self.entry, "q": self.lane, "s": verdict.status.value, "ts": now_ms()}
        if self.header.id:
            item |= {"id": self.header.id, "a": self.header.attempt}
        if self.began is not None and verdict.status is not Status.RUNNING:
            end = self._decided_at or time.monotonic()
            item["dur"] = int((end - self.began) * 1000)
        message = None if verdict.message is None else cut(verdict.message)
        more = {"m": message, "why": verdict.why, "retry_ms": verdict.retry_ms, "final": verdict.final or None}
        return item | {name: value for name, value in more.items() if value is not None}

    def conclusion(self) -> Verdict | None:
        """How it ended: the function's own word counts most, then why it was stopped. None: nobody may hear of it."""
        if self.stopped is Stop.NO_CONTACT:
            return None
        if self.verdict is not None:
            return self.verdict
        match self.stopped:
            case None:
                return Verdict(Status.COMPLETED)
            case Stop.KILLED:
                return Verdict(Status.CANCELLED, self.last_words, "Killed")
            case Stop.SHUTDOWN:
                return Verdict(Status.RELEASED, None, "Shutdown")
            case Stop.TIMEOUT:
                said = self.last_words or f"ran longer than its timeout of {self.header.timeout:g} s"
                return Verdict(Status.ERRORED, said, "Timeout")
            case _:
                return Verdict(Status.ERRORED, self.last_words or "ran into its deadline", "Deadline")


class Table:
    """All tasks in hand."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, str], Held] = {}
        self._lock = threading.Lock()

    def add(self, held: Held) -> bool:
        """Takes one in hand; False when it is already."""
        with self._lock:
            return self._held.setdefault(held.key, held) is held

    def remove(self, held: Held) -> None:
        """Lets one go."""
        with self._lock:
            self._held.pop(held.key, None)

    def all(self) -> list[Held]:
        """Each of them."""
        with self._lock:
            return list(self._held.values())

    def __len__(self) -> int:
        return len(self._held)
