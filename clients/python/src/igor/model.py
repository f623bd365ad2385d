"""What the API shows, as plain values. Fields that a newer server adds are ignored."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

Shown = TypeVar("Shown", bound="_Shown")
_HUMP = re.compile(r"_([a-z])")


@dataclass(frozen=True)
class _Shown:
    """Reads itself from JSON: `created_at` from `createdAt`, a time from RFC 3339, an absent field as its default."""

    _renamed: ClassVar[dict[str, str]] = {}

    @classmethod
    def of(cls: type[Shown], said: dict[str, Any]) -> Shown:
        """From what the API said."""
        kinds = typing.get_type_hints(cls)
        known = {}
        for field in dataclasses.fields(cls):
            name = cls._renamed.get(field.name) or _HUMP.sub(lambda hump: hump.group(1).upper(), field.name)
            if said.get(name) is not None:
                known[field.name] = _read(kinds[field.name], said[name])
        return cls(**known)


def _read(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.UnionType):
        kind = next(arm for arm in typing.get_args(kind) if arm is not types.NoneType)
    if typing.get_origin(kind) is list:
        return [_read(typing.get_args(kind)[0], item) for item in value]
    if kind is datetime:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(kind, type) and issubclass(kind, _Shown):
        return kind.of(value)
    return value


@dataclass(frozen=True)
class Counts(_Shown):
    """Tasks by status."""

    total: int = 0
    pending: int = 0
    queued: int = 0
    running: int = 0
    completed: int = 0
    errored: int = 0
    skipped: int = 0
    retried: int = 0


@dataclass(frozen=True)
class Job(_Shown):
    """A job. `status` is PENDING, RUNNING, COMPLETED, ERRORED or SKIPPED."""

    id: str = ""
    uid: str = ""
    namespace: str = ""
    name: str = ""
    title: str = ""
    status: str = ""
    reason: str | None = None
    etag: str = ""
    paused: bool = False
    paused_by: str | None = None
    accepted: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deleted_at: datetime | None = None
    updated_at: datetime | None = None
    queue: str = ""
    priority: str = ""
    on_failure: str = ""
    layers: int = 0
    tasks: Counts = Counts()

    @property
    def finished(self) -> bool:
        """Whether it has ended, however."""
        return self.finished_at is not None


@dataclass(frozen=True)
class Layer(_Shown):
    """A layer of a job."""

    id: str = ""
    name: str = ""
    title: str = ""
    priority: int = 0
    status: str = ""
    reason: str | None = None
    etag: str = ""
    paused: bool = False
    paused_by: str | None = None
    run: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
    loaded: int = 0
    paused_tasks: int = 0
    tasks: Counts = Counts()


@dataclass(frozen=True)
class Task(_Shown):
    """A task of a layer."""

    _renamed: ClassVar[dict[str, str]] = {"kind": "type"}

    id: str = ""
    name: str = ""
    title: str = ""
    kind: str = ""
    ordinal: int = 0
    index: int | None = None
    status: str = ""
    reason: str | None = None
    message: str | None = None
    etag: str = ""
    paused: bool = False
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    retries: int = 0
    timeout_seconds: float | None = None
    due_at: datetime | None = None
    updated_at: datetime | None = None
    args_base64: str | None = None


@dataclass(frozen=True)
class Attempt(_Shown):
    """An attempt of a task."""

    attempt: int = 0
    queued_at: datetime | None = None
    running_at: datetime | None = None
    ended_at: datetime | None = None
    ended_as: str | None = None
    reason: str | None = None
    actor: str | None = None


@dataclass(frozen=True)
class Transition(_Shown):
    """A change of a job, a layer or a task, which `object` names."""

    _renamed: ClassVar[dict[str, str]] = {"before": "from", "after": "to"}

    at: datetime | None = None
    object: str = ""
    before: str = ""
    after: str = ""
    etag: str = ""
    run: int | None = None
    attempt: int | None = None
    actor: str = ""
    reason: str | None = None
    command: str | None = None


@dataclass(frozen=True)
class Command(_Shown):
    """What somebody asked for."""

    id: str = ""
    at: datetime | None = None
    done_at: datetime | None = None
    verb: str = ""
    object: str = ""
    select: str = ""
    actor: str = ""
    reason: str | None = None
    matched: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Cause(_Shown):
    """Why something waits, in words and as one word, and the commands that would change it."""

    says: str = ""
    reason: str = ""
    mend: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Why(_Shown):
    """Why a job, a layer or a task stands as it does, the weightiest cause first."""

    namespace: str = ""
    job: str = ""
    uid: str = ""
    stands: str = ""
    why: list[Cause] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Done(_Shown):
    """What a verb did, or would do.

    `matched`: tasks that it is about, all of them only if `exact`. `changed`: tasks that it moved. `sample`: some of those that a
    dry run found, as LAYER/TASK. A large command that is not `done` goes on by itself; `Client.commands` shows when it is.
    """

    id: str | None = None
    verb: str = ""
    object: str = ""
    select: str = ""
    done: bool = False
    matched: int = 0
    exact: bool = False
    changed: int = 0
    sample: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Added(_Shown):
    """What came of adding tasks: how many were sent, how many of them are new, how many were there of an earlier try."""

    received: int = 0
    added: int = 0
    already: int = 0
