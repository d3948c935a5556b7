"""A step that takes longer than its time-out is stopped wherever it is, in this process and in a worker's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from killed import is_alive
from project_folder import ProjectFolder

ODA = Path(sys.executable).with_name("oda")
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


def own_connection() -> dict:
    connection = duckdb.connect()
    connection.execute("select sum(a.range * b.range) from range(10000000) a, range(10000000) b")


AT_IMPORT = duckdb.connect()


def connection_at_import() -> dict:
    AT_IMPORT.execute("select sum(a.range * b.range) from range(10000000) a, range(10000000) b")


def deaf() -> dict:
    # Waits in C for a lock that it holds itself, whatever signals come.
    mutex = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


def declared(steps: str, settings: str = "") -> str:
    return f"name: pipe\n{settings}\nsteps:\n{steps}"


def python_step(function: str, fields: str = "timeout: 0.3") -> str:
    return f"  - {{name: stuck, layer: bronze, python: 'stuck:{function}', {fields}}}\n"


def only(document: dict[str, Any], name: str = "stuck") -> dict[str, Any]:
    return next(step for step in document["steps"] if step["name"] == name)


@pytest.mark.parametrize(
    "function",
    [
        *("busy", "sleeping", "catching", "reading", "joining", "program", "backtracking"),
        *("own_duckdb", "own_connection", "connection_at_import"),
    ],
)
def test_a_python_step_is_stopped_wherever_it_is(project: ProjectFolder, function: str) -> None:
    project.write("stuck.py", STUCK)
    project.write("pipe.yaml", declared(python_step(function)))
    stuck = only(project.run(status=1))
    assert stuck["outcome"] == "failed"
    assert "Step 'stuck' was stopped: attempt 1 took longer than its timeout of 0.3 s." in stuck["error"]


def test_a_step_that_takes_its_first_interruption_is_interrupted_again(project: ProjectFolder) -> None:
    project.write("stuck.py", STUCK)
    project.write("pipe.yaml", declared(python_step("swallowing")))
    assert "took longer than its timeout" in only(project.run(status=1))["error"]


CROSS_JOIN = """\
  - {name: numbers, layer: bronze, python: "numbers_of:numbers"}
  - {name: stuck, layer: silver, inputs: [numbers], timeout: 0.3,
     sql: "select sum(a.n * b.n) as n from numbers a, numbers b where a.n % 7 <> b.n % 11"}
"""


@WORKERS
def test_sql_is_stopped_inside_duckdb(project: ProjectFolder, workers: tuple[str, ...]) -> None:
    project.write(
        "numbers_of.py",
        "import pandas as pd\n\n\ndef numbers() -> pd.DataFrame:\n    return pd.DataFrame({'n': range(3_000_000)})\n",
    )
    project.write("pipe.yaml", declared(CROSS_JOIN))
    document = project.run(*workers, status=1)
    assert only(document, "numbers")["outcome"] == "computed"
    assert "timeout of 0.3 s" in only(document)["error"]


@WORKERS
def test_a_relation_that_a_function_takes_is_interrupted(project: ProjectFolder, workers: tuple[str, ...]) -> None:
    project.write(
        "crossed.py",
        """
        import duckdb
        import pandas as pd


        def numbers() -> pd.DataFrame:
            return pd.DataFrame({"n": range(3_000_000)})


        def crossed(numbers: duckdb.DuckDBPyRelation) -> dict:
            return {"n": numbers.query("t", "select sum(a.n * b.n) from t a, t b where a.n % 7 <> b.n % 11").fetchall()}
        """,
    )
    project.write(
        "pipe.yaml",
        declared(
            "  - {name: numbers, layer: bronze, python: 'crossed:numbers'}\n"
            "  - {name: stuck, layer: silver, python: 'crossed:crossed', inputs: [numbers], timeout: 1}\n"
        ),
    )
    assert "timeout of 1 s" in only(project.run(*workers, status=1))["error"]


COMMAND = """\
  - name: stuck
    layer: bronze
    command: [sh, program.sh]
    files: [program.sh]
    outputs: {made: {path: made/, format: folder}}
    timeout: 2
