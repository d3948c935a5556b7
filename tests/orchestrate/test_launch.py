"""Runs from the command line are ordinary Dagster runs: these tests fail when Dagster moves what launch.py uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
import yaml
from project_folder import ProjectFolder

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.location import MODULE, REPOSITORY, location_name

from ..journeys.shop import STEPS, make_shop
from .code_location import Execution

CHECKOUT = Path(__file__).parents[2]
Kind = dg.DagsterEventType


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    return make_shop(project)


def recorded(project: ProjectFolder, run_id: str) -> Execution:
    """The run as Dagster's instance has it."""
    instance = dg.DagsterInstance.from_config(str(project.root / "dagster_home"))
    run = instance.get_run_by_id(run_id)
    assert run is not None, f"Dagster has no run {run_id}"
    return Execution(run_id, run.status is dg.DagsterRunStatus.SUCCESS, instance)


def selected(execution: Execution) -> set[str]:
    return {key.path[-1] for key in execution.run.asset_selection or ()}


def test_a_run_is_in_the_instance_with_the_events_of_every_step(shop: ProjectFolder) -> None:
    document = shop.run()
    found = recorded(shop, document["run_id"])
    assert found.success
    assert found.run.job_name == "shop"
    assert found.step_keys(Kind.STEP_SUCCESS) == found.step_keys(Kind.ASSET_MATERIALIZATION)
    assert set(found.step_keys(Kind.STEP_SUCCESS)) == set(STEPS)
    assert found.versions == {step["name"]: step["version"] for step in document["steps"]}
    assert len(found.events(Kind.RUN_SUCCESS)) == 1


def test_a_run_says_which_code_location_it_belongs_to(shop: ProjectFolder) -> None:
    origin = recorded(shop, shop.run()["run_id"]).run.remote_job_origin
    assert origin is not None
    assert origin.job_name == "shop"
    assert origin.location_name == location_name(Project.at(shop.root))
    assert origin.repository_origin.repository_name == REPOSITORY
    target = origin.repository_origin.code_location_origin.loadable_target_origin
    assert (target.module_name, target.working_directory) == (MODULE, str(shop.root))


def test_the_location_is_named_as_in_the_workspace_of_the_checkout() -> None:
    workspace = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())
    (module,) = [entry["python_module"] for entry in workspace["load_from"]]
    assert (module["location_name"], module["module_name"]) == (location_name(Project.at(CHECKOUT)), MODULE)


def test_two_folders_of_one_name_are_two_locations(tmp_path: Path) -> None:
    folders = [tmp_path / place / "project" for place in ("here", "there")]
    for folder in folders:
        folder.mkdir(parents=True)
    names = [location_name(Project.at(folder)) for folder in folders]
    assert len(set(names)) == 2
    assert all(name.startswith("project-") for name in names)


def test_a_run_carries_the_store_the_environment_and_what_was_set(shop: ProjectFolder) -> None:
    shop.env["ODA_ENVIRONMENT"] = "dev-ann"
    tags = recorded(shop, shop.run("--set", "minimum=3", "--force=customers")["run_id"]).run.tags
    assert tags["odibi_assets/environment"] == "dev-ann"
    assert tags["odibi_assets/store"] == json.loads((shop.root / ".oda" / "format.json").read_text())["store_id"]
    assert json.loads(tags["odibi_assets/set"])["params"] == {"minimum": 3}
    assert json.loads(tags["odibi_assets/force"]) == ["customers"]


def test_a_run_executes_only_what_has_to_run(shop: ProjectFolder) -> None:
    shop.run()
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    found = recorded(shop, shop.run()["run_id"])
    assert selected(found) == {"summary"}
    assert found.step_keys(Kind.STEP_SUCCESS) == ["summary"]


def test_a_run_with_nothing_to_do_is_none_unless_it_is_asked_for(shop: ProjectFolder) -> None:
    first = shop.run()["run_id"]
    assert shop.run()["run_id"] is None
    instance = recorded(shop, first).instance
    assert [run.run_id for run in instance.get_runs()] == [first]
    asked = recorded(shop, shop.run("--record")["run_id"])
    assert asked.outcomes == dict.fromkeys(STEPS, "cached")


def test_a_resumed_run_names_its_parent_and_its_root_and_may_be_retried_again(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    first = recorded(shop, shop.run(status=1)["run_id"])
    assert first.run.status is dg.DagsterRunStatus.FAILURE
    assert first.run.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    second = recorded(shop, shop.oda("resume", "pipe.yaml", "--json").json["run_id"])
    (shop.root / "broken").unlink()
    third = recorded(shop, shop.oda("resume", "pipe.yaml", "--json").json["run_id"])
    assert third.success
    assert (second.run.parent_run_id, second.run.root_run_id) == (first.run_id, first.run_id)
    assert (third.run.parent_run_id, third.run.root_run_id) == (second.run_id, first.run_id)
    assert third.run.tags["dagster/parent_run_id"] == second.run_id
    assert third.run.tags["dagster/root_run_id"] == first.run_id
    assert third.run.tags["dagster/retry_on_asset_or_op_failure"] == "true"
    assert selected(third) == {"big_orders", "named_orders", "totals", "summary"}
    group = third.instance.get_run_group(first.run_id)
    assert group is not None
    assert {run.run_id for run in group[1]} == {first.run_id, second.run_id, third.run_id}


def test_the_daemon_does_not_take_up_a_run_whose_user_is_at_the_terminal(shop: ProjectFolder) -> None:
    shop.write("dagster_home/dagster.yaml", "telemetry: {enabled: false}\nrun_retries: {enabled: true, max_retries: 3}")
    shop.edit("transforms.py", 'ValueError("the silver step is broken")', 'ConnectionError("reset")')
    shop.write("broken", "")
    found = recorded(shop, shop.run(status=1)["run_id"])
    assert found.instance.run_retries_max_retries == 3
    # Dagster decides when it stores the failure.
    assert found.run.tags["dagster/will_retry"] == "false"


def test_a_home_that_is_missing_is_made_with_telemetry_off(shop: ProjectFolder) -> None:
    recorded(shop, shop.run()["run_id"])
    settings = yaml.safe_load((shop.root / "dagster_home" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}


def test_a_move_without_a_run_is_reported_by_the_next_run(shop: ProjectFolder) -> None:
    first = recorded(shop, shop.run()["run_id"])
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.run()
    shop.edit("data/orders.csv", "4,2,5", "4,2,4")
    assert shop.run()["run_id"] is None

    def latest() -> str | None:
        event = first.instance.get_latest_materialization_event(dg.AssetKey(["shop", "orders"]))
        assert event is not None and event.asset_materialization is not None
        return (event.asset_materialization.tags or {}).get("dagster/data_version")

    assert latest() != first.versions["orders"]
    shop.run("--force=customers")
    assert latest() == first.versions["orders"]


_OPEN = """
import sys, time
from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.launch import open_instance
time.sleep(max(0, float(sys.argv[2]) - time.time()))
with open_instance(Project.at(sys.argv[1])) as instance:
    print(instance.get_runs_count())
"""


def test_processes_that_open_a_new_home_at_once_all_can(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER_")}
    at = str(time.time() + 4)  # when all of them have imported Dagster
    command = [sys.executable, "-c", _OPEN, str(tmp_path), at]
    opening = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    answers = [process.communicate(timeout=60)[0].decode() for process in opening]
    assert answers == ["0\n"] * 4
