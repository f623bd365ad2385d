"""An Igor worker in Python: plain redis-py, written from docs/queue-contract.md alone.

It serves a few types for trying out, one batch at a time; add functions to HANDLERS for your own. Run more processes for more slots.

    pip install -r requirements.txt
    REDIS_URL=redis://127.0.0.1:6379 python3 worker.py --queue film.default --type echo --type sleep
"""

import argparse
import json
import logging
import os
import queue
import secrets
import signal
import socket
import sys
import threading
import time

import redis

CONTRACT = 1
GROUP = "igor"
LANES = ("0", "1", "2")
BLOCK_MS = 1000
ITEMS_MAX = 1000
RESULT_BYTES_MAX = 256 * 1024
log = logging.getLogger("worker")


def now_ms():
    return time.time_ns() // 1_000_000


def cut(text, most=4096):
    return text.replace("\0", "").encode()[:most].decode(errors="ignore")


class Failure(Exception):
    """What a handler raises to fail its task; any other exception fails it too."""

    def __init__(self, message, retry_ms=None, final=False):
        super().__init__(message)
        self.retry_ms, self.final = retry_ms, final


class Task:
    """A task in hand, from its delivery until its result is stored."""

    def __init__(self, kind, lane, entry, header, args, gen):
        self.kind, self.lane, self.entry, self.args, self.gen = kind, lane, entry, args, gen
        self.id, self.attempt = header.get("id"), header.get("a", 0)
        self.timeout, self.deadline = header.get("to", 0) / 1000, header.get("dl", 0)
        self.solo, self.exclusive = bool(header.get("solo")), bool(header.get("ex"))
        self.header = header
        self.cancelled = threading.Event()
        self.stopped = None  # why it was cancelled; the first reason stays
        self.began = None
        self.said_running = False
        self.reported = False
        self.revoked = False  # nothing is left to renew
        self.announced = None  # when, if the announcement is the lease

    def stop(self, why):
        if self.stopped is None or why == "NoContact":
            self.stopped = why
        self.cancelled.set()

    def item(self, status, **more):
        item = {"e": self.entry, "q": self.lane, "s": status, "ts": now_ms()}
        if self.id:
            item.update(id=self.id, a=self.attempt)
        if self.began is not None and status != "RUNNING":
            item["dur"] = int((time.monotonic() - self.began) * 1000)
        return {**item, **{name: value for name, value in more.items() if value is not None}}


class Kind:
    """A task type, `Q/T`, and its meta."""

    def __init__(self, prefix, name, handler):
        self.name, self.handler = name, handler
        self.prefix = f"{prefix}:{{{name}}}:"
        self.ready = False
        self.gen, self.lease, self.grace = None, 30.0, 600.0
        self.batch_max, self.batch_delay, self.share = 100, 0.0, 0

    def lane(self, number):
        return f"{self.prefix}q{number}"

    def learn(self, meta):
        meta = {name.decode(): value.decode() for name, value in meta.items()}
        self.gen = meta.get("gen")
        if meta.get("v") != str(CONTRACT):
            return False
        self.lease = int(meta.get("lease_ms", 30_000)) / 1000
        self.grace = int(meta.get("grace_ms", 600_000)) / 1000
        self.batch_max = max(1, int(meta.get("batch_max", 100)))
        self.batch_delay = int(meta.get("batch_delay_ms", 0)) / 1000
        self.share = int(meta.get("share", 0))
        return True


