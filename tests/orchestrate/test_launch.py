"""Runs from the command line are Dagster's own; these tests say so when Dagster moves its private modules."""

from __future__ import annotations

import os

import dagster as dg
from project_folder import ProjectFolder

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.location import MODULE, REPOSITORY, location_name

PIPELINE = """
    name: shop
    steps:
      - {name: orders, layer: bronze, read: {format: csv, path: orders.csv}}
      - {name: total, layer: gold, inputs: [orders], sql: select count(*) as n from orders}
    """


def run(project: ProjectFolder, *arguments: str) -> tuple[dict[str, object], dg.DagsterRun, list[str]]:
    """A run's document, Dagster's record of it, and the types of its events."""
    project.write("pipe.yaml", PIPELINE)
    project.write("orders.csv", "a\n1\n")
    document = project.run(*arguments)
    home = str(project.root / "dagster_home")
    with dg.DagsterInstance.from_config(home) as instance:
        found = instance.get_run_by_id(str(document["run_id"]))
        assert found is not None
        events = [log.dagster_event.event_type_value for log in instance.all_logs(found.run_id) if log.dagster_event]
    return document, found, events


def test_a_run_is_an_ordinary_one_with_all_events(project: ProjectFolder) -> None:
    _, found, events = run(project)
    assert found.status == dg.DagsterRunStatus.SUCCESS
    assert found.job_name == "shop"
    assert events.count("STEP_SUCCESS") == events.count("ASSET_MATERIALIZATION") == 2
    assert found.asset_selection == {dg.AssetKey(["shop", "orders"]), dg.AssetKey(["shop", "total"])}


def test_a_run_names_the_code_location_that_can_re_execute_it(project: ProjectFolder) -> None:
    _, found, _ = run(project)
    origin = found.remote_job_origin
    assert origin is not None
    assert origin.job_name == "shop"
    assert origin.repository_origin.repository_name == REPOSITORY
    location = origin.repository_origin.code_location_origin
    assert location.location_name == location_name(Project.at(project.root))
    assert location.loadable_target_origin.module_name == MODULE  # type: ignore[attr-defined]
    assert location.loadable_target_origin.working_directory == str(project.root)  # type: ignore[attr-defined]


def test_only_what_has_to_run_is_in_the_run(project: ProjectFolder) -> None:
    run(project)
    project.write("pipe.yaml", PIPELINE.replace("count(*)", "count(*) + 1"))
    document = project.run()
    with dg.DagsterInstance.from_config(str(project.root / "dagster_home")) as instance:
        found = instance.get_run_by_id(str(document["run_id"]))
    assert found is not None
    assert found.asset_selection == {dg.AssetKey(["shop", "total"])}


def test_the_daemon_does_not_retry_it_and_it_carries_what_it_was_made_with(project: ProjectFolder) -> None:
    project.env["ODA_ENVIRONMENT"] = "dev"
    _, found, _ = run(project, "--force=total")
    assert found.tags["dagster/max_retries"] == "0"
    assert found.tags["odibi_assets/environment"] == "dev"
    assert found.tags["odibi_assets/force"] == '["total"]'
    assert len(found.tags["odibi_assets/store"]) == 32


def test_a_home_that_is_missing_is_made_with_telemetry_off(project: ProjectFolder) -> None:
    run(project)
    assert "enabled: false" in (project.root / "dagster_home" / "dagster.yaml").read_text()
    assert os.path.isdir(project.root / "dagster_home" / "history")


def test_a_move_without_a_run_is_reported_by_the_next_process(project: ProjectFolder) -> None:
    first, _, _ = run(project)
    project.write("orders.csv", "a\n1\n2\n")
    project.run()
    project.write("orders.csv", "a\n1\n")
    assert project.run()["run_id"] is None
    versions = {step["name"]: step["version"] for step in first["steps"]}  # type: ignore[attr-defined]
    home = str(project.root / "dagster_home")

    def latest() -> str | None:
        with dg.DagsterInstance.from_config(home) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey(["shop", "orders"]))
            assert event is not None
            assert event.asset_materialization is not None
            return (event.asset_materialization.tags or {}).get("dagster/data_version")

    assert latest() != versions["orders"]
    project.run("--force=total")
    assert latest() == versions["orders"]
