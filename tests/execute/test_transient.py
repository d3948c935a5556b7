"""Which errors are worth another try."""

from __future__ import annotations

import errno
import http.client
import sqlite3
import urllib.error
from email.message import Message

import pytest

from odibi_assets.errors import StepError
from odibi_assets.execute.transient import is_transient, retry_after_s


def chained(outer: Exception, inner: Exception) -> Exception:
    try:
        raise outer from inner
    except Exception as error:
        return error


def http_error(status: int, **headers: str) -> urllib.error.HTTPError:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return urllib.error.HTTPError("http://127.0.0.1/", status, "status", message, None)


class WithSqlState(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


class ClientError(Exception):
    def __init__(self, code: str) -> None:
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("peer"),
        ConnectionRefusedError(),
        BrokenPipeError(),
        TimeoutError("late"),
        http.client.RemoteDisconnected("gone"),
        OSError(errno.EAGAIN, "again"),
        OSError(errno.EHOSTUNREACH, "no route"),
        OSError(errno.EBUSY, "busy"),
        sqlite3.OperationalError("database is locked"),
        http_error(429),
        http_error(503),
        http_error(408),
        WithSqlState("40001"),
        WithSqlState("40P01"),
        ClientError("SlowDown"),
        chained(RuntimeError("the load failed"), ConnectionResetError()),
        chained(StepError("it can't be read"), TimeoutError()),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:40],
)
def test_errors_of_the_moment_are_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        KeyError("missing"),
        TypeError("kind"),
        ZeroDivisionError(),
        AssertionError(),
        AttributeError("x"),
        FileNotFoundError("gone"),
        PermissionError("denied"),
        IsADirectoryError(),
        OSError(errno.ENOSPC, "full"),
        MemoryError(),
        RuntimeError("connection"),
        ImportError("no module"),
        SystemExit(3),
        sqlite3.OperationalError("no such table: x"),
        sqlite3.IntegrityError("unique"),
        http_error(404),
        http_error(400),
        http_error(401),
        WithSqlState("23505"),
        ClientError("AccessDenied"),
        chained(ValueError("wrong"), KeyError("inner")),
    ],
    ids=lambda error: f"{type(error).__name__} {error}"[:40],
)
def test_everything_else_is_permanent(error: BaseException) -> None:
    assert not is_transient(error)


def test_a_cycle_in_the_chain_ends() -> None:
    first, second = RuntimeError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert not is_transient(first)


def test_the_wait_that_a_server_asks_for_is_found() -> None:
    assert retry_after_s(http_error(429, Retry_After="7")) == 7.0
    assert retry_after_s(http_error(429)) is None
    assert retry_after_s(ValueError()) is None
