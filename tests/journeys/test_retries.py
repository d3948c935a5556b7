"""A step that failed for a reason of the moment is tried again, and every attempt is seen; nothing else is."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from project_folder import ProjectFolder

ODA = Path(sys.executable).with_name("oda")
WORKERS = pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
ERRORS = """
class Busy(Exception):
    pass


class Full(Exception):
    pass


def is_full(error):
    return isinstance(error, Full) and "full" in str(error)


def broken(error):
    raise KeyError("the predicate itself is wrong")
"""
STEPS = """
import pathlib
import time

import errors
import pandas as pd


def note(what):
    with open("attempts", "a") as attempts:
        print(what, file=attempts)


def fetch(context):
    note("fetch")
    if context.attempt < 3:
        raise errors.Busy("come back later") if context.attempt == 1 else errors.Full("the queue is full")
    return pd.DataFrame({"n": [context.attempt]})


def train(*, seed, rate=0.1):
    note(f"train {seed}")
    if seed < 43:
        raise errors.Busy(f"seed {seed} does not converge")
    return pd.DataFrame({"seed": [seed], "rate": [rate]})


def waits(context):
    note("waits")
    pathlib.Path("sleeping").write_text("")
    time.sleep(300)


def stored(context):
    # From now on the store takes no result.
    note("stored")
    pathlib.Path(".oda/results").write_text("")
    return pd.DataFrame({"n": [1]})
