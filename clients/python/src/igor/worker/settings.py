"""Where Redis is and how it is reached. An address may hold a password: it is never printed, and may lie in a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class Redis:
    """A Redis or Valkey server. User, password and database are part of the address: `rediss://user:password@host:6379/0`."""

    url: str = field(default="redis://127.0.0.1:6379", repr=False)
    url_file: Path | None = None
    """File that holds the address instead, or folder as a secret is mounted: its file `uri`, else its parts `host`, `port`, `username`
    (or `user`), `password` and `db`. Read again at each new connection, so a renewed password is taken up."""
    prefix: str = "igor"
    """First word of every key."""
    tls_mode: str | None = None
    """`disable` or `verify-full`. An address says it by itself, as rediss://; one in parts means `verify-full` unless this does not."""
    ca_file: Path | None = None
    """Certificates of those who may vouch for a rediss:// server; the system's if none."""
    cert_file: Path | None = None
    """Certificate to show to a rediss:// server, and its key."""
    key_file: Path | None = None

    @classmethod
    def from_env(cls) -> Redis:
        """As REDIS_URL, REDIS_URL_FILE, REDIS_TLS_MODE, REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_KEY_FILE and IGOR_PREFIX say."""
        files = {name: os.environ.get(f"REDIS_{name.upper()}") for name in ("url_file", "ca_file", "cert_file", "key_file")}
        paths: dict[str, Any] = {name: Path(path) for name, path in files.items() if path}
        tls_mode = os.environ.get("REDIS_TLS_MODE") or None
        url, prefix = os.environ.get("REDIS_URL") or cls.url, os.environ.get("IGOR_PREFIX") or cls.prefix
        return cls(url=url, prefix=prefix, tls_mode=tls_mode, **paths)

    def address(self) -> str:
        """The address, from the file or the folder if there is one."""
        address = self._written() if self.url_file else self.url
        wanted = self.tls_mode or ("verify-full" if self.ca_file or self.cert_file else None)
        if wanted not in (None, "disable", "verify-full"):
            raise ValueError(f"REDIS_TLS_MODE is disable or verify-full, not {wanted}")
        if wanted and (wanted == "verify-full") != address.startswith("rediss:"):
            raise ValueError("the address says redis://, and TLS is asked for by its mode or by certificates, or the reverse")
        return address

    def _written(self) -> str:
        assert self.url_file
        if not self.url_file.is_dir():
            return self.url_file.read_text().strip()
        names = ("uri", "host", "port", "username", "user", "password", "db")
        there = {name: file for name in names if (file := self.url_file / name).exists()}
        parts = {name: file.read_text().rstrip("\r\n") for name, file in there.items()}
        if uri := parts.get("uri"):
            return uri
        if not (host := parts.get("host")):
            raise ValueError(f"there is neither uri nor host in {self.url_file}")
        user, password = (quote(word or "", safe="") for word in (parts.get("username") or parts.get("user"), parts.get("password")))
        scheme, host = "redis" if self.tls_mode == "disable" else "rediss", f"[{host}]" if ":" in host else host
        return f"{scheme}://{user}:{password}@{host}:{parts.get('port') or 6379}/{parts.get('db') or 0}"

    def client(self, name: str, timeout: float) -> redis.Redis:
        """A client of one connection that carries a name and never tries again by itself: that would hide lost replies."""
        url = self.address()
        files = {"ssl_ca_certs": self.ca_file, "ssl_certfile": self.cert_file, "ssl_keyfile": self.key_file}
        tls = {key: str(path) for key, path in files.items() if path} if url.startswith("rediss:") else {}
        options: dict[str, Any] = {"driver_info": None} if _redis_version() >= (7, 1) else {"lib_name": None, "lib_version": None}
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name=name,
            max_connections=1,
            **options,
            **tls,
        )


def _redis_version() -> tuple[int, ...]:
    return tuple(int(part) for part in redis.__version__.split(".")[:2])


class Link:
    """One named connection, made when it is first used, and anew after a reset."""

    def __init__(self, settings: Redis, name: str, timeout: float) -> None:
        self._settings, self._name, self._timeout = settings, name, timeout
        self._client: redis.Redis | None = None
        self._lock = threading.Lock()

    @property
    def client(self) -> redis.Redis:
        """The client behind it."""
        with self._lock:
            if self._client is None:
                self._client = self._settings.client(self._name, self._timeout)
            return self._client

    def command(self, *words: object, **options: object) -> Any:
        """One command, in the words of the contract."""
        return self.client.execute_command(*words, **options)  # type: ignore[no-untyped-call]

    def commands(self, commands: Iterable[tuple[tuple[object, ...], dict[str, object]]]) -> list[Any]:
        """Several in one go, each with its answer or its error."""
        pipe = self.client.pipeline(transaction=False)
        for words, options in commands:
            pipe.execute_command(*words, **options)  # type: ignore[no-untyped-call]
        return list(pipe.execute(raise_on_error=False))

    def reset(self) -> None:
        """Drops the connection: what it still would answer is of no use any more."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
