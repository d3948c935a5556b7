"""The UI's side: what it materializes and re-executes is what the command line runs, and the other way round."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote

from odibi_assets.keep.results import open_results
from odibi_assets.keep.snapshot import Snapshots

from .dagster_server import DagsterServer, outcomes, versions
from .shop import STEPS, computed, make_shop

pytestmark = pytest.mark.dagster


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[tuple[ProjectFolder, DagsterServer]]:
    """A project, and `oda dev` on it."""
    project = make_shop(ProjectFolder(tmp_path_factory.mktemp("served"), zygote))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))}
    server = DagsterServer(project.root, {**kept, "DAGSTER_HOME": str(project.root / "dagster_home")})
    yield project, server
    server.stop()


def test_materialize_all_gives_the_outcomes_and_the_data_of_a_run_from_the_command_line(
    served: tuple[ProjectFolder, DagsterServer], tmp_path: Path, zygote: Zygote
) -> None:
    _, server = served
    run = server.launch("shop")
    assert run["status"] == "SUCCESS"
    twin = make_shop(ProjectFolder(tmp_path, zygote)).run()
    assert (
        outcomes(run) == {step["name"]: step["outcome"] for step in twin["steps"]} == dict.fromkeys(STEPS, "computed")
    )
    assert versions(run) == {step["name"]: step["version"] for step in twin["steps"]}


def test_a_declared_job_runs_its_steps(served: tuple[ProjectFolder, DagsterServer]) -> None:
    project, server = served
    project.write(
        "ticking.yaml",  # its schedule ticks while the tests below go on
        """
        name: ticking
        schedule: {cron: "* * * * *", timezone: Europe/Vienna}
        jobs: {first-only: [raw]}
        steps:
          - {name: raw, layer: bronze, read: {format: csv, path: data/orders.csv}}
          - {name: counted, layer: silver, inputs: [raw], sql: select count(*) as n from raw}
        """,
    )
    server.reload()
    assert {"ticking", "ticking__first_only"} <= server.jobs()
    assert outcomes(server.launch("ticking__first_only")) == {"raw": "computed"}


def test_what_the_ui_computed_the_command_line_reuses_and_shows(served: tuple[ProjectFolder, DagsterServer]) -> None:
    project, _ = served
    assert computed(project.outcomes()) == set()
    assert project.data("totals") == [{"name": "ann", "amount": 3}, {"name": "bob", "amount": 6}]


def test_materialize_all_again_records_every_step_as_reused(served: tuple[ProjectFolder, DagsterServer]) -> None:
    _, server = served
    for job in ("shop", "__ASSET_JOB"):
        run = server.launch(job, [["shop", step] for step in STEPS])
        assert run["status"] == "SUCCESS"
        assert outcomes(run) == dict.fromkeys(STEPS, "cached")


def test_a_server_that_is_older_than_its_files_runs_the_files(served: tuple[ProjectFolder, DagsterServer]) -> None:
    project, server = served
    file = project.root / "transforms.py"
    times = file.stat()
    for before, after, expected in (("OFFSET = 0", "OFFSET = 7", {"summary"}), ("OFFSET = 7", "OFFSET = 0", set())):
        project.edit("transforms.py", before, after)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as bytecode that is stale would have it
        assert computed(outcomes(server.launch("shop"))) == expected
        amounts = [row["amount"] - int(after[-1]) for row in project.data("summary")]
        assert amounts == [row["amount"] for row in project.data("totals")]
        assert computed(project.outcomes()) == set()


def test_a_failed_run_from_the_command_line_is_re_executed_from_failure_in_the_ui(
    served: tuple[ProjectFolder, DagsterServer],
) -> None:
    project, server = served
    project.edit("data/orders.csv", "1,1,1", "1,1,5")
    project.write("broken", "")
    failed = project.run(status=1)
    assert {step["name"]: step["outcome"] for step in failed["steps"]}["orders"] == "computed"
    (project.root / "broken").unlink()
    run = server.reexecute_from_failure(failed["run_id"])
    assert run["status"] == "SUCCESS"
    assert run["parentRunId"] == failed["run_id"]
    assert outcomes(run) == dict.fromkeys(("big_orders", "named_orders", "totals", "summary"), "computed")
    history = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert (history[0]["run_id"], history[0]["parent_run_id"]) == (run["id"], failed["run_id"])
    assert history[0]["status"] == "success"
    assert "resumed" in history[1]["why_not"]
    assert computed(project.outcomes()) == set()


def test_a_re_execution_computes_again_what_was_edited_since_though_dagster_skips_it(
    served: tuple[ProjectFolder, DagsterServer],
) -> None:
    project, server = served
    project.edit("transforms.py", "return totals.assign", "raise ValueError('not yet')\n    return totals.assign")
    project.edit("pipe.yaml", "select name, cast", "select 1 as one, name, cast")
    failed = project.run(status=1)
    assert {step["name"]: step["outcome"] for step in failed["steps"]}["totals"] == "computed"
    project.edit("transforms.py", "raise ValueError('not yet')\n    ", "")
    project.edit("pipe.yaml", "select 1 as one, name, cast", "select 2 as one, name, cast")
    run = server.reexecute_from_failure(failed["run_id"])
    assert run["status"] == "SUCCESS"
    assert [row["one"] for row in project.data("summary")] == [2, 2]


def test_an_edited_helper_shows_as_stale_after_a_reload(served: tuple[ProjectFolder, DagsterServer]) -> None:
    project, server = served
    server.reload()
    server.launch("shop")
    assert server.stale()["big_orders"] == "FRESH"
    project.edit("rules.py", "amount >= floor", "amount > floor")
    server.reload()
    stale = server.stale()
    assert stale["big_orders"] == "STALE"
    assert stale["orders"] == "FRESH"


def test_the_multiprocess_executor_gives_the_same_data_and_publishes_by_layer(
    served: tuple[ProjectFolder, DagsterServer], tmp_path: Path, zygote: Zygote
) -> None:
    project, server = served
    project.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}")
    server.reload()
    run = server.launch("shop", config={"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}})
    assert run["status"] == "SUCCESS"
    assert computed(outcomes(run)) == {"big_orders", "named_orders", "totals", "summary"}
    twin = twin_of(project, ProjectFolder(tmp_path / "twin", zygote)).run()
    assert versions(run) == {step["name"]: step["version"] for step in twin["steps"]}
    snapshots = Snapshots(open_results(project.root / ".oda").store, "default", "shop")
    published = [snapshot for snapshot in snapshots.history() if snapshot.run_id == run["id"]]
    moved = [
        {name for name in after.steps if after.steps[name] != before.steps.get(name)}
        for after, before in zip(published, [*published[1:], snapshots.get(published[-1].parent)], strict=True)
    ]
    assert moved == [{"totals", "summary"}, {"big_orders", "named_orders"}]
    assert computed(project.outcomes()) == set()


def test_the_daemon_ran_the_declared_schedule(served: tuple[ProjectFolder, DagsterServer]) -> None:
    project, server = served
    run = server.wait_for_run_of("ticking")
    (project.root / "ticking.yaml").unlink()
    server.reload()
    assert run["status"] == "SUCCESS"
    assert run["tags"]["dagster/schedule_name"] == "ticking__schedule"


def twin_of(project: ProjectFolder, twin: ProjectFolder) -> ProjectFolder:
    """The same files, with a store and a Dagster home of its own."""
    shutil.copytree(project.root, twin.root, ignore=shutil.ignore_patterns(".oda", "dagster_home", "*.log"))
    return twin


@pytest.mark.parametrize(
    "executor", [{"in_process": {}}, {"multiprocess": {"max_concurrent": 2}}], ids=["in process", "multiprocess"]
)
@pytest.mark.parametrize("function", ["sleeping", "deaf"])
def test_a_time_out_ends_a_step_that_the_ui_started(
    served: tuple[ProjectFolder, DagsterServer], function: str, executor: dict[str, object]
) -> None:
    project, server = served
    name = f"{function}_{next(iter(executor))}"
    project.write(
        "endless.py",
        """
        import ctypes
        import time


        def sleeping() -> dict:
            time.sleep(600)


        def deaf() -> dict:
            # Waits in C for a lock that it holds itself, whatever signals come.
            mutex = ctypes.create_string_buffer(64)
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
        """,
    )
    project.write(
        f"{name}.yaml",
        f"name: {name}\nrun_timeout: 500\nsteps:\n"
        f"  - {{name: stuck, layer: bronze, python: 'endless:{function}', timeout: 0.5}}\n",
    )
    server.reload()
    assert server.launch(name, config={"execution": {"config": executor}})["status"] == "FAILURE"
    assert server.wait_for_run_of(name)["tags"]["dagster/max_runtime"] == "500"
    (run,) = project.oda("history", f"{name}.yaml", "--json").json["runs"]
    assert (run["status"], run["can_resume"]) == ("failed", True)
    assert run["seconds"] > 0.5
    told = project.oda("logs", run["run_id"]).text
    assert "took longer than its timeout of 0.5 s" in told
    assert ("could not be interrupted" in told) == (function == "deaf")
