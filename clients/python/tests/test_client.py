"""The client, against an API with an operator and a worker behind it: IGOR_API, IGOR_TOKEN and IGOR_NAMESPACE say where."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import igor
from conftest import until

SPEC: dict[str, Any] = {
    "onFailure": "Continue",
    "layers": [
        {
            "name": "render",
            "tasks": [
                {"name": "a", "type": "echo", "args": "first"},
                {"name": "b", "type": "fail", "args": "no disk"},
                {"name": "c", "type": "noop"},
            ],
        },
        {"name": "join", "paused": True, "tasks": [{"name": "all", "type": "noop"}]},
    ],
}


@pytest.fixture
def client() -> Iterator[igor.Client]:
    with igor.Client.from_env() as one:
        yield one


@pytest.fixture
def job(client: igor.Client) -> igor.Job:
    """A job that waits for its paused layer."""
    job = client.submit(os.environ["IGOR_NAMESPACE"], SPEC, name=f"job-{uuid.uuid4().hex[:8]}")
    until("the first layer's end", lambda: client.layer(job.namespace, job.name, "render").finished_at)
    return job


def test_tasks_are_found_by_status_and_tell_what_their_workers_said(client: igor.Client, job: igor.Job) -> None:
    [failed] = client.tasks(job.namespace, job.name, "render", status="ERRORED", page=1)
    assert (failed.name, failed.kind, failed.message) == ("b", "fail", "no disk")
    [attempt] = client.attempts(job.namespace, job.name, "render", "b")
    assert (attempt.attempt, attempt.ended_as) == (1, "ERRORED")
    assert [layer.name for layer in client.layers(job.namespace, job.name)] == ["render", "join"]
    assert client.why(job.namespace, job.name).why != []


def test_a_job_is_made_once_under_a_key(client: igor.Client) -> None:
    namespace, key = os.environ["IGOR_NAMESPACE"], str(uuid.uuid4())
    job = client.submit(namespace, SPEC, key=key)
    assert client.submit(namespace, SPEC, key=key).uid == job.uid
    with pytest.raises(igor.Conflict):
        client.submit(namespace, SPEC, name=job.name)


def test_a_verb_is_tried_dry_and_then_done(client: igor.Client, job: igor.Job) -> None:
    would = client.skip(job.namespace, job.name, "render", select="failed", dry_run=True)
    assert (would.matched, would.changed, would.sample) == (1, 0, ["render/b"])
    assert client.skip(job.namespace, job.name, "render", select="failed", reason="not needed").changed == 1
    [asked] = client.commands(job.namespace, job.name)
    assert (asked.verb, asked.object, asked.reason, asked.changed) == ("skip", "layer/render", "not needed", 1)


def test_an_etag_that_is_not_the_object_s_any_more_stops_a_verb(client: igor.Client, job: igor.Job) -> None:
    seen = client.layer(job.namespace, job.name, "join")
    assert seen.paused
    client.unpause(job.namespace, job.name, "join", etag=seen.etag)
    with pytest.raises(igor.PreconditionFailed):
        client.pause(job.namespace, job.name, "join", etag=seen.etag)


def test_tasks_are_added_once_under_a_key_and_listed_page_by_page(client: igor.Client, job: igor.Job) -> None:
    more: list[dict[str, object]] = [{"type": "noop", "args": n.to_bytes(2, "big")} for n in range(250)]
    assert client.add_tasks(job.namespace, job.name, "join", more, key="a").added == 250
    again = client.add_tasks(job.namespace, job.name, "join", iter(more), key="a")
    assert (again.received, again.added, again.already) == (250, 0, 250)
    names = [task.name for task in client.tasks(job.namespace, job.name, "join", page=100)]
    assert (len(names), len(set(names))) == (251, 251)
    assert client.task(job.namespace, job.name, "join", names[-1]).args_base64 is not None


def test_a_watch_tells_each_move_until_the_end(client: igor.Client, job: igor.Job) -> None:
    seen: list[igor.Job] = []
    for now in client.watch(job.namespace, job.name):
        if not seen:
            client.unpause(job.namespace, job.name, "join")
        seen.append(now)
    assert all(one != other for one, other in pairwise(seen))
    assert [now.finished for now in seen] == [False] * (len(seen) - 1) + [True]
    assert client.wait(job.namespace, job.name) == seen[-1]
    assert [move.after for move in client.transitions(job.namespace, job.name, "join")][-1] == "COMPLETED"


def test_a_wait_that_lasts_too_long_says_so(client: igor.Client, job: igor.Job) -> None:
    with pytest.raises(TimeoutError, match="has not ended within"):
        client.wait(job.namespace, job.name, seconds=0.5)


def test_jobs_are_found_by_name_and_by_uid(client: igor.Client, job: igor.Job) -> None:
    [found] = client.jobs(job.namespace, name=job.name, finished=False)
    assert (found.uid, found.created_at) == (job.uid, job.created_at)
    assert client.job_of_uid(job.uid).name == job.name
    assert job.uid in [one.uid for one in client.jobs(oldest_first=True, page=1)]


def test_what_is_refused_is_an_exception_of_its_kind(client: igor.Client, tmp_path: Path) -> None:
    with pytest.raises(igor.BadRequest) as refused:
        next(client.jobs(status=["done"], page=0))
    assert len(refused.value.faults) == 2
    with pytest.raises(igor.NotFound):
        client.job(os.environ["IGOR_NAMESPACE"], "absent")
    file = tmp_path / "token"
    file.write_text("made-up\n")
    with pytest.raises(igor.Unauthorized):
        next(igor.Client(os.environ["IGOR_API"], file).jobs())
    with pytest.raises(igor.BadRequest) as refused:
        client.submit(os.environ["IGOR_NAMESPACE"], {"layers": [{"name": "A B", "tasks": []}, {"name": "c", "tasks": [{}]}]})
    assert len(refused.value.faults) > 1, "all of them at once"


def test_without_an_answer_reading_is_tried_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(igor.Unreachable, match=r"GET http://127\.0\.0\.1:1/"):
        igor.Client("http://127.0.0.1:1").job("film", "nightly")


class Flaky(BaseHTTPRequestHandler):
    """Is away at first, as an API is whose store is."""

    asked: list[tuple[str, str | None]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.headers.get("Idempotency-Key")))
        self.send_response(503 if len(self.asked) < 3 else 200)
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(b'{"name": "nightly", "news": 1}')

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[igor.Client]:
    Flaky.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield igor.Client(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


def test_what_is_safe_is_asked_again_while_a_store_is_away(flaky: igor.Client) -> None:
    assert flaky.job("film", "nightly").name == "nightly"
    assert [method for method, _ in Flaky.asked] == ["GET"] * 3


def test_a_verb_is_sent_again_under_the_same_key(flaky: igor.Client) -> None:
    flaky.kill("film", "nightly")
    keys = {key for _, key in Flaky.asked}
    assert len(Flaky.asked) == 3
    assert len(keys) == 1
    assert None not in keys
