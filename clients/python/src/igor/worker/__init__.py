"""Workers: functions that run Igor's tasks.

    from igor.worker import Failure, Task, run, task

    @task("render")
    def render(task: Task) -> str:
        frame = task.json()["frame"]
        for row in range(1080):
            if task.cancelled:
                raise Failure("stopped")
            ...
        return f"frame {frame} is done"

    if __name__ == "__main__":
        run()

What it promises, and what it asks:

- A task is run by one worker at a time while its lease lasts, and again when its worker is gone: functions should not mind
  running twice. A lease is renewed for as long as the process lives and reaches Redis.
- A kill, a timeout, a deadline or a shutdown set `Task.cancelled`. A function that does not look at it cannot be stopped:
  its end is reported for it after the stop grace, but its thread and its slot stay taken until it returns.
- Results are kept and sent again until Redis has them. Without contact a worker runs on for the type's grace.
- An exception fails its task (in a batch: those without a status), never the worker.

This package speaks the wire contract of docs/queue-contract.md and nothing else: no Kubernetes, no HTTP, no SQL.
"""

from .command import run
from .handlers import Handlers, batch, task
from .outcome import Failure, PutOff, Skipped
from .settings import Redis
from .tasks import Batch, BatchItem, Task
from .worker import Worker

__all__ = [
    "Batch",
    "BatchItem",
    "Failure",
    "Handlers",
    "PutOff",
    "Redis",
    "Skipped",
    "Task",
    "Worker",
    "batch",
    "run",
    "task",
]
