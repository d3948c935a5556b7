"""Which errors are worth another try: those of the moment. Everything else is permanent.

The answer is looked for anywhere in an exception's chain, by class names, so that no client
library has to be installed for its errors to be known.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

_TRANSIENT_ERRNO = frozenset(
    {
        errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED,
        errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EPIPE,
        errno.ESTALE, errno.EHOSTDOWN,
    }
)  # fmt: skip
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_SQLSTATE = frozenset({"40001", "40P01", "55P03", "57P03", "08000", "08001", "08003", "08006"})
_TRANSIENT_NAMES = frozenset(
    """requests.exceptions.ConnectionError requests.exceptions.Timeout requests.exceptions.ChunkedEncodingError
    httpx.TimeoutException httpx.NetworkError httpx.RemoteProtocolError urllib3.exceptions.TimeoutError
    urllib3.exceptions.ProtocolError botocore.exceptions.ConnectionError botocore.exceptions.HTTPClientError
    azure.core.exceptions.ServiceRequestError azure.core.exceptions.ServiceResponseError
    google.api_core.exceptions.ServerError google.api_core.exceptions.TooManyRequests
    google.api_core.exceptions.RetryError google.auth.exceptions.TransportError
    psycopg2.errors.SerializationFailure psycopg2.errors.DeadlockDetected http.client.RemoteDisconnected
    http.client.IncompleteRead""".split()
)
_THROTTLING_CODES = frozenset(
    "Throttling ThrottlingException RequestLimitExceeded TooManyRequestsException SlowDown RequestTimeout "
    "InternalError ServiceUnavailable ProvisionedThroughputExceededException".split()
)


def is_transient(error: BaseException) -> bool:
    """May the same call succeed a little later?

    >>> is_transient(ConnectionResetError("peer")), is_transient(ValueError("wrong")), is_transient(FileNotFoundError())
    (True, False, False)
    """
    return any(_one_is_transient(link) for link in chain(error))


def retry_after_s(error: BaseException) -> float | None:
    """Seconds that a server asked to wait, if one did."""
    for link in chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None) or getattr(link, "headers", None)
        try:
            return max(0.0, float(headers["Retry-After"])) if headers and "Retry-After" in headers else None
        except (TypeError, ValueError):
            continue
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [link.__cause__, None if link.__suppress_context__ else link.__context__]


def root_cause(error: BaseException) -> BaseException:
    """The end of an exception's chain: what it was raised from, and so on.

    >>> try:
    ...     try:
    ...         raise KeyError("amount")
    ...     except KeyError as error:
    ...         raise ValueError("no such column") from error
    ... except ValueError as error:
    ...     root_cause(error)
    KeyError('amount')
    """
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__) or error
    return error


def _one_is_transient(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return "locked" in str(error) or "busy" in str(error)
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO:
        return True
    if (
        _status(error) in _TRANSIENT_STATUS
        or _sqlstate(error) in _TRANSIENT_SQLSTATE
        or _code(error) in _THROTTLING_CODES
    ):
        return True
    return any(f"{cls.__module__}.{cls.__qualname__}" in _TRANSIENT_NAMES for cls in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and 100 <= value < 600:
                return value
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return value if isinstance(value, int) else None
    return None


def _sqlstate(error: BaseException) -> str | None:
    value = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return value if isinstance(value, str) else None


def _code(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) else None