class Worker:
    def __init__(self, options, handlers):
        self.options = options
        host = socket.gethostname()
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(3)}"
        self.card = f"{options.prefix}:w:{self.id}"
        self.kinds = [Kind(options.prefix, f"{options.queue}/{name}", handlers[name]) for name in dict.fromkeys(options.type)]
        self.held = {}  # (type, lane, entry id) -> task
        self.lock = threading.Lock()
        self.results = queue.Queue()  # (task, item, whether it is the last word)
        self.stopping, self.closing = threading.Event(), threading.Event()
        self.contact = time.monotonic()
        self.done = self.errs = 0
        self.renew_now = threading.Event()
        self.took_solo = False
        self.fixed = {
            "types": ",".join(kind.name for kind in self.kinds), "host": host, "pod": os.environ.get("POD_NAME", ""),
            "version": "1", "lang": "python", "slots": 1, "started": now_ms(), "v": CONTRACT,
        }

    def connect(self, role, timeout):
        retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        return redis.Redis.from_url(
            self.options.redis_url, socket_timeout=timeout, socket_connect_timeout=5, retry=retry, single_connection_client=False,
            protocol=2, driver_info=None, client_name=f"{self.id}.{role}", max_connections=1)

    # The life of the process.

    def run(self):
        self.beat = self.connect("beat", 2)
        try:
            self.renew()  # registered before the first read
        except redis.RedisError as error:
            log.warning("Redis does not answer yet: %s", error)
        threads = [threading.Thread(target=target, daemon=True) for target in (self.beat_on, self.listen, self.write, self.watch)]
        for thread in threads:
            thread.start()
        self.fetch()
        deadline = time.monotonic() + 5
        while self.held and time.monotonic() < deadline:
            time.sleep(0.01)
        self.closing.set()
        self.renew_now.set()
        threads[0].join(timeout=3)

    def shut_down(self):
        """SIGTERM: nothing new; what runs has the grace, then it is given back."""
        self.stopping.set()

        def stop_all():
            for task in self.tasks():
                task.stop("Shutdown")

        timer = threading.Timer(self.options.shutdown_grace, stop_all)
        timer.daemon = True
        timer.start()

    def tasks(self):
        with self.lock:
            return list(self.held.values())

    # Taking tasks.

    def fetch(self):
        connection, looked_back = self.connect("tasks", BLOCK_MS / 1000 + 10), False
        while not self.stopping.is_set():
            try:
                if not looked_back:
                    batch = self.look_back(connection)
                    looked_back = True
                else:
                    batch = self.take(connection)
            except redis.RedisError as error:
                log.warning("cannot read tasks: %s", error)
                # The reply may be lost: what it delivered stands in the own pending list.
                connection.close()
                looked_back = False
                self.stopping.wait(0.1 + secrets.randbelow(200) / 1000)
                continue
            for kind in self.kinds:
                mine = [task for task in batch if task.kind is kind]
                for start in range(0, len(mine), max(1, self.batch_of(kind))):
                    self.run_batch(kind, mine[start:start + max(1, self.batch_of(kind))])

    def batch_of(self, kind):
        return min(self.options.batch, kind.batch_max)

    def look_back(self, connection):
        batch = []
        for kind in self.kinds:
            for lane in LANES:
                after = "0"
                while True:
                    got = self.read(connection, [kind], {kind.lane(lane): after}, 500, None)
                    if not got:
                        break
                    after = got[-1][2]
                    batch += self.receive(got)
        return batch

    def take(self, connection):
        ready = [kind for kind in self.kinds if kind.ready or self.look_for(connection, kind)]
        if not ready:
            self.stopping.wait(BLOCK_MS / 1000)
            return []
        for kind in ready:
            most = 1 if self.took_solo else min(self.batch_of(kind), kind.share or self.batch_of(kind))
            batch = []
            for lane in LANES:
                if len(batch) < most:
                    batch += self.receive(self.read(connection, [kind], {kind.lane(lane): ">"}, most - len(batch), None))
            if batch:
                return self.fill(connection, kind, batch)
        each = 1 if self.took_solo else max(1, min(self.batch_of(kind) for kind in ready) // 3)
        streams = {kind.lane(lane): ">" for kind in ready for lane in LANES}
        batch = self.receive(self.read(connection, ready, streams, each, BLOCK_MS))
        return self.fill(connection, batch[0].kind, batch) if batch else []

    def fill(self, connection, kind, batch):
        """A batch that may wait for more does so, from its first task on."""
        until = time.monotonic() + kind.batch_delay
        while len(batch) < self.batch_of(kind) and (left := int((until - time.monotonic()) * 1000)) > 0:
            streams = {kind.lane(lane): ">" for lane in LANES}
            batch += self.receive(self.read(connection, [kind], streams, max(1, (self.batch_of(kind) - len(batch)) // 3), left))
        return batch

    def look_for(self, connection, kind):
        kind.ready = kind.learn(connection.hgetall(kind.prefix + "meta"))
        return kind.ready

    def read(self, connection, kinds, streams, count, block):
        """Entries as (type, lane, id, fields), in order."""
        try:
            reply = connection.xreadgroup(GROUP, self.id, streams, count=count, block=block)
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            for kind in kinds:
                kind.ready = False
            return []
        lanes = {kind.lane(lane).encode(): (kind, lane) for kind in kinds for lane in LANES}
        return [(*lanes[stream], entry.decode(), fields) for stream, entries in reply or [] for entry, fields in entries]

    def receive(self, entries):
        """Takes entries in hand; gives back what it cannot read."""
        batch = []
        for kind, lane, entry, fields in entries:
            with self.lock:
                if not fields or (kind.name, lane, entry) in self.held:
                    continue
            header, why = self.parse(fields.get(b"h", b""))
            task = Task(kind, lane, entry, header, fields.get(b"p", b""), kind.gen)
            with self.lock:
                self.held[kind.name, lane, entry] = task
            if why:
                self.report(task, "RELEASED", why="Unreadable", m=why)
            else:
                self.took_solo = task.solo
                batch.append(task)
        return batch

    @staticmethod
    def parse(text):
        try:
            header = json.loads(text)
            if header.get("v") != CONTRACT:
                return header, f"the header has version {header.get('v')} of the contract, this worker knows {CONTRACT}"
            if not isinstance(header["id"], str) or not isinstance(header["a"], int):
                raise ValueError("id is a string and a is a number")
            return header, None
        except (ValueError, KeyError, AttributeError) as error:
            return {}, f"the header does not parse: {error!r}"

    # Running them.

    def run_batch(self, kind, batch):
        solo = next((task for task in batch if task.solo), None)
        if solo:
            for task in batch:
                if task is not solo:
                    self.report(task, "RELEASED", why="Solo")
            batch = [solo]
        for task in batch:
            if self.stopping.is_set():
                self.report(task, "RELEASED", why="Shutdown")
                continue
            # After a pause of the whole process the lease may be over: renewed before anything begins.
            if time.monotonic() - self.contact > kind.lease:
                self.renew_now.set()
                patience = time.monotonic() + kind.lease
                while time.monotonic() - self.contact > kind.lease and time.monotonic() < patience:
                    time.sleep(0.01)
            if task.deadline and now_ms() >= task.deadline:
                task.stop("Deadline")
            if task.stopped is None:
                task.began = time.monotonic()
                self.conclude(task, *self.call(kind, task))
            else:
                self.conclude(task, None, None)

    @staticmethod
    def call(kind, task):
        try:
            return kind.handler(task), None
        except Exception as error:  # whatever a handler does, the worker goes on
            return None, error

    def conclude(self, task, message, error):
        text = cut(str(error) or repr(error)) if error is not None else None
        if task.stopped == "NoContact":
            self.leave(task)
        elif error is None and task.began is not None:
            self.report(task, "COMPLETED", m=cut(message) if message is not None else None)
        elif task.stopped == "Killed":
            self.report(task, "CANCELLED", why="Killed", m=text)
        elif task.stopped == "Shutdown":
            self.report(task, "RELEASED", why="Shutdown")
        elif task.stopped is not None:
            self.report(task, "ERRORED", why=task.stopped, m=text or "out of time")
        else:
            self.report(task, "ERRORED", m=text, retry_ms=getattr(error, "retry_ms", None), final=getattr(error, "final", None) or None)

    def watch(self):
        """Timeouts, deadlines, and saying what runs."""
        while not self.closing.wait(0.05):
            for task in self.tasks():
                if task.began is None or task.reported or task.stopped:
                    continue
                ran = time.monotonic() - task.began
                if task.timeout and ran >= task.timeout:
                    task.stop("Timeout")
                elif task.deadline and now_ms() >= task.deadline:
                    task.stop("Deadline")
                elif ran >= 0.5 and not task.said_running:
                    task.said_running = True
                    self.results.put((task, task.item("RUNNING"), False))

    # Telling how they ended.

    def report(self, task, status, **more):
        if task.reported:
            return
        task.reported = True
        if status in ("COMPLETED", "ERRORED", "SKIPPED"):
            self.done += 1
            self.errs += status == "ERRORED"
        self.results.put((task, task.item(status, **more), True))

    def leave(self, task):
        with self.lock:
            self.held.pop((task.kind.name, task.lane, task.entry), None)

    def write(self):
        """Few entries, and again until they are stored. A busy worker's results gather for up to 50 ms."""
        connection, waiting = self.connect("results", 5), []
        while not self.closing.is_set():
            try:
                waiting.append(self.results.get(timeout=0.2))
                until = time.monotonic() + 0.05
                while (left := until - time.monotonic()) > 0:
                    waiting.append(self.results.get(timeout=left))
            except queue.Empty:
                pass
            waiting = [one for one in waiting if one[0].stopped != "NoContact"]
            while waiting:
                kind, chunk, size = waiting[0][0].kind, [], 2
                for one in waiting:
                    length = len(json.dumps(one[1])) + 1
                    if one[0].kind is kind and len(chunk) < ITEMS_MAX and size + length <= RESULT_BYTES_MAX:
                        chunk.append(one)
                        size += length
                try:
                    connection.xadd(kind.prefix + "r", {"w": self.id, "r": json.dumps([item for _, item, _ in chunk])})
                except redis.RedisError as error:
                    log.warning("results are kept: %s", error)
                    connection.close()
                    self.closing.wait(0.2)
                    break
                stored = set(map(id, chunk))
                waiting = [one for one in waiting if id(one) not in stored]
                for task, _, last_word in chunk:
                    if last_word:
                        self.leave(task)

    # Keeping the leases.

    def beat_on(self):
        while not self.closing.is_set():
            self.renew_now.wait(min(kind.lease for kind in self.kinds) / 6)
            self.renew_now.clear()
            try:
                self.renew()
            except redis.RedisError as error:
                log.warning("no heartbeat: %s", error)
                self.beat.close()
                self.give_up()
        try:
            self.beat.pexpire(self.card, 1)  # nobody need wait for this worker; an ACL may forbid DEL
        except redis.RedisError as error:
            log.info("the card stays until it expires: %s", error)

    def renew(self):
        tasks = [task for task in self.tasks() if not task.revoked]
        lanes = {}
        for task in tasks:
            lanes.setdefault((task.kind, task.lane), []).append(task)
        batch = max(self.batch_of(kind) for kind in self.kinds)
        ttl = int(max(kind.lease for kind in self.kinds) * 1000)
        pipe = self.beat.pipeline(transaction=False)
        card = {**self.fixed, "batch": batch, "inflight": len(self.tasks()), "done": self.done, "errs": self.errs}
        pipe.hset(self.card, mapping=card).pexpire(self.card, ttl)
        for (kind, lane), held in lanes.items():
            pipe.xclaim(kind.lane(lane), GROUP, self.id, 0, [task.entry for task in held], justid=True)
        for kind in self.kinds:  # after the claims: or a rebuild in between would read as a kill
            pipe.hgetall(kind.prefix + "meta")
        answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not str(answer).startswith("NOGROUP"):
                raise answer
        for kind, meta in zip(self.kinds, answers[2 + len(lanes):]):
            kind.learn(meta)
        self.contact = time.monotonic()
        for ((kind, _), held), claimed in zip(lanes.items(), answers[2:]):
            self.judge(kind, held, claimed)

    def judge(self, kind, held, claimed):
        leased = set() if isinstance(claimed, Exception) else {entry.decode() for entry in claimed}
        for task in held:
            if task.entry in leased:
                task.gen, task.announced = kind.gen, None
            elif not isinstance(claimed, Exception) and kind.gen is not None and kind.gen == task.gen:
                task.revoked = True
                if not task.reported:
                    task.stop("Killed")
            elif task.announced is None or time.monotonic() - task.announced >= kind.lease / 3:
                task.announced = time.monotonic()  # Redis lost it: the announcement is the lease
                if not task.reported:
                    self.results.put((task, task.item("RUNNING"), False))

    def give_up(self):
        silence = time.monotonic() - self.contact
        for task in self.tasks():
            if silence >= (task.kind.lease if task.exclusive else task.kind.grace):
                task.stop("NoContact")
                if task.reported:
                    self.leave(task)

    def listen(self):
        """Kills by message."""
        while not self.closing.is_set():
            try:
                with self.connect("kills", 15).pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(*(kind.prefix + "ctl" for kind in self.kinds))
                    while not self.closing.is_set():
                        message = channel.get_message(timeout=1)
                        if message is not None:
                            kills = set(json.loads(message["data"]).get("kill", []))
                            for task in self.tasks():
                                if f"{task.id}.{task.attempt}" in kills:
                                    task.stop("Killed")
            except (redis.RedisError, ValueError) as error:
                log.info("no kills by message: %s", error)
                self.closing.wait(0.2)


# The types that are served. A handler takes a task and returns its message, or None; it raises to fail.


def noop(_task):
    return None


def echo(task):
    return task.args.decode()


def sleep(task):
    if task.cancelled.wait(float(task.args)):
        raise Failure("stopped in its sleep")


def fail(task):
    raise Failure(task.args.decode() or "told to fail")


def flaky(task):
    if task.attempt == 1:
        raise Failure("fails in its first attempt")


HANDLERS = {"noop": noop, "echo": echo, "sleep": sleep, "fail": fail, "flaky": flaky}


def main():
    parser = argparse.ArgumentParser(description="An Igor worker in Python")
    parser.add_argument("--redis-url", default=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
    parser.add_argument("--prefix", default=os.environ.get("IGOR_PREFIX", "igor"))
    parser.add_argument("--queue", required=True, help="<namespace>.<queue>, or the name of a shared queue")
    parser.add_argument("--type", action="append", required=True, choices=sorted(HANDLERS))
    parser.add_argument("--batch", type=int, default=1, help="the most tasks to take at once")
    parser.add_argument("--shutdown-grace", type=float, default=30, help="seconds that running tasks may go on after SIGTERM")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    worker = Worker(parser.parse_args(), HANDLERS)
    signal.signal(signal.SIGTERM, lambda *_: worker.shut_down())
    signal.signal(signal.SIGINT, lambda *_: worker.shut_down())
    worker.run()


if __name__ == "__main__":
    main()
