"""Several steps at once, each in a process of its own: the same outcomes, documents, resumes and interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from killed import is_alive
from project_folder import ProjectFolder

from .shop import STEPS, computed, make_shop

ODA = Path(sys.executable).with_name("oda")


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """A run's document without what no two runs share."""
    steps = [{key: value for key, value in step.items() if key != "seconds"} for step in document["steps"]]
    kept = {key: document[key] for key in ("pipeline", "environment", "parent_run_id", "status")}
    return {**kept, "steps": steps}


def test_workers_give_the_document_and_the_data_of_one_process(project: ProjectFolder, tmp_path: Path) -> None:
    (tmp_path / "twin").mkdir()
    make_shop(project)
    twin = make_shop(ProjectFolder(tmp_path / "twin", project.zygote))
    document = project.run("--workers", "2", "--set", "minimum=3", "--skip", "summary")
    expected = twin.run("--set", "minimum=3", "--skip", "summary")
    assert comparable(document) == comparable(expected)
    assert document["snapshot"] is not None
    assert project.data("totals") == twin.data("totals")
    history = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert [run["status"] for run in history] == ["success"]
    assert project.run("--workers", "2", "--set", "minimum=3", "--skip", "summary")["run_id"] is None


def test_steps_that_do_not_wait_for_each_other_run_at_the_same_time(project: ProjectFolder) -> None:
    """Each of two steps ends only once the other has begun. The pipeline is declared in Python."""
    project.write(
        "pair.py",
        """
        import pathlib
        import time

        import pandas as pd

        import odibi_assets as oda

        pair = oda.Pipeline("pair")


        def meet(own, other):
            pathlib.Path(own).write_text("")
            until = time.monotonic() + 60
            while not pathlib.Path(other).exists():
                assert time.monotonic() < until
                time.sleep(0.01)
            return pd.DataFrame({"met": [other]})


        @pair.step(layer="bronze")
        def left():
            return meet("left", "right")


        @pair.step(layer="bronze")
        def right():
            return meet("right", "left")
        """,
    )
    answer = project.oda("run", "pair.py:pair", "--workers", "2")
    assert answer.status == 0, answer.text
    assert answer.stderr == ""


def test_a_failure_among_workers_is_resumed_by_workers(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}")
    project.write("broken", "")
    failed = project.run("--workers", "2", status=1)
    steps = {step["name"]: step for step in failed["steps"]}
    assert {name: step["outcome"] for name, step in steps.items()} == {
        "orders": "computed",
        "customers": "computed",
        "big_orders": "failed",
        "named_orders": "skipped",
        "totals": "skipped",
        "summary": "skipped",
    }
    assert steps["big_orders"]["error"] == "ValueError: the silver step is broken"
    assert len(project.data("orders")) == 4
    (project.root / "broken").unlink()
    resumed = project.oda("resume", "pipe.yaml", "--workers", "2", "--json")
    assert resumed.status == 0, resumed.text
    outcomes = {step["name"]: step["outcome"] for step in resumed.json["steps"]}
    assert computed(outcomes) == set(STEPS) - {"orders", "customers"}
    assert resumed.json["parent_run_id"] == failed["run_id"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_stopped_run_takes_its_workers_with_it_and_is_resumed(project: ProjectFolder, number: signal.Signals) -> None:
    make_shop(project)
    project.edit("transforms.py", "import rules", "import os\nimport time\n\nimport rules")
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    if not pathlib.Path('awake').exists():\n"
        "        pathlib.Path('part').write_text(str(os.getpid()))\n"
        "        pathlib.Path('part').rename('sleeping')\n"
        "        time.sleep(300)\n"
        "    return orders[rules",
    )
    process = subprocess.Popen(
        [str(ODA), "-C", str(project.root), "run", "pipe.yaml", "--workers", "2", "--select", "+big_orders"],
        env={**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sleeping = project.root / "sleeping"
    wait_until(sleeping.exists)
    worker = int(sleeping.read_text())
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-number if number is signal.SIGKILL else 1), said
    wait_until(lambda: not is_alive(worker))
    assert "Traceback" not in said
    stopped = project.oda("history", "pipe.yaml", "--json").json["runs"][0]
    assert stopped["can_resume"]
    project.write("awake", "")
    resumed = project.oda("resume", "pipe.yaml", "--json")
    assert resumed.status == 0, resumed.text
    outcomes = {step["name"]: step["outcome"] for step in resumed.json["steps"]}
    assert outcomes == {"orders": "cached", "big_orders": "computed"}


def wait_until(condition: Any) -> None:
    until = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
