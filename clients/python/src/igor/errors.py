"""What the API says when it does not do what was asked."""

from __future__ import annotations

from typing import Any

import httpx


class ApiError(Exception):
    """An answer that is no success. `faults` has everything that is wrong with the request, each in a sentence."""

    def __init__(self, status: int, detail: str, faults: list[str], retry_after: float | None = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.faults, self.retry_after = status, detail, faults, retry_after


class BadRequest(ApiError):  # noqa: N818, named as HTTP names them
    """400: the request is wrong."""


class Unauthorized(ApiError):  # noqa: N818
    """401: the API does not know who asks."""


class Forbidden(ApiError):  # noqa: N818
    """403: who asks may not do that."""


class NotFound(ApiError):  # noqa: N818
    """404: there is no such thing, or not for who asks."""


class Conflict(ApiError):  # noqa: N818
    """409: it stands in a way that does not allow this."""


class PreconditionFailed(ApiError):  # noqa: N818
    """412: it has changed since its etag was read."""


class TooManyRequests(ApiError):  # noqa: N818
    """429: later."""


class Unavailable(ApiError):  # noqa: N818
    """503: a store is away. What was asked may be asked again."""


class Unreachable(Exception):  # noqa: N818
    """No answer came. Whether a request that changes something was done is not known."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    429: TooManyRequests,
    503: Unavailable,
}


def of(response: httpx.Response) -> ApiError:
    """The error that an answer is."""
    try:
        body = response.json()
    except ValueError:
        body = None
    said: dict[str, Any] = body if isinstance(body, dict) else {}
    detail = str(said.get("detail") or said.get("error") or said.get("title") or response.reason_phrase)
    faults = said.get("errors") or [detail]
    kind = _BY_STATUS.get(response.status_code, ApiError)
    return kind(response.status_code, detail, [str(fault) for fault in faults], retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """Seconds after which the same may go through."""
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
