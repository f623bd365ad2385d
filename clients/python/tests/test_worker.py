"""What the SDK promises to functions. The wire contract itself is held by Igor's own suite, `tests/queue`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import QUEUE, StandIn, until, with_file
from igor.worker import Batch, Failure, Handlers, PutOff, Redis, Skipped, Task, Worker


def test_what_a_function_returns_or_raises_is_how_its_task_ends(stand_in: StandIn) -> None:
    handlers = Handlers()

    @handlers.task("render")
    def render(task: Task) -> str | None:
        match task.text:
            case "message":
                return "12 KiB"
            case "skip":
                raise Skipped("was there")
            case "later":
                raise PutOff("no licence", wait=2.5)
            case "fail":
                raise Failure("too big", retry_after=9, last=True)
            case "bug":
                raise KeyError("frame")
            case _:
                return None

    stand_in.prepare("render")
    tasks = {args: stand_in.give("render", args) for args in ("message", "skip", "later", "fail", "bug", "none")}
    stand_in.work(handlers)
    assert {args: stand_in.end("render", task) for args, task in tasks.items()} == {
        "message": {"s": "COMPLETED", "m": "12 KiB"},
        "skip": {"s": "SKIPPED", "m": "was there"},
        "later": {"s": "RELEASED", "m": "no licence", "why": "PutOff", "retry_ms": 2500},
        "fail": {"s": "ERRORED", "m": "too big", "retry_ms": 9000, "final": True},
        "bug": {"s": "ERRORED", "m": "KeyError: 'frame'"},
        "none": {"s": "COMPLETED"},
    }


def test_a_function_sees_all_that_its_task_carries(stand_in: StandIn) -> None:
    handlers = Handlers()

    @handlers.task("render")
    def render(task: Task) -> str:
        frame = task.json()["frame"]
        return f"{task.attempt} {task.job} {task.layer} {task.name} {task.index} {task.retries_left} {task.traceparent} {frame}"

    stand_in.prepare("render")
    header = {"a": 3, "job": "film/nightly", "layer": "render", "name": "frame-17", "ix": 17, "ra": 2, "tp": "00-aa-bb-01"}
    task = stand_in.give("render", '{"frame": 17}', **header, new="is ignored")
    stand_in.work(handlers)
    assert stand_in.end("render", task)["m"] == "3 film/nightly render frame-17 17 2 00-aa-bb-01 17"


def test_the_tasks_of_a_batch_end_as_their_status_or_the_function_says(stand_in: StandIn) -> None:
    handlers, sizes = Handlers(), []

    @handlers.batch("thumb", 10)
    def thumb(batch: Batch) -> None:
        sizes.append(len(batch))
        for item in batch:
            if item.begin() and item.text == "done":
                item.complete("small")
            elif item.text == "skip":
                item.skip("no image")
            elif item.text == "fail":
                item.fail("torn")
        raise Failure("the disk is full")

    stand_in.prepare("thumb")
    tasks = {args: stand_in.give("thumb", args) for args in ("done", "skip", "fail", "unset")}
    stand_in.work(handlers)
    assert {args: stand_in.end("thumb", task) for args, task in tasks.items()} == {
        "done": {"s": "COMPLETED", "m": "small"},
        "skip": {"s": "SKIPPED", "m": "no image"},
        "fail": {"s": "ERRORED", "m": "torn"},
        "unset": {"s": "ERRORED", "m": "the disk is full"},
    }
    assert sizes == [4]


def test_a_batch_that_never_begins_its_tasks_has_the_sum_of_their_timeouts(stand_in: StandIn) -> None:
    handlers = Handlers()

    @handlers.batch("thumb", 10)
    def thumb(batch: Batch) -> None:
        batch[0].wait_cancelled()
        raise Failure("stopped")

    stand_in.prepare("thumb")
    tasks = [stand_in.give("thumb", to=400) for _ in range(2)]
    stand_in.work(handlers)
    for task in tasks:
        assert stand_in.end("thumb", task) == {"s": "ERRORED", "why": "Timeout", "m": "stopped"}
        assert [item["s"] for item in stand_in.said("thumb", task)] == ["RUNNING", "ERRORED"], "it ran longer than 500 ms"


def test_what_a_batch_has_not_begun_is_given_back_at_once_by_a_shutdown(stand_in: StandIn) -> None:
    handlers, begun, go_on = Handlers(), threading.Event(), threading.Event()

    @handlers.batch("thumb", 10)
    def thumb(batch: Batch) -> None:
        for item in batch:
            if item.begin():
                begun.set()
                go_on.wait()

    stand_in.prepare("thumb")
    tasks = [stand_in.give("thumb") for _ in range(3)]
    worker = stand_in.work(handlers)
    until("the first to begin", begun.is_set)
    worker.stop()
    for task in tasks[1:]:
        assert stand_in.end("thumb", task) == {"s": "RELEASED", "why": "Shutdown"}
    go_on.set()
    assert stand_in.end("thumb", tasks[0]) == {"s": "COMPLETED"}


def test_a_function_that_ignores_its_cancellation_is_reported_after_the_stop_grace(stand_in: StandIn) -> None:
    handlers, go_on = Handlers(), threading.Event()

    @handlers.task("render")
    def render(_task: Task) -> None:
        go_on.wait()

    stand_in.prepare("render")
    task = stand_in.give("render", to=100)
    stand_in.work(handlers, stop_grace=0.2)
    assert stand_in.end("render", task) == {"s": "ERRORED", "why": "Timeout", "m": "ran longer than its timeout of 0.1 s"}
    other = stand_in.give("render")
    go_on.set()
    assert stand_in.end("render", other) == {"s": "COMPLETED"}, "its slot is free once it returns"


def test_tasks_run_beside_each_other_as_slots_allow_over_all_types(stand_in: StandIn) -> None:
    handlers, lock, now, most = Handlers(), threading.Lock(), 0, 0

    def work(_task: Task) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.03)
        with lock:
            now -= 1

    tasks = []
    for kind in ("render", "thumb"):
        handlers.task(kind, take=4)(work)
        stand_in.prepare(kind)
        tasks += [(kind, stand_in.give(kind)) for _ in range(20)]
    stand_in.work(handlers, slots=3)
    assert [stand_in.end(*task)["s"] for task in tasks] == ["COMPLETED"] * 40
    assert most == 3


def test_a_task_that_is_to_run_alone_has_all_slots(stand_in: StandIn) -> None:
    handlers, running, beside = Handlers(), set(), []

    @handlers.task("render")
    def render(task: Task) -> None:
        running.add(task.id)
        beside.append((task.text, len(running)))
        time.sleep(0.1)
        running.remove(task.id)

    stand_in.prepare("render")
    tasks = [stand_in.give("render", "one"), stand_in.give("render", "alone", solo=1)]
    stand_in.work(handlers, slots=2)
    for task in tasks:
        stand_in.end("render", task)
    assert ("alone", 1) in beside


def test_an_address_may_lie_in_a_file(stand_in: StandIn, tmp_path: Path) -> None:
    handlers = Handlers()
    handlers.task("render")(lambda _task: "done")
    stand_in.settings = with_file(stand_in.settings, tmp_path / "redis")
    stand_in.prepare("render")
    task = stand_in.give("render")
    stand_in.work(handlers)
    assert stand_in.end("render", task) == {"s": "COMPLETED", "m": "done"}


def test_a_module_s_functions_are_served_by_a_command_until_it_is_told_to_stop(stand_in: StandIn, tmp_path: Path) -> None:
    module = "from igor.worker import task\n\n@task('render')\ndef render(task):\n    return task.name\n"
    (tmp_path / "scenes.py").write_text(module)
    source = str(Path(__file__).parents[1] / "src")
    env = {"REDIS_URL": stand_in.settings.url, "IGOR_PREFIX": stand_in.settings.prefix, "IGOR_NAMESPACE": "film"}
    env["PYTHONPATH"] = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    stand_in.prepare("render")
    task = stand_in.give("render", name="one")
    with subprocess.Popen([sys.executable, "-m", "igor.worker", "scenes"], cwd=tmp_path, env=os.environ | env) as process:
        try:
            assert stand_in.end("render", task) == {"s": "COMPLETED", "m": "one"}
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_certificates_come_from_the_environment_s_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CA", "CERT", "KEY"):
        monkeypatch.setenv(f"REDIS_{name}_FILE", f"/etc/redis/{name}")
    monkeypatch.setenv("REDIS_URL", "rediss://worker:secret@redis.example")
    made = Redis.from_env().client("name", 1.0).connection_pool.connection_kwargs
    seen = {name: made[name] for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "username", "password", "client_name")}
    assert seen == {
        "ssl_ca_certs": "/etc/redis/CA",
        "ssl_certfile": "/etc/redis/CERT",
        "ssl_keyfile": "/etc/redis/KEY",
        "username": "worker",
        "password": "secret",
        "client_name": "name",
    }


def test_a_worker_waits_for_a_redis_that_is_not_there_and_stops_when_told() -> None:
    handlers = Handlers()
    handlers.task("render")(lambda _task: None)
    worker = Worker(QUEUE, redis=Redis(url="redis://127.0.0.1:1"), handlers=handlers)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_what_makes_no_worker_says_why() -> None:
    handlers = Handlers()
    handlers.task("render")(lambda _task: None)
    with pytest.raises(ValueError, match="no function for the task type rendr; there are functions for render"):
        Worker(QUEUE, handlers=handlers, types=["rendr"])
    with pytest.raises(ValueError, match=r"the queue 'film/default' is <namespace>\.<queue>"):
        Worker("film/default", handlers=handlers)
    with pytest.raises(ValueError, match="'render' has two functions"):
        handlers.task("render")(lambda _task: None)

    async def later(_task: Task) -> None: ...

    with pytest.raises(TypeError, match="is async"):
        handlers.task("thumb")(later)


def test_an_address_is_not_printed() -> None:
    assert "secret" not in repr(Redis(url="redis://:secret@host"))
