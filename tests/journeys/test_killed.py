"""What a killed run leaves: everything finished, nothing half-published."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from project_folder import ProjectFolder

from odibi_assets.declare.project import Project
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.orchestrate.lost_runs import lost_runs_sensor

from .shop import computed, make_shop

ODA = Path(sys.executable).with_name("oda")


def start(project: ProjectFolder, *arguments: str) -> subprocess.Popen[bytes]:
    """A run in a real process, waited for until its silver step sleeps."""
    env = {**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")}
    process = subprocess.Popen(
        [str(ODA), "-C", str(project.root), "run", "pipe.yaml", *arguments],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (project.root / "sleeping").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def make_sleepy_shop(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "import rules", "import time\n\nimport rules")
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    if not pathlib.Path('awake').exists():\n"
        "        pathlib.Path('sleeping').write_text('')\n"
        "        time.sleep(60)\n"
        "    return orders[rules",
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("mode", ["auto", "layer"])
def test_a_stopped_run_keeps_what_finished_and_is_resumed(
    project: ProjectFolder, mode: str, number: signal.Signals
) -> None:
    make_sleepy_shop(project)
    project.edit("pipe.yaml", "name: shop", f"name: shop\ncheckpoint: {{mode: {mode}}}")
    process = start(project)
    running = project.oda("history", "pipe.yaml", "--json").json["runs"][0]
    assert running["status"] == "running"
    assert "still running" in project.oda("resume", "pipe.yaml").stderr
    os.kill(process.pid, number)
    assert process.wait(timeout=60) != 0
    stopped = project.oda("history", "pipe.yaml", "--json").json["runs"][0]
    assert stopped["can_resume"]
    assert stopped["status"] in ("interrupted", "failed")
    project.write("awake", "")
    resumed = project.oda("resume", "pipe.yaml", "--json")
    assert resumed.status == 0, resumed.text
    outcomes = {step["name"]: step["outcome"] for step in resumed.json["steps"]}
    assert computed(outcomes) == {"big_orders", "named_orders", "totals", "summary"}
    assert resumed.json["parent_run_id"] == stopped["run_id"]
    assert len(project.data("totals")) == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_daemon_learns_that_a_killed_run_is_not_at_work_any_more(project: ProjectFolder, workers: str) -> None:
    make_sleepy_shop(project)
    process = start(project, "--workers", workers)
    source = find_pipeline(Project.at(project.root), "pipe.yaml")
    monitor = lost_runs_sensor(source, source.definition().checked())
    run_id = project.oda("history", "pipe.yaml", "--json").json["runs"][0]["run_id"]
    with dg.DagsterInstance.from_config(str(project.root / "dagster_home")) as instance:

        def look() -> str:
            with dg.build_sensor_context(instance=instance) as context:
                skipped = monitor(context)
            run = instance.get_run_by_id(run_id)
            assert isinstance(skipped, dg.SkipReason)
            assert run is not None
            return f"{run.status.value}: {skipped.skip_message}"

        assert look() == "STARTED: No run lost its process."
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        assert look() == f"FAILURE: Reported as failed: {run_id}."
        assert look() == "FAILURE: No run lost its process."


def test_so_it_does_by_the_next_command(project: ProjectFolder) -> None:
    make_sleepy_shop(project)
    process = start(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    run_id = project.oda("history", "pipe.yaml", "--json").json["runs"][0]["run_id"]
    assert project.oda("sync", "pipe.yaml").status == 0
    with dg.DagsterInstance.from_config(str(project.root / "dagster_home")) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE


def test_two_runs_at_once_both_succeed_and_agree(project: ProjectFolder) -> None:
    make_shop(project)
    env = {**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")}
    command = [str(ODA), "-C", str(project.root), "run", "pipe.yaml"]
    project.oda("history", "pipe.yaml")
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], answers
    assert computed(project.outcomes()) == set()
    generations = [result["generation"] for result in project.oda("cache", "ls", "--json").json["results"]]
    assert set(generations) == {1}
