"""Requests over HTTP: who asks, what is tried again, and answers that are errors."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from . import errors

# What is safe to ask again is asked so often in all, with growing pauses: about four seconds.
TRIES = 5
_FIRST_PAUSE = 0.25
_AGAIN = {429, 502, 503, 504}

Token = str | Path | Callable[[], str] | None


class Transport:
    """A connection to one API."""

    def __init__(self, address: str, token: Token, client: httpx.Client) -> None:
        self._address = address.rstrip("/")
        self._token = token
        self._client = client

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """What there is at a path. Tried again while the API is away or asks for patience."""
        return self._safely("GET", path, params=_spoken(query or {})).json()

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        """Asks for a change. Tried again only when it carries an Idempotency-Key, by which twice is once."""
        send = self._safely if "Idempotency-Key" in (headers or {}) else self._once
        response = send("POST", path, json=body, headers=headers or {})
        return response.json() if response.content else None

    def pour(self, path: str, lines: Callable[[], Iterator[bytes]], headers: dict[str, str]) -> Any:
        """Streams lines; from the beginning again when the connection breaks, for the key that the headers carry."""

        kind = {"Content-Type": "application/x-ndjson"}
        return self._again(lambda: self._once("POST", path, content=lines(), headers=kind | headers)).json()

    def pour_once(self, path: str, lines: Iterator[bytes], headers: dict[str, str]) -> Any:
        """Streams lines that are there only once."""
        return self._once("POST", path, content=lines, headers={"Content-Type": "application/x-ndjson"} | headers).json()

    def _safely(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._again(lambda: self._once(method, path, **more))

    def _again(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        pause = _FIRST_PAUSE
        for left in reversed(range(TRIES)):
            try:
                return send()
            except errors.Unreachable:
                if left == 0:
                    raise
                wait = pause
            except errors.ApiError as error:
                if left == 0 or error.status not in _AGAIN:
                    raise
                wait = max(pause, error.retry_after or 0.0)
            time.sleep(wait * random.uniform(0.75, 1.25))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        try:
            response = self._client.request(method, self._address + path, headers=(headers or {}) | self._authorization(), **more)
        except httpx.HTTPError as error:
            raise errors.Unreachable(f"{method} {self._address}{path}: {error or type(error).__name__}") from error
        if response.is_success:
            return response
        raise errors.of(response)

    def _authorization(self) -> dict[str, str]:
        token = self._token
        if token is None:
            return {}
        text = token.read_text() if isinstance(token, Path) else token() if callable(token) else token
        return {"Authorization": f"Bearer {text.strip()}"}


def _spoken(query: dict[str, Any]) -> list[tuple[str, str]]:
    """A query as the API reads it: what is None is left out, lists repeat the name, times are RFC 3339."""
    words: list[tuple[str, str]] = []
    for name, value in query.items():
        for one in value if isinstance(value, list | tuple | set) else [value]:
            if isinstance(one, bool):
                words.append((name, "true" if one else "false"))
            elif hasattr(one, "isoformat"):
                words.append((name, one.isoformat()))
            elif one is not None:
                words.append((name, str(one)))
    return words
