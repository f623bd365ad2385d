"""The command line of a worker. Flags and environment are those of `igor worker`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from .settings import Redis
from .worker import Worker


def run(argv: list[str] | None = None) -> None:
    """Serves the decorated functions of this process until SIGTERM or SIGINT, as the command line says."""
    _serve(_parser().parse_args(argv))


def main(argv: list[str] | None = None) -> None:
    """`python -m igor.worker MODULE …`: imports the modules that have the functions, then serves these."""
    parser = _parser()
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="Python module with decorated functions")
    options = parser.parse_args(argv)
    sys.path.insert(0, str(Path.cwd()))
    for module in options.modules:
        importlib.import_module(module)
    _serve(options)


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(description="Takes Igor's tasks and runs them. REDIS_URL or REDIS_URL_FILE says where Redis is.")
    add = parser.add_argument
    add("--namespace", default=env("IGOR_NAMESPACE", "default"), help="namespace whose queue is served")
    add("--queue", default=env("IGOR_QUEUE", "default"), help="queue that is served")
    add("--shared", action="store_true", help="the queue is one that the operator's settings share between namespaces")
    add(
        "--type",
        action="append",
        dest="types",
        metavar="TYPE",
        help="task type to serve; repeat for more; all if none is named",
    )
    add("--slots", type=int, default=int(env("IGOR_SLOTS", "1")), help="calls that run at the same time")
    add("--batch", type=int, help="tasks that a slot takes at once, instead of what the functions say")
    add(
        "--shutdown-grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="that running tasks get to end after SIGTERM",
    )
    add("--log", default=env("IGOR_LOG", "info"), choices=["debug", "info", "warning", "error"], help="level of the log")
    add(
        "--redis-url-file",
        type=Path,
        metavar="FILE",
        help="that holds the address of Redis; read again at each new connection",
    )
    return parser


def _serve(options: argparse.Namespace) -> None:
    logging.basicConfig(level=options.log.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    redis = Redis.from_env()
    if options.redis_url_file:
        redis = replace(redis, url_file=options.redis_url_file)
    try:
        worker = Worker(
            options.queue if options.shared else f"{options.namespace}.{options.queue}",
            redis=redis,
            types=options.types,
            slots=options.slots,
            most=options.batch,
            shutdown_grace=options.shutdown_grace,
        )
    except ValueError as error:
        sys.exit(str(error))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
