"""What goes on after a failure, and what a resume then does: in every mode, in one process and in several."""

from __future__ import annotations

from typing import Any

import pytest
from project_folder import ProjectFolder

from .test_absent import WORKERS, steps_of

MODES = ("auto", "layer", "interval", "manual")
PIPE = """
    name: shop
    steps:
      - {name: first, layer: bronze, python: "transforms:first", files: [seed.txt]}
      - {name: broken, layer: silver, inputs: [first], python: "transforms:broken"}
      - {name: beside, layer: silver, inputs: [first], python: "transforms:beside"}
      - {name: below, layer: gold, inputs: [broken], python: "transforms:below"}
      - {name: apart, layer: gold, inputs: [beside], python: "transforms:apart"}
"""
TRANSFORMS = """
    import os
    import time
    from pathlib import Path

    import pandas as pd


    def note(name):
        with open("calls.log", "a") as file:
            file.write(name + "\\n")


    def wait_for(name):
        until = time.monotonic() + 60
        while not Path(name).exists():
            assert time.monotonic() < until
            time.sleep(0.01)


    def first():
        note("first")
        return pd.DataFrame({"n": [1]})


    def broken(first):
        note("broken")
        if os.environ.get("MEET"):
            wait_for("beside.began")
        if not Path("mended").exists():
            raise ValueError("the silver step is broken")
        return first


    def beside(first):
        note("beside")
        Path("beside.began").write_text("")
        if os.environ.get("MEET") and not Path("mended").exists():
            time.sleep(600)
        return first


    def below(broken):
        note("below")
        return broken


    def apart(beside):
        note("apart")
        return beside
"""


def make_shop(project: ProjectFolder, mode: str, on_error: str) -> ProjectFolder:
    """Five steps, of which the second fails until there is a file `mended`."""
    project.write("pipe.yaml", PIPE)
    project.edit("pipe.yaml", "name: shop\n", f"name: shop\ncheckpoint: {{mode: {mode}}}\non_error: {on_error}\n")
    project.write("transforms.py", TRANSFORMS)
    project.write("seed.txt", "1")
    return project


def calls(project: ProjectFolder) -> list[str]:
    log = project.root / "calls.log"
    found = log.read_text().split()
    log.unlink()
    return sorted(found)


def resumed(project: ProjectFolder, *arguments: str) -> dict[str, Any]:
    answer = project.oda("resume", "pipe.yaml", "--json", *arguments)
    assert answer.status == 0, answer.text
    document: dict[str, Any] = answer.json
    return document


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {name: step["outcome"] for name, step in steps_of(document).items()}


@pytest.mark.parametrize(
    ("mode", "workers"),
    [*((mode, ()) for mode in MODES), ("auto", ("--workers", "2")), ("layer", ("--workers", "2"))],
)
def test_continue_runs_what_does_not_need_the_failed_step(
    project: ProjectFolder, mode: str, workers: tuple[str, ...]
) -> None:
    make_shop(project, mode, "continue")
    document = project.run(*workers, status=1)
    assert outcomes(document) == {
        "first": "computed",
        "broken": "failed",
        "beside": "computed",
        "below": "skipped",
        "apart": "computed",
    }
    assert steps_of(document)["below"]["reason"] == "needs broken"
    assert calls(project) == ["apart", "beside", "broken", "first"]
    project.write("mended", "")
    after = resumed(project, *workers)
    assert outcomes(after) == {
        "first": "cached",
        "broken": "computed",
        "beside": "cached",
        "below": "computed",
        "apart": "cached",
    }
    assert calls(project) == ["below", "broken"]
    assert project.data("below") == project.data("apart") == [{"n": 1}]


@pytest.mark.parametrize("mode", MODES)
def test_fail_fast_starts_nothing_after_a_failure(project: ProjectFolder, mode: str) -> None:
    make_shop(project, mode, "fail_fast")
    document = project.run(status=1)
    assert outcomes(document) == {
        "first": "computed",
        "broken": "failed",
        "beside": "skipped",
        "below": "skipped",
        "apart": "skipped",
    }
    assert steps_of(document)["beside"]["reason"] == "held back: another step failed"
    assert calls(project) == ["broken", "first"]
    project.write("mended", "")
    assert outcomes(resumed(project)) == {
        "first": "cached",
        **dict.fromkeys(["broken", "beside", "below", "apart"], "computed"),
    }
    assert calls(project) == ["apart", "below", "beside", "broken"]


@pytest.mark.parametrize("mode", ["auto", "layer"])
def test_fail_fast_stops_what_is_at_work_in_other_processes(project: ProjectFolder, mode: str) -> None:
    make_shop(project, mode, "fail_fast")
    project.env["MEET"] = "yes"
    document = project.run("--workers", "2", status=1)
    steps = steps_of(document)
    assert (steps["broken"]["outcome"], steps["beside"]["outcome"]) == ("failed", "skipped")
    assert steps["beside"]["reason"] == "held back: it was stopped, since another step failed"
    assert document["seconds"] < 300
    assert calls(project) == ["beside", "broken", "first"]
    project.write("mended", "")
    assert outcomes(resumed(project, "--workers", "2"))["beside"] == "computed"
    assert calls(project) == ["apart", "below", "beside", "broken"]


@WORKERS
def test_the_layer_of_a_failed_step_is_not_published(project: ProjectFolder, workers: tuple[str, ...]) -> None:
    make_shop(project, "layer", "continue")
    project.run(*workers, status=1)
    assert project.data("first") == [{"n": 1}]
    refused = project.oda("show", "pipe.yaml", "beside")
    assert refused.status == 2
    assert "no current result" in refused.text


@pytest.mark.parametrize("on_error", ["continue", "fail_fast"])
def test_an_absent_step_is_no_error_for_either(project: ProjectFolder, on_error: str) -> None:
    make_shop(project, "auto", on_error)
    project.edit("pipe.yaml", 'python: "transforms:broken"', 'python: "transforms:broken", optional: true')
    document = project.run()
    assert document["status"] == "success"
    assert outcomes(document)["broken"] == "absent"
    assert outcomes(document)["below"] == "skipped"
    assert outcomes(document)["apart"] == "computed"
