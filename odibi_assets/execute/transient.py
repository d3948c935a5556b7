"""Which errors are worth another try: those of the moment. Everything else is permanent.

=====================  ==============================================================================
connections, waiting   Python's connection and time-out errors, a name server that is busy, and those
                       of the libraries in ``_TRANSIENT_NAMES``
HTTP                   408, 425, 429, 5xx; throttling that S3 and its like report as another status
databases              SQLSTATE 40001, 40P01, 55P03, lost or refused connections, SQLite and DuckDB
                       where another process holds the lock
the operating system   errno: interrupted, again, busy, out of buffers, stale
JVM                    Java's connection and time-out exceptions behind a ``Py4JJavaError``
never                  a certificate that is not trusted, a host that does not exist, SystemExit, a
                       cancel: whatever else is in the chain
=====================  ==============================================================================

The answer is looked for anywhere in an exception's chain, by the names of classes, so that no
client library has to be installed for its errors to be known.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from odibi_assets.errors import StoreAway
from odibi_assets.execute.exception_chain import chain

_TRANSIENT_ERRNO = frozenset(
    {
        errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK, errno.ENOLCK, errno.ENFILE,
        errno.ENOBUFS, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED,
        errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EPIPE,
        errno.ESTALE,
    }
)  # fmt: skip
_TRANSIENT_STATUS = frozenset({408, 425, 429, *range(500, 600)})
# Serialisation, deadlock, a lock not got; connections lost, refused, too many; a server that starts or stops.
_TRANSIENT_SQLSTATE = frozenset("40001 40P01 55P03 08000 08001 08003 08004 08006 53300 57P01 57P02 57P03 57P05".split())
_STATEMENT_TIMEOUT = "57014"
_TRANSIENT_NAMES = frozenset(
    """asyncio.exceptions.IncompleteReadError ftplib.error_temp http.client.IncompleteRead
    http.client.RemoteDisconnected multiprocessing.context.TimeoutError smtplib.SMTPServerDisconnected
    ssl.SSLEOFError ssl.SSLZeroReturnError subprocess.TimeoutExpired
    urllib3.exceptions.ProtocolError urllib3.exceptions.TimeoutError urllib3.exceptions.IncompleteRead
    requests.exceptions.ChunkedEncodingError requests.exceptions.ConnectionError requests.exceptions.RetryError
    requests.exceptions.Timeout
    httpx.NetworkError httpx.ProxyError httpx.RemoteProtocolError httpx.TimeoutException
    httpcore.NetworkError httpcore.RemoteProtocolError httpcore.TimeoutException
    botocore.exceptions.ConnectionError botocore.exceptions.HTTPClientError
    botocore.exceptions.IncompleteReadError
    azure.core.exceptions.IncompleteReadError azure.core.exceptions.ServiceRequestError
    azure.core.exceptions.ServiceResponseError
    google.api_core.exceptions.Aborted google.api_core.exceptions.RetryError google.auth.exceptions.TransportError
    google.auth.exceptions.TimeoutError
    psycopg.errors.ConnectionTimeout sqlalchemy.exc.TimeoutError
    _duckdb.ResourceInUseException _duckdb.SerializationException
    py4j.protocol.Py4JNetworkError""".split()
)
_TRANSIENT_JAVA = frozenset(
    """java.net.ConnectException java.net.NoRouteToHostException java.net.SocketException
    java.net.SocketTimeoutException java.nio.channels.ClosedChannelException
    java.util.concurrent.TimeoutException""".split()
)
_THROTTLING_CODES = frozenset(
    """BandwidthLimitExceeded EC2ThrottledException InternalError LimitExceededException PriorRequestNotComplete
    ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException
    RequestTimeout RequestTimeoutException ServerBusy ServiceUnavailable SlowDown ThrottledException Throttling
    ThrottlingException TooManyRequestsException TransactionInProgressException""".split()
)
_TRANSIENT_GRPC = frozenset({"ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})
_SQLITE_BUSY_OR_LOCKED = frozenset({5, 6})
# libpq tells of a connection that it did not get, or lost, in words alone; a wrong password reads otherwise.
_LIBPQ = ("psycopg.OperationalError", "psycopg2.OperationalError")
_LIBPQ_WORDS = (
    "Connection refused", "Connection reset", "Connection timed out", "timeout expired", "No route to host",
    "Network is unreachable", "server closed the connection", "closed unexpectedly", "is starting up",
    "is shutting down", "in recovery mode", "too many clients", "terminating connection", "connection is lost",
)  # fmt: skip
_DUCKDB_WORDS = {
    "_duckdb.IOException": ("Could not set lock", "Conflicting lock"),
    "_duckdb.TransactionException": ("onflict",),
}
_PERMANENT_NAMES = frozenset({"ssl.SSLCertVerificationError"})
_CANCELS = frozenset({"builtins.KeyboardInterrupt", "dagster._core.errors.DagsterExecutionInterruptedError"})


def is_transient(error: BaseException) -> bool:
    """May the same call succeed a little later?

    >>> is_transient(ConnectionResetError("peer")), is_transient(ValueError("wrong")), is_transient(FileNotFoundError())
    (True, False, False)
    """
    # Libraries may hide behind `from None` that a certificate is not trusted.
    return not any(map(_is_final, chain(error, suppressed=True))) and any(map(_one_is_transient, chain(error)))


def is_cancel(error: BaseException) -> bool:
    """Did somebody stop the work?"""
    return any(name in _CANCELS for link in chain(error, suppressed=True) for name in _names(link))


def _is_final(error: BaseException) -> bool:
    names = _names(error)
    if "socket.gaierror" in names:
        return isinstance(error, OSError) and error.errno != _NAME_SERVER_IS_BUSY
    return isinstance(error, SystemExit) or any(name in _CANCELS or name in _PERMANENT_NAMES for name in names)


_NAME_SERVER_IS_BUSY = -3  # socket.EAI_AGAIN, without importing socket.


def _one_is_transient(error: BaseException) -> bool:
    names = _names(error)
    if isinstance(error, (ConnectionError, TimeoutError, StoreAway)):
        return True
    if isinstance(error, OSError) and "ssl.SSLError" not in names and error.errno in _TRANSIENT_ERRNO:
        return True
    if "socket.gaierror" in names or any(name in _TRANSIENT_NAMES for name in names):
        return True
    return (
        _status(error) in _TRANSIENT_STATUS
        or _code(error) in _THROTTLING_CODES
        or _grpc_code(error) in _TRANSIENT_GRPC
        or _is_reply_to_wait(error)
        or _is_of_the_moment_in_database(error, names)
        or _java_class_names(error, names) & _TRANSIENT_JAVA != frozenset()
    )


def _names(error: BaseException) -> tuple[str, ...]:
    """The classes of an error, most special first."""
    return tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__)


def _attribute(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:  # a property of somebody's class, whatever it raises
        return None


def _status(error: BaseException) -> int | None:
    response = _attribute(error, "response")
    for holder in (error, response):
        for name in ("status_code", "status", "code"):
            value = _attribute(holder, name)
            if isinstance(value, int) and 100 <= value < 600:
                return value
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return value if isinstance(value, int) else None
    return None


def _code(error: BaseException) -> str | None:
    """What botocore's and azure's errors call themselves."""
    response = _attribute(error, "response")
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else _attribute(error, "error_code")
    return str(_attribute(code, "value") or code) if code is not None else None


def _grpc_code(error: BaseException) -> str | None:
    if not any(name.startswith("grpc.") for name in _names(error)):
        return None
    code = _attribute(error, "code")
    return str(_attribute(code() if callable(code) else None, "name"))


def _is_reply_to_wait(error: BaseException) -> bool:
    """A mail server's 4xx: try later."""
    reply = _attribute(error, "smtp_code")
    return isinstance(reply, int) and 400 <= reply < 500