"""


@WORKERS
def test_a_program_is_stopped_with_all_that_it_started_and_its_outputs_are_cleared(
    project: ProjectFolder, workers: tuple[str, ...]
) -> None:
    project.write(
        "program.sh",
        """\
        mkdir -p made
        sleep 600 &
        echo $$ $! > made/half
        cp made/half seen
        exec >&- 2>&-
        wait
        """,
    )
    project.write("pipe.yaml", declared(COMMAND))
    assert "timeout of 2 s" in only(project.run(*workers, status=1))["error"]
    assert not (project.root / "made").exists()
    assert not [pid for pid in (project.root / "seen").read_text().split() if is_alive(int(pid))]


@WORKERS
def test_a_time_out_is_tried_again_on_cleared_ground(project: ProjectFolder, workers: tuple[str, ...]) -> None:
    project.write(
        "flaky.py",
        """
        import pathlib
        import time


        def stage(context) -> None:
            folder = pathlib.Path("stage")
            folder.mkdir()
            (folder / f"attempt {context.attempt}").write_text("")
            if context.attempt == 1:
                time.sleep(600)
        """,
    )
    project.write(
        "pipe.yaml",
        declared(
            "  - {name: stuck, layer: bronze, python: 'flaky:stage', timeout: 1, retry: {max_retries: 1},\n"
            "     outputs: {stage: {path: stage/, format: folder}}}\n"
        ),
    )
    stuck = only(project.run(*workers))
    assert (stuck["outcome"], stuck["attempts"]) == ("computed", 2)
    assert [path.name for path in (project.root / "stage").iterdir()] == ["attempt 2"]
    assert not list((project.root / ".oda").rglob("aside/*"))


def test_on_timeout_false_makes_the_attempt_the_last(project: ProjectFolder) -> None:
    project.write("stuck.py", STUCK)
    project.write(
        "pipe.yaml", declared(python_step("sleeping", "timeout: 0.2, retry: {max_retries: 3, on_timeout: false}"))
    )
    assert only(project.run(status=1))["attempts"] == 1


def test_a_step_has_its_own_time_out_or_the_pipeline_s(project: ProjectFolder) -> None:
    project.write("naps.py", "import time\n\n\ndef nap() -> dict:\n    time.sleep(0.6)\n    return {}\n")
    project.write(
        "pipe.yaml",
        declared(
            "  - {name: stuck, layer: bronze, python: 'naps:nap'}\n"
            "  - {name: patient, layer: bronze, python: 'naps:nap', timeout: 600}\n"
            "  - {name: endless, layer: bronze, python: 'naps:nap', timeout: null}\n",
            "timeout: 0.3\non_error: continue",
        ),
    )
    document = project.run(status=1)
    outcomes = {step["name"]: step["outcome"] for step in document["steps"]}
    assert outcomes == {"stuck": "failed", "patient": "computed", "endless": "computed"}


@WORKERS
def test_a_run_past_its_time_stops_the_step_and_starts_no_other(
    project: ProjectFolder, workers: tuple[str, ...]
) -> None:
    project.write("stuck.py", STUCK + "\n\ndef quick() -> dict:\n    return {}\n")
    steps = (
        "  - {name: quick, layer: bronze, python: 'stuck:quick'}\n"
        + "  - {name: stuck, layer: bronze, python: 'stuck:sleeping', timeout: 500, retry: {max_retries: 3}}\n"
        + "  - {name: later, layer: silver, python: 'stuck:quick', after: [quick]}\n"
    )
    project.write("pipe.yaml", declared(steps, "run_timeout: 12\non_error: continue"))
    document = project.run(*workers, status=1)
    stuck = only(document)
    assert (stuck["outcome"], stuck["attempts"]) == ("failed", 1)
    assert "the run took longer than its run_timeout of 12 s" in stuck["error"]
    assert "oda resume pipe does the rest" in stuck["error"]
    assert only(document, "quick")["outcome"] == "computed"
    if not workers:
        assert only(document, "later")["outcome"] == "skipped"
        assert "run_timeout" in only(document, "later")["reason"]


@WORKERS
def test_a_step_that_nothing_interrupts_ends_its_process_and_is_recorded(
    project: ProjectFolder, workers: tuple[str, ...]
) -> None:
    project.write("stuck.py", STUCK)
    project.write("quick.py", "def quick() -> dict:\n    return {}\n")
    quick = "  - {name: quick, layer: bronze, python: 'quick:quick'}\n"
    project.write("pipe.yaml", declared(quick + python_step("deaf"), "checkpoint: {mode: layer}"))
    answer = project.oda("run", "pipe.yaml", *workers, "--json")
    assert answer.status == 1
    assert "It could not be interrupted" in answer.text
    (run,) = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert (run["status"], run["can_resume"]) == ("failed", True)
    project.write("stuck.py", "def deaf() -> dict:\n    return {}\n")
    resumed = project.oda("resume", "pipe.yaml", "--json")
    assert resumed.status == 0, resumed.text
    assert {step["name"]: step["outcome"] for step in resumed.json["steps"]} == {"quick": "cached", "stuck": "computed"}


@pytest.mark.parametrize("on_timeout", ["true", "false"])
def test_a_worker_that_was_ended_is_replaced_if_the_step_may_be_tried_again(
    project: ProjectFolder, on_timeout: str
) -> None:
    project.write(
        "stuck.py",
        STUCK.replace(
            "    mutex =",
            "    if pathlib.Path('met').exists():\n        return {}\n"
            "    pathlib.Path('met').write_text('')\n    mutex =",
        ),
    )
    project.write(
        "pipe.yaml",
        declared(python_step("deaf", f"timeout: 0.3, retry: {{max_retries: 1, on_timeout: {on_timeout}}}")),
    )
    answer = project.oda("run", "pipe.yaml", "--workers", "2", "--json")
    stuck = only(answer.json)
    expected = ("computed", 2) if on_timeout == "true" else ("failed", 1)
    assert (stuck["outcome"], stuck["attempts"]) == expected, answer.text


@WORKERS
def test_threads_that_a_stopped_step_leaves_keep_no_process_from_ending(
    project: ProjectFolder, workers: tuple[str, ...]
) -> None:
    project.write(
        "pool.py",
        """
        import concurrent.futures
        import time


        def pooled(context) -> dict:
            if context.attempt == 1:
                pool = concurrent.futures.ThreadPoolExecutor()
                pool.submit(time.sleep, 600).result()
            return {}
        """,
    )
    project.write(
        "pipe.yaml",
        declared("  - {name: stuck, layer: bronze, python: 'pool:pooled', timeout: 0.3, retry: {max_retries: 1}}\n"),
    )
    ran = subprocess.run(
        [str(ODA), "-C", str(project.root), "run", "pipe.yaml", *workers],
        env={**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "success" in ran.stdout


def test_a_run_that_holds_the_interpreter_for_ever_ends_all_the_same(project: ProjectFolder) -> None:
    project.write(
        "held.py",
        """
        import ctypes


        def held() -> dict:
            mutex = ctypes.create_string_buffer(64)
            ctypes.PyDLL(None).pthread_mutex_lock(mutex)
            ctypes.PyDLL(None).pthread_mutex_lock(mutex)
        """,
    )
    project.write("pipe.yaml", declared("  - {name: stuck, layer: bronze, python: 'held:held', timeout: 0.3}\n"))
    assert project.oda("run", "pipe.yaml").status != 0
    (run,) = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert (run["status"], run["can_resume"]) == ("interrupted", True)


def test_another_time_out_computes_nothing_again(project: ProjectFolder) -> None:
    project.write("quick.py", "def quick() -> dict:\n    return {}\n")
    step = "  - {name: quick, layer: bronze, python: 'quick:quick', files: [quick.py]}\n"
    project.write("pipe.yaml", declared(step, "timeout: 600"))
    assert project.outcomes() == {"quick": "computed"}
    project.write("pipe.yaml", declared(step.replace("files", "timeout: 500, files"), "timeout: 400\nrun_timeout: 900"))
    assert project.outcomes() == {"quick": "cached"}
