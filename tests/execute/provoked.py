"""Errors as they come: each function makes a library raise one, against servers of loopback, files and processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import csv
import fcntl
import ftplib
import http.client
import io
import json
import multiprocessing.pool
import os
import signal
import smtplib
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import duckdb
import google.api_core.exceptions
import google.api_core.retry
import google.auth.transport.requests
import google.cloud.storage
import grpc
import httpx
import pandas as pd
import psycopg
import psycopg2
import pyarrow.parquet as pq
import pytest
import requests
import sqlalchemy
import sqlalchemy.pool
import urllib3
from azure.storage.blob import BlobClient
from google.auth.credentials import AnonymousCredentials

from .rude_servers import RudeServers


@dataclass
class Place:
    """Where errors are provoked.

    Attributes:
        folder: Empty.
        servers: They answer as badly as they are asked to.
        postgres: Gives the connection string of a database, or skips the test.
        java: Gives a gateway to a JVM, or skips the test.
    """

    folder: Path
    servers: RudeServers
    postgres: Callable[[], str]
    java: Callable[[], Any]


Provoke = Callable[[Place], object]
TRANSIENT: dict[str, Provoke] = {}
PERMANENT: dict[str, Provoke] = {}


def row(table: dict[str, Provoke]) -> Callable[[Provoke], Provoke]:
    def add(provoke: Provoke) -> Provoke:
        name = provoke.__name__.replace("_", " ")
        assert name not in TRANSIENT and name not in PERMANENT
        table[name] = provoke
        return provoke

    return add


transient, permanent = row(TRANSIENT), row(PERMANENT)


# Sockets, and what the standard library makes of them.


@transient
def nobody_listens(place: Place) -> None:
    socket.create_connection(("127.0.0.1", place.servers.nobody))


@transient
def nothing_arrives_in_time(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.servers.silent), timeout=0.05) as connection:
        connection.recv(1)


@transient
def the_peer_resets(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.servers.resetting)) as connection:
        while connection.recv(1):
            pass


@transient
def a_pipe_that_nobody_reads(place: Place) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.write(writer, b"x")


@transient
def an_empty_pipe_that_does_not_block(place: Place) -> None:
    reader, _ = os.pipe()
    os.set_blocking(reader, False)
    os.read(reader, 1)


@transient
def a_file_that_another_has_locked(place: Place) -> None:
    with (place.folder / "lock").open("w") as mine, (place.folder / "lock").open("w") as other:
        fcntl.flock(mine, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@transient
def a_program_that_is_being_written(place: Place) -> None:
    program = place.folder / "program"
    with program.open("w") as file:
        program.chmod(0o700)
        file.write("#!/bin/sh\n")
        file.flush()
        subprocess.run([str(program)], check=True)


@transient
def a_program_that_takes_too_long(place: Place) -> None:
    subprocess.run(["sleep", "60"], timeout=0.05, check=True)


@transient
def a_future_that_takes_too_long(place: Place) -> None:
    concurrent.futures.Future().result(timeout=0.01)


@transient
def a_pool_that_takes_too_long(place: Place) -> None:
    with multiprocessing.pool.ThreadPool(1) as pool:
        pool.apply_async(time.sleep, [0.3]).get(timeout=0.01)


@transient
def asyncio_waits_too_long(place: Place) -> None:
    asyncio.run(asyncio.wait_for(asyncio.Event().wait(), timeout=0.01))


@transient
def asyncio_within_a_timeout(place: Place) -> None:
    async def work() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    asyncio.run(work())


@transient
def asyncio_reads_less_than_was_to_come(place: Place) -> None:
    async def work() -> None:
        reader, _ = await asyncio.open_connection("127.0.0.1", place.servers.closing)
        await reader.readexactly(10)

    asyncio.run(work())


@transient
def one_of_a_group_of_tasks_is_refused(place: Place) -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.open_connection("127.0.0.1", place.servers.nobody))

    asyncio.run(work())


@transient
def an_error_of_the_step_raised_from_a_refused_connection(place: Place) -> None:
    try:
        nobody_listens(place)
    except OSError as error:
        raise RuntimeError("the load failed") from error


@transient
def tls_that_ends_in_the_middle(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.servers.closing)) as connection:
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")


def _smtp(port: int) -> None:
    smtplib.SMTP("127.0.0.1", port, timeout=20).noop()


@transient
def smtp_nobody_listens(place: Place) -> None:
    _smtp(place.servers.nobody)


@transient
def smtp_hangs_up(place: Place) -> None:
    _smtp(place.servers.closing)


@transient
def smtp_is_busy(place: Place) -> None:
    with place.servers.saying(b"421 too busy\r\n") as port:
        _smtp(port)


@permanent
def smtp_refuses(place: Place) -> None:
    with place.servers.saying(b"554 no service\r\n") as port:
        _smtp(port)


@transient
def ftp_is_busy(place: Place) -> None:
    with place.servers.saying(b"421 too many users\r\n") as port:
        ftplib.FTP().connect("127.0.0.1", port, timeout=20)


@permanent
def ftp_refuses(place: Place) -> None:
    with place.servers.saying(b"530 not logged in\r\n") as port:
        ftplib.FTP().connect("127.0.0.1", port, timeout=20)


@permanent
def a_host_that_does_not_exist(place: Place) -> None:
    socket.getaddrinfo("no.such.host", 80, flags=socket.AI_NUMERICHOST)


@permanent
def tls_with_a_server_that_speaks_none(place: Place) -> None:
    with (
        place.servers.saying(b"220 hello, in clear\r\n") as port,
        socket.create_connection(("127.0.0.1", port)) as connection,
    ):
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")


# urllib and http.client.


def _opened(url: str) -> None:
    with urllib.request.urlopen(url, timeout=20) as answer:
        answer.read()


def _urllib(status: int) -> Provoke:
    return lambda place: _opened(place.servers.url(status))


for status in (408, 425, 429, 500, 502, 503, 504):
    TRANSIENT[f"urllib is answered {status}"] = _urllib(status)
for status in (400, 401, 403, 404, 409, 410, 422):
    PERMANENT[f"urllib is answered {status}"] = _urllib(status)


@transient
def urllib_nobody_listens(place: Place) -> None:
    _opened(f"http://127.0.0.1:{place.servers.nobody}/")


@transient
def urllib_waits_too_long(place: Place) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{place.servers.silent}/", timeout=0.05)


@transient
def urllib_is_hung_up_on(place: Place) -> None:
    _opened(f"http://127.0.0.1:{place.servers.closing}/")


@transient
def http_client_gets_half_an_answer(place: Place) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", place.servers.half_answer)
    connection.request("GET", "/")
    connection.getresponse().read()


@permanent
def http_client_is_answered_nonsense(place: Place) -> None:
    with place.servers.saying(b"nonsense\r\n\r\n") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/")
        connection.getresponse()


@permanent
def urllib_does_not_trust_the_certificate(place: Place) -> None:
    _opened(f"https://localhost:{place.servers.tls}/")


@permanent
def urllib_does_not_know_the_scheme(place: Place) -> None:
    _opened("nonsense://127.0.0.1/")


@transient
def pandas_reads_from_a_server_that_is_overloaded(place: Place) -> None:
    pd.read_csv(place.servers.url(503))


# requests and urllib3.


@transient
def requests_nobody_listens(place: Place) -> None:
    requests.get(f"http://127.0.0.1:{place.servers.nobody}/", timeout=20)


@transient
def requests_waits_too_long(place: Place) -> None:
    requests.get(f"http://127.0.0.1:{place.servers.silent}/", timeout=0.05)


@transient
def requests_is_hung_up_on(place: Place) -> None:
    requests.get(f"http://127.0.0.1:{place.servers.closing}/", timeout=20)


@transient
def requests_gets_half_an_answer(place: Place) -> None:
    requests.get(f"http://127.0.0.1:{place.servers.half_answer}/", timeout=20)


@transient
def requests_gets_a_broken_chunk(place: Place) -> None:
    requests.get(f"http://127.0.0.1:{place.servers.half_chunk}/", timeout=20)


@transient
def requests_gives_up_its_own_retries(place: Place) -> None:
    with requests.Session() as session:
        policy = urllib3.Retry(total=1, status_forcelist=[503], backoff_factor=0)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=policy))
        session.get(place.servers.url(503), timeout=20)


def _requests(status: int) -> Provoke:
    return lambda place: requests.get(place.servers.url(status), timeout=20).raise_for_status()


for status in (429, 500, 503):
    TRANSIENT[f"requests is answered {status}"] = _requests(status)
for status in (401, 404):
    PERMANENT[f"requests is answered {status}"] = _requests(status)


@permanent
def requests_does_not_trust_the_certificate(place: Place) -> None:
    requests.get(f"https://localhost:{place.servers.tls}/", timeout=20)


@permanent
def requests_goes_in_a_circle(place: Place) -> None:
    requests.get(place.servers.url(302), timeout=20)


@permanent
def requests_gets_no_json(place: Place) -> None:
    requests.get(place.servers.url(200), timeout=20).json()


@permanent
def requests_without_a_scheme(place: Place) -> None:
    requests.get("127.0.0.1", timeout=20)


@transient
def urllib3_nobody_listens(place: Place) -> None:
    urllib3.PoolManager().request("GET", f"http://127.0.0.1:{place.servers.nobody}/", retries=1)


@transient
def urllib3_waits_too_long(place: Place) -> None:
    urllib3.PoolManager().request("GET", f"http://127.0.0.1:{place.servers.silent}/", timeout=0.05, retries=False)


# httpx.


@transient
def httpx_nobody_listens(place: Place) -> None:
    httpx.get(f"http://127.0.0.1:{place.servers.nobody}/")


@transient
def httpx_waits_too_long(place: Place) -> None:
    httpx.get(f"http://127.0.0.1:{place.servers.silent}/", timeout=0.05)


@transient
def httpx_is_hung_up_on(place: Place) -> None:
    httpx.get(f"http://127.0.0.1:{place.servers.closing}/")


@transient
def httpx_gets_half_an_answer(place: Place) -> None:
    httpx.get(f"http://127.0.0.1:{place.servers.half_answer}/")


@transient
def httpx_gets_no_connection_of_its_pool(place: Place) -> None:
    with httpx.Client(limits=httpx.Limits(max_connections=1), timeout=httpx.Timeout(20, pool=0.05)) as client:
        url = place.servers.url(200)
        with client.stream("GET", url):
            client.get(url)


def _httpx(status: int) -> Provoke:
    return lambda place: httpx.get(place.servers.url(status)).raise_for_status()


for status in (429, 503):
    TRANSIENT[f"httpx is answered {status}"] = _httpx(status)
for status in (403, 404):
    PERMANENT[f"httpx is answered {status}"] = _httpx(status)


@permanent
def httpx_does_not_trust_the_certificate(place: Place) -> None:
    httpx.get(f"https://localhost:{place.servers.tls}/")


@permanent
def httpx_does_not_know_the_scheme(place: Place) -> None:
    httpx.get("ftp://127.0.0.1/")


# botocore.


def _s3(port: int, **timeouts: float) -> Any:
    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **{"read_timeout": 20, **timeouts}
    )
    return boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b", config=config,
    )  # fmt: skip


def _s3_answered(status: int, code: str) -> Provoke:
    return lambda place: _s3(place.servers.http).get_object(Bucket="status", Key=f"{status}/{code}")


for status, code in ((503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout"), (400, "ThrottlingException")):
    TRANSIENT[f"botocore is answered {status} {code}"] = _s3_answered(status, code)
for status, code in ((404, "NoSuchKey"), (403, "AccessDenied"), (400, "InvalidArgument"), (412, "PreconditionFailed")):
    PERMANENT[f"botocore is answered {status} {code}"] = _s3_answered(status, code)


@transient
def botocore_nobody_listens(place: Place) -> None:
    _s3(place.servers.nobody).list_buckets()


@transient
def botocore_waits_too_long(place: Place) -> None:
    _s3(place.servers.silent, read_timeout=0.05).list_buckets()


@transient
def botocore_is_hung_up_on(place: Place) -> None:
    _s3(place.servers.closing).list_buckets()


@transient
def botocore_gets_half_an_object(place: Place) -> None:
    _s3(place.servers.half_answer).get_object(Bucket="a", Key="b")["Body"].read()


@permanent
def botocore_is_called_wrongly(place: Place) -> None:
    _s3(place.servers.http).get_object(Bucket="a")


# azure-core.


def _azure(url: str, **settings: Any) -> None:
    BlobClient(url, "container", "blob", retry_total=0, **settings).download_blob().readall()


@transient
def azure_nobody_listens(place: Place) -> None:
    _azure(f"http://127.0.0.1:{place.servers.nobody}/account")


@transient
def azure_is_hung_up_on(place: Place) -> None:
    _azure(f"http://127.0.0.1:{place.servers.closing}/account")


@transient
def azure_waits_too_long(place: Place) -> None:
    _azure(f"http://127.0.0.1:{place.servers.silent}/account", read_timeout=0.05)


@transient
def azure_is_told_that_the_server_is_busy(place: Place) -> None:
    _azure(place.servers.url(503))


@permanent
def azure_finds_no_blob(place: Place) -> None:
    _azure(place.servers.url(404))


@permanent
def azure_is_not_let_in(place: Place) -> None:
    _azure(place.servers.url(403))


# google-api-core, google-auth, gRPC.


def _google(url: str) -> None:
    client = google.cloud.storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )
    client.get_bucket("bucket", retry=None, timeout=20)


for status in (429, 500, 503, 504):
    TRANSIENT[f"google is answered {status}"] = lambda place, status=status: _google(place.servers.url(status))
for status in (400, 403, 404):
    PERMANENT[f"google is answered {status}"] = lambda place, status=status: _google(place.servers.url(status))


@transient
def google_nobody_listens(place: Place) -> None:
    _google(f"http://127.0.0.1:{place.servers.nobody}")


@transient
def google_auth_nobody_listens(place: Place) -> None:
    google.auth.transport.requests.Request()(f"http://127.0.0.1:{place.servers.nobody}/")


@transient
def google_gives_up_its_own_retries(place: Place) -> None:
    retry = google.api_core.retry.Retry(initial=0.01, maximum=0.01, timeout=0.1)
    retry(lambda: _google(place.servers.url(503)))()


def _call(port: int, timeout: float) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary("/service/method")(b"", timeout=timeout)


@transient
def grpc_nobody_listens(place: Place) -> None:
    _call(place.servers.nobody, 20)


@transient
def grpc_waits_too_long(place: Place) -> None:
    _call(place.servers.silent, 0.1)


@permanent
def grpc_has_no_such_method(place: Place) -> None:
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        _call(port, 20)
    finally:
        server.stop(0)


# SQLite.


@contextlib.contextmanager
def _sqlite(place: Place) -> Any:
    path = place.folder / "data.sqlite"
    settings: dict[str, Any] = {"timeout": 0, "isolation_level": None}
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(contextlib.closing(sqlite3.connect(path, **settings))) for _ in range(2))
        one.execute("pragma journal_mode = wal")
        one.execute("create table t (locked integer unique)")
        yield one, other


@transient
def sqlite_is_locked(place: Place) -> None:
    with _sqlite(place) as (one, other):
        one.execute("begin immediate")
        other.execute("insert into t values (1)")


@transient
def sqlite_has_an_old_snapshot(place: Place) -> None:
    with _sqlite(place) as (one, other):
        one.execute("begin")
        one.execute("select * from t").fetchall()
        other.execute("insert into t values (1)")
        one.execute("insert into t values (2)")


@transient
def sqlite_has_a_locked_table(place: Place) -> None:
    shared = {"database": "file:shared?mode=memory&cache=shared", "uri": True, "isolation_level": None}
    with contextlib.closing(sqlite3.connect(**shared)) as one, contextlib.closing(sqlite3.connect(**shared)) as other:
        one.execute("create table t (a)")
        one.execute("begin")
        one.execute("insert into t values (1)")
        other.execute("select * from t").fetchall()


@permanent
def sqlite_has_no_such_column(place: Place) -> None:
    with _sqlite(place) as (one, _):
        one.execute("select busy from t where database is locked")


@permanent
def sqlite_has_no_such_table_and_its_name_is_locked(place: Place) -> None:
    with _sqlite(place) as (one, _):
        one.execute('select * from "database is locked"')


@permanent
def sqlite_finds_a_value_twice(place: Place) -> None:
    with _sqlite(place) as (one, _):
        one.execute("insert into t values (1), (1)")


@permanent
def sqlite_opens_something_else(place: Place) -> None:
    (place.folder / "text").write_text("no database, but long enough to look like one" * 50)
    sqlite3.connect(place.folder / "text").execute("select * from t")


# DuckDB.


@transient
def duckdb_is_open_in_another_process(place: Place) -> None:
    path = str(place.folder / "data.duckdb")
    script = f"import duckdb, sys; c = duckdb.connect({path!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        try:
            duckdb.connect(path)
        finally:
            other.communicate()


@transient
def duckdb_has_a_conflict(place: Place) -> None:
    with duckdb.connect() as one, one.cursor() as other:
        one.execute("create table t as select 1 as a")
        one.execute("begin")
        other.execute("begin")
        one.execute("update t set a = 2")
        other.execute("update t set a = 3")


def _duckdb(statement: str) -> Provoke:
    def provoke(place: Place) -> None:
        with duckdb.connect() as connection:
            connection.execute("create table t (a integer unique)")
            connection.execute(statement).fetchall()

    return provoke


PERMANENT |= {
    "duckdb is given no SQL": _duckdb("selec 1"),
    "duckdb has no such table": _duckdb("select * from conflict"),
    "duckdb has no such column": _duckdb("select lock from t"),
    "duckdb finds a value twice": _duckdb("insert into t values (1), (1)"),
    "duckdb can't convert": _duckdb("select cast('x' as integer)"),
    "duckdb finds no file": _duckdb("select * from read_csv('nowhere.csv')"),
    "duckdb begins twice": _duckdb("begin; begin"),
}


@permanent
def duckdb_is_interrupted(place: Place) -> None:
    with duckdb.connect() as connection:
        timer = threading.Timer(0.2, connection.interrupt)
        timer.start()
        connection.execute("select sum(a.range * b.range) from range(10000000) a, range(10000000) b").fetchall()


# PostgreSQL, through both drivers and SQLAlchemy.


@transient
def psycopg_nobody_listens(place: Place) -> None:
    psycopg.connect(f"host=127.0.0.1 port={place.servers.nobody}")


@transient
def psycopg2_nobody_listens(place: Place) -> None:
    psycopg2.connect(f"host=127.0.0.1 port={place.servers.nobody}")


@transient
def psycopg_waits_too_long(place: Place) -> None:
    psycopg.connect(f"host=127.0.0.1 port={place.servers.silent} connect_timeout=2")


@transient
def psycopg2_is_hung_up_on(place: Place) -> None:
    psycopg2.connect(f"host=127.0.0.1 port={place.servers.closing}")


DRIVERS: dict[str, Callable[[str], Any]] = {"psycopg": psycopg.connect, "psycopg2": psycopg2.connect}


@contextlib.contextmanager
def _two_sessions(place: Place, driver: str) -> Any:
    connect, address = DRIVERS[driver], place.postgres()
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(contextlib.closing(connect(address))) for _ in range(2))
        first, second = one.cursor(), other.cursor()
        first.execute("drop table if exists t")
        first.execute("create table t (a integer unique, b integer)")
        first.execute("insert into t values (1, 0), (2, 0)")
        one.commit()
        yield first, second


def _serialization(driver: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, other):
            for session in (one, other):
                session.execute("set transaction isolation level serializable")
                session.execute("select sum(b) from t")
            one.execute("update t set b = 1 where a = 1")
            other.execute("update t set b = 1 where a = 2")
            one.connection.commit()
            other.connection.commit()

    return provoke


def _deadlock(driver: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, other):
            one.execute("update t set b = 1 where a = 1")
            other.execute("update t set b = 1 where a = 2")
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                waiting = beside.submit(one.execute, "update t set b = 2 where a = 2")
                try:
                    other.execute("update t set b = 2 where a = 1")
                finally:
                    other.connection.rollback()
                    waiting.result()

    return provoke


def _locked(driver: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, other):
            one.execute("lock table t")
            other.execute("lock table t nowait")

    return provoke


def _ended(driver: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, other):
            one.execute("select pg_backend_pid()")
            other.execute("select pg_terminate_backend(%s)", one.fetchone())
            other.connection.commit()
            one.execute("select 1")

    return provoke


def _statement(driver: str, statement: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, _):
            one.execute(statement)

    return provoke


def _sleeping_that_somebody_cancels(driver: str) -> Provoke:
    def provoke(place: Place) -> None:
        with _two_sessions(place, driver) as (one, _):
            timer = threading.Timer(0.2, one.connection.cancel)
            timer.start()
            one.execute("select pg_sleep(60)")

    return provoke


for driver in DRIVERS:
    TRANSIENT |= {
        f"{driver} can't serialize": _serialization(driver),
        f"{driver} is chosen in a deadlock": _deadlock(driver),
        f"{driver} does not get a lock": _locked(driver),
        f"{driver} loses its session": _ended(driver),
        f"{driver} has a statement time-out": _statement(driver, "set statement_timeout = 50; select pg_sleep(60)"),
    }
    PERMANENT |= {
        f"{driver} is cancelled by somebody": _sleeping_that_somebody_cancels(driver),
        f"{driver} finds a value twice": _statement(driver, "insert into t values (1, 1)"),
        f"{driver} has no such table": _statement(driver, "select * from nowhere"),
        f"{driver} divides by zero": _statement(driver, "select 1 / 0"),
        f"{driver} knows no such database": lambda place, driver=driver: DRIVERS[driver](
            place.postgres().replace("dbname=postgres", "dbname=nowhere")
        ),
    }


@transient
def sqlalchemy_gets_no_connection_of_its_pool(place: Place) -> None:
    pool = {"poolclass": sqlalchemy.pool.QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": 0.05}
    engine = sqlalchemy.create_engine(f"sqlite:///{place.folder / 'pool.sqlite'}", **pool)
    with engine.connect():
        engine.connect()


@transient
def sqlalchemy_finds_its_database_locked(place: Place) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{place.folder / 'data.sqlite'}", connect_args={"timeout": 0})
    with _sqlite(place) as (one, _), engine.begin() as connection:
        one.execute("begin immediate")
        connection.execute(sqlalchemy.text("insert into t values (1)"))


@permanent
def sqlalchemy_has_no_such_table(place: Place) -> None:
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.execute(sqlalchemy.text("select * from nowhere"))


# A JVM, as Spark's driver is one.


@transient
def java_nobody_listens(place: Place) -> None:
    place.java().jvm.java.net.Socket("127.0.0.1", place.servers.nobody)


@transient
def java_waits_too_long(place: Place) -> None:
    java = place.java().jvm.java
    connection = java.net.Socket("127.0.0.1", place.servers.silent)
    connection.setSoTimeout(50)
    connection.getInputStream().read()


@transient
def java_waits_too_long_for_a_future(place: Place) -> None:
    java = place.java().jvm.java
    java.util.concurrent.CompletableFuture().get(10, java.util.concurrent.TimeUnit.MILLISECONDS)


@permanent
def java_is_given_no_number(place: Place) -> None:
    place.java().jvm.java.lang.Integer.parseInt("x")


@permanent
def java_finds_no_file(place: Place) -> None:
    place.java().jvm.java.io.FileReader(str(place.folder / "nowhere"))


# Wrong data, missing files, wrong code.


@permanent
def a_file_that_is_not_there(place: Place) -> None:
    (place.folder / "nowhere").read_text()


@permanent
def a_folder_read_as_a_file(place: Place) -> None:
    place.folder.read_text()


@permanent
def a_file_used_as_a_folder(place: Place) -> None:
    (place.folder / "file").write_text("")
    (place.folder / "file" / "inner").read_text()


@permanent
def a_file_made_twice(place: Place) -> None:
    (place.folder / "once").touch()
    (place.folder / "once").touch(exist_ok=False)


@permanent
def a_disk_that_is_full(place: Place) -> None:
    with open("/dev/full", "w") as full:
        full.write("x")


@permanent
def a_program_that_is_not_there(place: Place) -> None:
    subprocess.run([str(place.folder / "nowhere")], check=True)


@permanent
def a_program_that_fails(place: Place) -> None:
    subprocess.run(["false"], check=True)


@permanent
def a_frame_without_the_column(place: Place) -> None:
    pd.DataFrame({"a": [1]})["b"]


@permanent
def a_frame_of_another_type(place: Place) -> None:
    pd.DataFrame({"a": ["x"]}).astype({"a": "int64"})


@permanent
def a_csv_with_too_many_fields(place: Place) -> None:
    pd.read_csv(io.StringIO("a,b\n1,2\n1,2,3\n"))


@permanent
def a_csv_without_anything(place: Place) -> None:
    pd.read_csv(io.StringIO(""))


@permanent
def a_parquet_file_that_is_none(place: Place) -> None:
    (place.folder / "data.parquet").write_text("no parquet at all")
    pq.read_table(place.folder / "data.parquet")


@permanent
def one_of_a_group_of_tasks_is_wrong(place: Place) -> None:
    async def wrong() -> int:
        return int("x")

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wrong())

    asyncio.run(work())


PERMANENT |= {
    "a text that is no number": lambda place: int("x"),
    "a text that is no decimal": lambda place: Decimal("x"),
    "a text that is no JSON": lambda place: json.loads("{"),
    "bytes that are no UTF-8": lambda place: b"\xff".decode(),
    "bytes that are no struct": lambda place: struct.unpack("i", b""),
    "a field that is too long": lambda place: list(csv.reader(["x" * (csv.field_size_limit() + 1)])),
    "a zip file that is none": lambda place: zipfile.ZipFile(io.BytesIO(b"x")),
    "a key that is missing": lambda place: {}["x"],
    "an index past the end": lambda place: [][0],
    "an attribute that is missing": lambda place: object().missing,
    "a wrong type": lambda place: "x" + 1,
    "a division by zero": lambda place: 1 / 0,
    "a module that is missing": lambda place: __import__("no_such_module"),
    "a memory that is too small": lambda place: bytes(2**62),
    "an exit with a code": lambda place: sys.exit(3),
    "an exit with the code of an HTTP status": lambda place: sys.exit(503),
    "a recursion without end": lambda place: PERMANENT["a recursion without end"](place),
}


@permanent
def an_assertion_that_does_not_hold(place: Place) -> None:
    assert place.folder.name == ""


# Cancels.


@permanent
def somebody_presses_control_c(place: Place) -> None:
    # A shell that starts something in the background has it ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


@permanent
def a_connection_is_refused_while_the_step_is_being_stopped(place: Place) -> None:
    try:
        somebody_presses_control_c(place)
    except KeyboardInterrupt:
        nobody_listens(place)


def raised(provoke: Provoke, place: Place) -> BaseException:
    """What it raises."""
    try:
        provoke(place)
    except pytest.skip.Exception:
        raise
    except BaseException as error:
        return error
    raise AssertionError("Nothing was raised.")
