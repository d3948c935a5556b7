"""Many runs at once, in processes of their own, on one store and one Dagster instance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from project_folder import ProjectFolder

ODA = Path(sys.executable).with_name("oda")

PIPELINE = """
    name: NAME
    STEPS_FIELD
    steps:
      - name: numbers
        layer: bronze
        read: {format: csv, path: data/numbers.csv}
      - {name: squared, layer: silver, inputs: [numbers], python: "transforms:squared"}
      - {name: summed, layer: gold, inputs: [squared], python: "transforms:summed"}
    """

TRANSFORMS = """
    import counted


    def squared(numbers):
        counted.note("squared")
        counted.gate()
        return numbers.assign(number=numbers["number"] ** 2)


    def summed(squared):
        counted.note("summed")
        return {"sum": int(squared["number"].sum())}
    """

# Not recorded, so that what the tests look at is no input of the step.
COUNTED = """
    import pathlib
    import time

    from odibi_assets.identify.observing import unobserved


    def note(step):
        with unobserved(), open("noted", "a") as file:
            file.write(f"{step}\\n")


    def gate():
        with unobserved():
            while pathlib.Path("closed").exists():
                time.sleep(0.02)
    """


def make_project(project: ProjectFolder, *names: str, field: str = "") -> None:
    project.write("data/numbers.csv", "number\n1\n2\n3\n")
    project.write("transforms.py", TRANSFORMS)
    project.write("counted.py", COUNTED)
    for name in names:
        project.write(f"{name}.yaml", PIPELINE.replace("NAME", name).replace("STEPS_FIELD", field))
    project.oda("history", f"{names[0]}.yaml")
    project.write("closed", "")


def start(project: ProjectFolder, name: str, *arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")}
    return subprocess.Popen(
        [str(ODA), "-C", str(project.root), "run", f"{name}.yaml", "--json", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def noted(project: ProjectFolder) -> list[str]:
    path = project.root / "noted"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(process: subprocess.Popen[str]) -> dict[str, dict[str, object]]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return {step["name"]: step for step in json.loads(out)["steps"]}


@pytest.mark.parametrize("field", ["", "checkpoint: {mode: layer}"], ids=["auto", "layer"])
def test_runs_at_once_compute_each_key_once_and_the_others_take_it(project: ProjectFolder, field: str) -> None:
    make_project(project, "one", "two", field=field)
    processes = [start(project, name) for name in ("one", "one", "two", "two")]
    wait_for(lambda: noted(project))
    (project.root / "closed").unlink()
    documents = [ended(process) for process in processes]
    assert Counter(noted(project)) == {"squared": 1, "summed": 1}
    outcomes = Counter(str(document["squared"]["outcome"]) for document in documents)
    assert outcomes == {"computed": 1, "cached": 3}
    assert len({document["summed"]["version"] for document in documents}) == 1
    for name in ("one", "two"):
        shown = project.oda("show", f"{name}.yaml", "summed")
        assert shown.stdout.startswith('{"sum":14}')
    assert project.oda("cache", "verify").status == 0
    assert not list((project.root / ".oda" / "leases").glob("*"))


def test_workers_of_two_runs_share_too(project: ProjectFolder) -> None:
    make_project(project, "one")
    processes = [start(project, "one", "--workers", "2") for _ in range(2)]
    wait_for(lambda: noted(project))
    (project.root / "closed").unlink()
    documents = [ended(process) for process in processes]
    assert Counter(noted(project)) == {"squared": 1, "summed": 1}
    assert {str(document["squared"]["outcome"]) for document in documents} == {"computed", "cached"}


def test_a_run_takes_over_what_a_killed_one_was_computing(project: ProjectFolder) -> None:
    make_project(project, "one")
    first = start(project, "one")
    wait_for(lambda: noted(project))
    second = start(project, "one")
    wait_for(lambda: len(project.oda("history", "one.yaml", "--json").json["runs"]) == 2)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(timeout=60)
    (project.root / "closed").unlink()
    assert ended(second)["squared"]["outcome"] == "computed"
    assert Counter(noted(project)) == {"squared": 2, "summed": 1}


def test_a_failure_is_not_shared_and_the_next_in_line_tries(project: ProjectFolder) -> None:
    make_project(project, "one")
    project.edit("transforms.py", "    counted.gate()\n", "    counted.gate()\n    counted.fail_once()\n")
    project.edit(
        "counted.py",
        "def gate",
        "def fail_once():\n"
        "    with unobserved():\n"
        "        if not pathlib.Path('failed').exists():\n"
        "            pathlib.Path('failed').write_text('')\n"
        "            raise ValueError('the first fails')\n\n\ndef gate",
    )
    processes = [start(project, "one") for _ in range(2)]
    wait_for(lambda: noted(project))
    (project.root / "closed").unlink()
    statuses = []
    for process in processes:
        process.communicate(timeout=120)
        statuses.append(process.returncode)
    assert sorted(statuses) == [0, 1]


def test_forced_runs_do_not_wait_for_each_other(project: ProjectFolder) -> None:
    make_project(project, "one")
    processes = [start(project, "one", "--force") for _ in range(2)]
    wait_for(lambda: len(noted(project)) == 2)
    (project.root / "closed").unlink()
    for process in processes:
        assert ended(process)["squared"]["outcome"] == "computed"
