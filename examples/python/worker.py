"""An Igor worker in Python, with task types for trying out; add functions for your own.

    pip install ./clients/python
    REDIS_URL=redis://127.0.0.1:6379 python3 examples/python/worker.py --namespace film --type echo --type sleep

`docs/workers.md` tells more.
"""

from igor.worker import Failure, Task, run, task


@task("noop", take=100)
def noop(_task: Task) -> None:
    """Does nothing."""


@task("echo")
def echo(task: Task) -> str:
    """Its arguments are its message."""
    return task.text


@task("sleep")
def sleep(task: Task) -> None:
    """Waits for so many seconds, and stops when told."""
    if task.wait_cancelled(float(task.text)):
        raise Failure("stopped in its sleep")


@task("fail")
def fail(task: Task) -> None:
    """Fails with its arguments as the message."""
    raise Failure(task.text or "told to fail")


@task("flaky")
def flaky(task: Task) -> None:
    """Fails in its first attempt."""
    if task.attempt == 1:
        raise Failure("fails in its first attempt")


if __name__ == "__main__":
    run()
