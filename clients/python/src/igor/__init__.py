"""Igor from Python: `Client` submits, watches and steers jobs over HTTP; `igor.worker` runs their tasks.

import igor

with igor.Client("https://igor.example", token="...") as client:
    job = client.submit("film", {"layers": [{"name": "render", "tasks": [{"type": "render"}]}]}, name="nightly")
    print(client.wait(job.namespace, job.name).status)
"""

from .client import Client
from .errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from .model import Added, Attempt, Cause, Command, Counts, Done, Job, Layer, Task, Transition, Why

__all__ = [
    "Added",
    "ApiError",
    "Attempt",
    "BadRequest",
    "Cause",
    "Client",
    "Command",
    "Conflict",
    "Counts",
    "Done",
    "Forbidden",
    "Job",
    "Layer",
    "NotFound",
    "PreconditionFailed",
    "Task",
    "TooManyRequests",
    "Transition",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Why",
]
