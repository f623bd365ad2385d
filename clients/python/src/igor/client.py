"""The client of `/api/v2`: submit, look, watch, steer."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx

from ._transport import Token, Transport
from .model import Added, Attempt, Command, Done, Job, Layer, Task, Transition, Why, _Shown

Verb = Literal["pause", "unpause", "skip", "kill", "retry"]
Item = TypeVar("Item", bound=_Shown)
# Between two looks at a job: a change brings the short one back.
_SOON, _LATER = 0.2, 10.0


@dataclass(frozen=True)
class _Address:
    """Where a job, a layer or a task is."""

    namespace: str
    job: str
    layer: str | None = None
    task: str | None = None

    @property
    def path(self) -> str:
        parts = [("namespaces", self.namespace), ("jobs", self.job), ("layers", self.layer), ("tasks", self.task)]
        return "/api/v2" + "".join(f"/{kind}/{quote(name, safe='')}" for kind, name in parts if name is not None)


class Client:
    """One API. Methods raise `igor.ApiError` for what the API refuses, and `igor.Unreachable` when it does not answer.

    Reading is tried again for some seconds while the API is away; a change only where doing it twice is doing it once.
    A client may be used by several threads.
    """

    def __init__(self, address: str, token: Token = None, *, timeout: float = 30.0, http: httpx.Client | None = None) -> None:
        """`token`: as it stands, the file that holds it (read anew for each request), or what gives it.

        `http`: a client with other certificates or proxies.
        """
        self._transport = Transport(address, token, http or httpx.Client(timeout=timeout))

    @classmethod
    def from_env(cls) -> Client:
        """As IGOR_API and IGOR_TOKEN, or IGOR_TOKEN_FILE, say."""
        file = os.environ.get("IGOR_TOKEN_FILE")
        return cls(os.environ["IGOR_API"], Path(file) if file else os.environ.get("IGOR_TOKEN"))

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # Making.

    def submit(self, namespace: str, spec: Mapping[str, Any], *, name: str | None = None, key: str | None = None) -> Job:
        """Makes a job of an IgorJob's spec. When this returns, the job will run, whatever dies.

        It is made once, however often it has to be sent. Under the same `key` another call answers with the same job: so may
        what was cut off be completed.
        """
        body: dict[str, Any] = {"spec": spec}
        if name is not None:
            body["name"] = name
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return Job.of(self._transport.post(f"/api/v2/namespaces/{quote(namespace, safe='')}/jobs", body, headers))

    def add_tasks(self, namespace: str, job: str, layer: str, tasks: Iterable[Mapping[str, Any]], *, key: str | None = None) -> Added:
        """Adds tasks to a layer that has not begun, or is paused: each a mapping as in a spec; args may be bytes.

        They are streamed, any number of them. Under the same `key` a call that was cut off is completed by repeating it with
        the same tasks; without one, each call adds anew. Tasks that are a list are sent again by this method itself.
        """
        many = tasks if isinstance(tasks, list | tuple) else None
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        path = _Address(namespace, job, layer).path + "/tasks:bulk"
        if many is not None:
            return Added.of(self._transport.pour(path, lambda: map(_line, many), headers))
        return Added.of(self._transport.pour_once(path, map(_line, tasks), headers))

    # Looking.

    def job(self, namespace: str, name: str) -> Job:
        """The newest job of that name."""
        return Job.of(self._transport.get(_Address(namespace, name).path))

    def job_of_uid(self, uid: str) -> Job:
        """A job by its object's uid, also when the object was deleted."""
        return Job.of(self._transport.get(f"/api/v2/jobs/{quote(uid, safe='')}"))

    def jobs(
        self,
        namespace: str | None = None,
        *,
        status: str | list[str] | None = None,
        name: str | None = None,
        reason: str | None = None,
        queue: str | None = None,
        paused: bool | None = None,
        finished: bool | None = None,
        deleted: bool | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        oldest_first: bool = False,
        page: int = 100,
    ) -> Iterator[Job]:
        """Jobs of a namespace, or of all that one may list; the newest first. Pages are asked for as they are needed."""
        path = "/api/v2/jobs" if namespace is None else f"/api/v2/namespaces/{quote(namespace, safe='')}/jobs"
        query: dict[str, Any] = {"status": status, "name": name, "reason": reason, "queue": queue, "paused": paused, "finished": finished}
        query |= {"deleted": deleted, "createdAfter": created_after, "createdBefore": created_before}
        query |= {"sort": "created" if oldest_first else "-created", "limit": page}
        return self._pages(Job, path, query)

    def layers(self, namespace: str, job: str) -> Iterator[Layer]:
        """The layers of a job, in the order in which they run."""
        return self._pages(Layer, _Address(namespace, job).path + "/layers")

    def layer(self, namespace: str, job: str, layer: str) -> Layer:
        """A layer."""
        return Layer.of(self._transport.get(_Address(namespace, job, layer).path))

    def tasks(
        self,
        namespace: str,
        job: str,
        layer: str,
        *,
        status: str | list[str] | None = None,
        kind: str | None = None,
        name: str | None = None,
        reason: str | None = None,
        paused: bool | None = None,
        page: int = 100,
    ) -> Iterator[Task]:
        """The tasks of a layer; `kind` is their type. Pages are asked for as they are needed."""
        query = {"status": status, "type": kind, "name": name, "reason": reason, "paused": paused, "limit": page}
        return self._pages(Task, _Address(namespace, job, layer).path + "/tasks", query)

    def task(self, namespace: str, job: str, layer: str, task: str) -> Task:
        """A task, with its arguments."""
        return Task.of(self._transport.get(_Address(namespace, job, layer, task).path))

    def attempts(self, namespace: str, job: str, layer: str, task: str) -> Iterator[Attempt]:
        """The attempts of a task."""
        return self._pages(Attempt, _Address(namespace, job, layer, task).path + "/attempts")

    def transitions(self, namespace: str, job: str, layer: str | None = None, task: str | None = None) -> Iterator[Transition]:
        """What moved, oldest first: of a task, of a layer, or of a job with its layers."""
        return self._pages(Transition, _Address(namespace, job, layer, task).path + "/transitions")

    def commands(self, namespace: str, job: str) -> Iterator[Command]:
        """What was asked of a job, by whom and why, oldest first."""
        return self._pages(Command, _Address(namespace, job).path + "/commands")

    def why(self, namespace: str, job: str, layer: str | None = None, task: str | None = None) -> Why:
        """Why it stands as it does, and what would change it."""
        return Why.of(self._transport.get(_Address(namespace, job, layer, task).path + "/why"))

    # Watching.

    def watch(self, namespace: str, name: str, *, seconds: float | None = None) -> Iterator[Job]:
        """The job now, and again each time it has moved, until it has ended; at most so long.

        It follows the job that has the name now: one that takes its name later is another. It asks seldom while nothing moves.
        """
        end = None if seconds is None else time.monotonic() + seconds
        job = self.job(namespace, name)
        yield job
        pause = _SOON
        while not job.finished and (end is None or time.monotonic() < end):
            time.sleep(pause if end is None else max(0.0, min(pause, end - time.monotonic())))
            now = self.job_of_uid(job.uid)
            pause = min(pause * 1.5, _LATER)
            if now != job:
                job, pause = now, _SOON
                yield job

    def wait(self, namespace: str, name: str, *, seconds: float | None = None) -> Job:
        """Waits until a job has ended, however, and returns it. TimeoutError when it has not within so many seconds."""
        for job in self.watch(namespace, name, seconds=seconds):
            if job.finished:
                return job
        raise TimeoutError(f"{namespace}/{name} has not ended within {seconds} s")

    # Steering.

    def command(
        self,
        verb: Verb,
        namespace: str,
        job: str,
        layer: str | None = None,
        task: str | None = None,
        *,
        select: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        etag: str | None = None,
    ) -> Done:
        """Asks a verb of a job, a layer or a task. It is done once, however often it has to be sent.

        `select` says of which of its tasks: `failed`, or as in `render/3-9,17,join`; if unset, all that the verb can touch.
        `dry_run` only tells what it would be about. With an `etag` it is done only while that is the etag, else
        `PreconditionFailed` is raised.
        """
        said = {"select": select, "reason": reason, "dryRun": dry_run or None}
        body = {name: value for name, value in said.items() if value is not None}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if etag is not None:
            headers["If-Match"] = f'"{etag}"'
        return Done.of(self._transport.post(f"{_Address(namespace, job, layer, task).path}:{verb}", body, headers))

    def pause(self, namespace: str, job: str, layer: str | None = None, task: str | None = None, **more: Any) -> Done:
        """Starts nothing new; what runs ends. For what `more` may be see `command`."""
        return self.command("pause", namespace, job, layer, task, **more)

    def unpause(self, namespace: str, job: str, layer: str | None = None, task: str | None = None, **more: Any) -> Done:
        """Goes on."""
        return self.command("unpause", namespace, job, layer, task, **more)

    def kill(self, namespace: str, job: str, layer: str | None = None, task: str | None = None, **more: Any) -> Done:
        """Stops tasks; they are errored."""
        return self.command("kill", namespace, job, layer, task, **more)

    def skip(self, namespace: str, job: str, layer: str | None = None, task: str | None = None, **more: Any) -> Done:
        """Leaves tasks out; they count as done."""
        return self.command("skip", namespace, job, layer, task, **more)

    def retry(self, namespace: str, job: str, layer: str | None = None, task: str | None = None, **more: Any) -> Done:
        """Runs tasks again."""
        return self.command("retry", namespace, job, layer, task, **more)

    def _pages(self, kind: type[Item], path: str, query: dict[str, Any] | None = None) -> Iterator[Item]:
        after: str | None = None
        while True:
            page = self._transport.get(path, (query or {}) | {"after": after})
            yield from map(kind.of, page["items"])
            after = page["next"]
            if after is None:
                return


def _line(task: Mapping[str, Any]) -> bytes:
    """A task as a line; arguments that are bytes go as base64."""
    said = dict(task)
    if isinstance(args := said.get("args"), bytes):
        del said["args"]
        said["argsBase64"] = base64.b64encode(args).decode()
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