"""


@pytest.fixture
def flaky(project: ProjectFolder) -> ProjectFolder:
    project.write("errors.py", ERRORS)
    project.write("transforms.py", STEPS)
    return project


def declared(project: ProjectFolder, step: str, retry: str | None, *, settings: str = "", fields: str = "") -> None:
    project.write(
        "pipe.yaml",
        f"name: pipe\n{settings}\nsteps:\n  - name: {step}\n    layer: bronze\n    python: transforms:{step}\n"
        f"{f'    retry: {retry}' if retry is not None else ''}\n{fields}",
    )


def attempts(project: ProjectFolder) -> list[str]:
    path = project.root / "attempts"
    return path.read_text().splitlines() if path.exists() else []


def only(document: dict[str, Any]) -> dict[str, Any]:
    (step,) = document["steps"]
    return dict(step)


@WORKERS
def test_what_a_class_or_a_predicate_names_is_tried_again(flaky: ProjectFolder, workers: tuple[str, ...]) -> None:
    retry = "{max_retries: 3, delay: 0.01, on: [errors.Busy, 'errors:is_full']}"
    declared(flaky, "fetch", retry, fields="    cache: {source_version: '1'}\n")
    step = only(flaky.run(*workers))
    assert (step["outcome"], step["attempts"]) == ("computed", 3)
    assert step["retries"] == [
        {"attempt": 1, "error": "Busy: come back later", "wait_s": 0.01},
        {"attempt": 2, "error": "Full: the queue is full", "wait_s": 0.01},
    ]
    assert flaky.data("fetch") == [{"n": 3}]
    again = flaky.run(*workers)
    assert again["run_id"] is None
    assert only(again)["retries"] == []


def test_a_policy_of_the_pipeline_names_errors_for_all_its_steps(flaky: ProjectFolder) -> None:
    declared(flaky, "fetch", None, settings="retry: {max_retries: 2, on: [errors.Busy, 'errors:is_full']}")
    assert only(flaky.run())["attempts"] == 3


def test_what_the_policy_does_not_name_is_not_tried_again(flaky: ProjectFolder) -> None:
    declared(flaky, "fetch", "{max_retries: 3, on: [errors.Busy]}")
    step = only(flaky.run(status=1))
    assert step["error"] == "Full: the queue is full"
    assert step["attempts"] == 2
    assert [failed["attempt"] for failed in step["retries"]] == [1]


def test_a_predicate_that_raises_says_no_and_the_error_told_is_that_of_the_step(flaky: ProjectFolder) -> None:
    declared(flaky, "fetch", "{max_retries: 3, on: ['errors:broken']}")
    document = flaky.run(status=1)
    assert only(document)["error"] == "Busy: come back later"
    assert attempts(flaky) == ["fetch"]
    log = flaky.oda("logs", document["run_id"], "fetch").stdout
    assert "The predicate errors:broken of retry.on raised KeyError" in log
    assert "not retried: it is not known to be transient" in log


def test_what_the_policy_names_is_part_of_no_key(flaky: ProjectFolder) -> None:
    declared(flaky, "fetch", "{max_retries: 3, on: [errors.Busy, 'errors:is_full']}")
    flaky.edit("transforms.py", "import errors\n", "import errors as _errors\n")
    flaky.edit("transforms.py", 'errors.Busy("come back later")', 'ConnectionError("x")')
    flaky.edit("transforms.py", 'errors.Full("the queue is full")', 'ConnectionError("x")')
    flaky.edit("pipe.yaml", "    retry:", "    cache: {source_version: '1'}\n    retry:")
    flaky.run()
    flaky.edit("errors.py", '"full" in', '"overfull" in')
    flaky.edit("pipe.yaml", "errors.Busy, ", "")
    assert flaky.plan()["fetch"]["outcome"] == "hit"


@pytest.mark.parametrize(
    ("named", "found", "expected", "nearest"),
    [
        ("errors.Bussy", "errors:Bussy", "exception class of errors", "errors:Busy"),
        ("'errors:is_ful'", "errors:is_ful", "predicate of errors", "errors:is_full"),
        ("errors.is_full", "errors.is_full", "an exception class", "errors:is_full"),
        ("nowhere.Busy", "nowhere:Busy", "importable module", None),
        ("KeyboardInterrupt", "KeyboardInterrupt", "an exception class", None),
        ("builtins.int", "builtins.int", "an exception class", None),
    ],
)
def test_a_wrong_name_is_a_mistake_with_its_place(
    flaky: ProjectFolder, named: str, found: str, expected: str, nearest: str | None
) -> None:
    declared(flaky, "fetch", f"{{on: [TimeoutError, {named}]}}")
    answer = flaky.oda("validate", "pipe.yaml", "--json")
    assert answer.status == 2
    (mistake,) = answer.json["mistakes"]
    assert (mistake["line"], mistake["key"]) == (7, "steps[0].retry.on[1]")
    assert mistake["found"] == found
    assert expected in mistake["expected"]
    assert mistake["nearest"] == nearest


SEEDS = "{on: [errors.Busy], params: {seed: [42, 43, 44]}}"


@WORKERS
def test_each_attempt_has_the_next_seed_and_the_one_that_won_is_told(
    flaky: ProjectFolder, workers: tuple[str, ...]
) -> None:
    declared(flaky, "train", SEEDS, fields="    params: {rate: 0.5}\n    cache: {source_version: '1'}\n")
    step = only(flaky.run(*workers))
    assert attempts(flaky) == ["train 42", "train 43"]
    assert (step["attempts"], step["params"]) == (2, {"seed": 43})
    assert flaky.data("train") == [{"seed": 43, "rate": 0.5}]
    again = flaky.run(*workers)
    assert again["run_id"] is None
    assert only(again)["params"] == {"seed": 43}
    flaky.edit("pipe.yaml", "[42, 43, 44]", "[42, 43, 45]")
    plan = flaky.plan()["train"]
    assert plan["outcome"] == "miss"
    assert "seed" in plan["reason"]


def test_the_last_seed_serves_all_further_attempts(flaky: ProjectFolder) -> None:
    declared(flaky, "train", "{max_retries: 3, on: [errors.Busy], params: {seed: [40, 41]}}")
    step = only(flaky.run(status=1))
    assert attempts(flaky) == ["train 40", "train 41", "train 41", "train 41"]
    assert (step["attempts"], step["params"]) == (4, {})


def test_a_seed_that_is_set_for_a_run_holds_in_each_attempt(flaky: ProjectFolder) -> None:
    declared(flaky, "train", "{max_retries: 2, on: [errors.Busy], params: {seed: [42, 43, 44]}}")
    flaky.run("--set", "train.seed=7", status=1)
    assert attempts(flaky) == ["train 7", "train 7", "train 7"]


def test_a_lost_result_is_computed_again_with_the_seed_that_won(flaky: ProjectFolder) -> None:
    declared(flaky, "train", SEEDS, fields="    cache: {source_version: '1'}\n")
    flaky.write("pipe.yaml", (flaky.root / "pipe.yaml").read_text() + (
        "  - name: used\n    layer: silver\n    sql: select seed from train\n    inputs: [train]\n"
    ))  # fmt: skip
    flaky.run("--select", "train")
    for blob in (flaky.root / ".oda/blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    flaky.run("--select", "used")
    assert attempts(flaky) == ["train 42", "train 43", "train 43"]
    assert flaky.data("used") == [{"seed": 43}]


@pytest.mark.parametrize(
    ("retry", "fields", "key", "expected"),
    [
        ("{params: {sed: [1]}}", "    params: {seed: 1}\n", "steps[0].retry.params.sed", "keyword-only parameter"),
        (
            "{params: {seed: [1, 2]}}", '    params: {seed: {secret: "{{ env.S }}"}}\n', "steps[0].retry.params.seed",
            "no secret",
        ),
    ],
)  # fmt: skip
def test_params_that_no_attempt_can_have_are_mistakes(
    flaky: ProjectFolder, retry: str, fields: str, key: str, expected: str
) -> None:
    declared(flaky, "train", retry, fields=fields)
    (mistake,) = flaky.oda("validate", "pipe.yaml", "--json").json["mistakes"]
    assert mistake["key"] == key
    assert expected in mistake["expected"]


def test_classes_and_functions_are_named_by_themselves_in_python_and_by_reference_in_its_yaml(
    flaky: ProjectFolder,
) -> None:
    flaky.write(
        "pair.py",
        """
        import errors
        import transforms

        import odibi_assets as oda

        pair = oda.Pipeline("pair", retry=oda.Retry(max_retries=3, on=[errors.Busy, errors.is_full]))
        pair.step(layer="bronze")(transforms.fetch)
        pair.step(layer="silver", retry=oda.Retry(on=[errors.Busy], params={"seed": [42, 43]}))(transforms.train)
        """,
    )
    ran = flaky.run(pipeline="pair.py:pair")
    assert {step["name"]: step["attempts"] for step in ran["steps"]} == {"fetch": 3, "train": 2}
    shown = flaky.oda("plan", "pair.py:pair", "--effective").stdout
    assert "errors:is_full" in shown
    answer = flaky.oda("export", "pair.py:pair", "--output", "pair.yaml")
    assert answer.status == 0, answer.text
    text = (flaky.root / "pair.yaml").read_text()
    assert "errors:Busy" in text
    assert "errors:is_full" in text
    keys = {step["name"]: step["key"] for step in ran["steps"]}
    assert {step["name"]: step["key"] for step in flaky.run(pipeline="pair.yaml")["steps"]} == keys


def test_the_terminal_tells_each_attempt_with_its_error_and_its_wait(flaky: ProjectFolder) -> None:
    declared(flaky, "train", "{delay: 0.01, on: [errors.Busy], params: {seed: [42, 43, 44]}}")
    shown = flaky.oda("run", "pipe.yaml").stdout
    assert " retrying  train  in 0.01 s: errors.Busy: seed 42 does not converge\n" in shown
    assert "train: attempt 1 failed, tried again after 0.01 s: Busy: seed 42 does not converge\n" in shown
    assert "train: seed 43\n" in shown


class Unsteady(http.server.BaseHTTPRequestHandler):
    """Answers with the first of its replies that is left."""

    replies: ClassVar[list[tuple[int, dict[str, str]]]] = []

    def do_GET(self) -> None:
        status, headers = self.replies.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unsteady) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}/"
        found.shutdown()


def asks(project: ProjectFolder, url: str, retry: str) -> dict[str, Any]:
    project.write(
        "asking.py",
        f"""
        import urllib.request


        def asked() -> dict:
            with urllib.request.urlopen("{url}", timeout=20) as answer:
                return {{"status": answer.status}}
        """,
    )
    fields = "outputs: {result: {format: json}}"
    project.write(
        "pipe.yaml",
        f"name: pipe\nsteps:\n  - {{name: asked, layer: bronze, python: 'asking:asked', retry: {retry}, {fields}}}\n",
    )
    answer = project.oda("run", "pipe.yaml", "--json")
    return only(answer.json)


def test_the_wait_that_a_server_asks_for_counts_up_to_max_delay(project: ProjectFolder, server: str) -> None:
    Unsteady.replies = [
        (429, {"Retry-After": "0.02"}),
        (503, {"Retry-After": "Wed, 01 Jan 2200 00:00:00 GMT"}),
        (503, {}),
        (200, {}),
    ]
    step = asks(project, server, "{max_retries: 3, delay: 0.05, max_delay: 0.1}")
    assert (step["outcome"], step["attempts"]) == ("computed", 4)
    assert [failed["wait_s"] for failed in step["retries"]] == [0.02, 0.1, 0.05]


def test_a_request_that_is_wrong_is_not_repeated(project: ProjectFolder, server: str) -> None:
    Unsteady.replies = [(404, {}), (200, {})]
    step = asks(project, server, "{max_retries: 3}")
    assert (step["attempts"], step["error"]) == (1, "HTTPError: HTTP Error 404: Not Found")


@WORKERS
def test_a_run_that_is_stopped_is_not_tried_again(flaky: ProjectFolder, workers: tuple[str, ...]) -> None:
    declared(flaky, "waits", "{max_retries: 3, on: [Exception]}")
    process = subprocess.Popen(
        [str(ODA), "-C", str(flaky.root), "run", "pipe.yaml", *workers],
        env={**os.environ, "DAGSTER_HOME": str(flaky.root / "dagster_home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 90
    while not (flaky.root / "sleeping").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert attempts(flaky) == ["waits"]
    assert (
        "STEP_UP_FOR_RETRY"
        not in flaky.oda("logs", flaky.oda("history", "pipe.yaml", "--json").json["runs"][0]["run_id"]).text
    )


@WORKERS
def test_a_result_that_the_store_does_not_take_is_sent_again_and_its_step_does_not_run_again(
    flaky: ProjectFolder, workers: tuple[str, ...]
) -> None:
    declared(flaky, "stored", "{max_retries: 3, on: [Exception]}")
    answer = flaky.oda("run", "pipe.yaml", *workers, "--json")
    assert attempts(flaky) == ["stored"]
    step = only(answer.json)
    if workers:  # The value could go to no other process.
        assert (step["outcome"], step["attempts"]) == ("failed", 1)
        assert "Could not create 'results/" in step["error"]
    else:
        assert (step["outcome"], step["version"]) == ("computed", None)
        assert "Could not commit step 'stored'" in answer.stderr


def test_a_step_whose_process_was_killed_is_tried_again(flaky: ProjectFolder) -> None:
    flaky.write(
        "transforms.py",
        """
        import os
        import signal


        def killed(context) -> dict:
            if context.attempt == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"attempt": context.attempt}
        """,
    )
    declared(flaky, "killed", "{max_retries: 1}", fields="    outputs: {result: {format: json}}\n")
    step = only(flaky.run("--workers", "2"))
    assert (step["outcome"], step["attempts"]) == ("computed", 2)
    assert step["retries"] == [{"attempt": 1, "error": "Its process ended before it could say why.", "wait_s": None}]
