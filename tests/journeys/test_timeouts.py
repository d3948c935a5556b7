"""A step that takes longer than its time-out is stopped wherever it is, in this process and in a worker's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from project_folder import ProjectFolder

import odibi_assets as oda

WORKERS = pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
STUCK = """
import ctypes
import pathlib
import re
import socket
import subprocess
import threading
import time

import duckdb


def busy() -> dict:
    n = 0
    while True:
        n += 1


def sleeping() -> dict:
    time.sleep(600)


def swallowing() -> dict:
    try:
        time.sleep(600)
    except:
        time.sleep(600)


def catching() -> dict:
    while True:
        try:
            time.sleep(0.05)
        except Exception:
            pass


def reading() -> dict:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as connection:
            return {"got": connection.recv(10)}


def joining() -> dict:
    thread = threading.Thread(target=time.sleep, args=(600,), daemon=True)
    thread.start()
    thread.join()


def program() -> dict:
    subprocess.run(["sleep", "600"])


def backtracking() -> dict:
    re.match("(a*)*b", "a" * 60)


def own_duckdb() -> dict:
    duckdb.sql("select sum(a.range * b.range) from range(10000000) a, range(10000000) b").fetchall()


def deaf() -> dict:
    # Sleeps in C without looking at signals, the interpreter let go.
    until = time.monotonic() + 600
    while time.monotonic() < until:
        ctypes.CDLL(None).sleep(600)
"""


def declared(steps: str, settings: str = "") -> str:
    return f"name: pipe\n{settings}\nsteps:\n{steps}"


def python_step(function: str, fields: str = "timeout: 0.3") -> str:
    return f"  - {{name: stuck, layer: bronze, python: 'stuck:{function}', {fields}}}\n"


def only(document: dict, name: str = "stuck") -> dict:
    return next(step for step in document["steps"] if step["name"] == name)


@pytest.mark.parametrize(
    "function", ["busy", "sleeping", "catching", "reading", "joining", "program", "backtracking", "own_duckdb"]
)
def test_a_python_step_is_stopped_wherever_it_is(project: ProjectFolder, function: str) -> None:
    project.write("stuck.py", STUCK)
    project.write("pipe.yaml", declared(python_step(function)))
    stuck = only(project.run(status=1))
    assert stuck["outcome"] == "failed"
    assert "Step 'stuck' was stopped: attempt 1 took longer than its timeout of 0.3 s." in stuck["error"]