def _is_of_the_moment_in_database(error: BaseException, names: tuple[str, ...]) -> bool:
    text = str(error)
    sqlite = _attribute(error, "sqlite_errorcode")
    if isinstance(sqlite, int):
        return sqlite & 0xFF in _SQLITE_BUSY_OR_LOCKED
    state = _attribute(error, "sqlstate") or _attribute(error, "pgcode")
    if isinstance(state, str):
        return state in _TRANSIENT_SQLSTATE or (state == _STATEMENT_TIMEOUT and "timeout" in text)
    if any(name in _LIBPQ for name in names):
        return any(words in text for words in _LIBPQ_WORDS)
    return any(words in text for name in names for words in _DUCKDB_WORDS.get(name, ()))


def _java_class_names(error: BaseException, names: tuple[str, ...]) -> frozenset[str]:
    if "py4j.protocol.Py4JJavaError" not in names:
        return frozenset()
    try:
        return frozenset(_java_causes(_attribute(error, "java_exception")))
    except Exception:  # the JVM may be gone by now
        return frozenset()


def _java_causes(throwable: Any, *, most: int = 20) -> Iterator[str]:
    while throwable is not None and most:
        cls = throwable.getClass()
        while cls is not None:
            yield str(cls.getName())
            cls = cls.getSuperclass()
        throwable, most = throwable.getCause(), most - 1
