"""Runs of the UI and the daemon are rolled back as those of the command line are, and Dagster knows of it."""

from __future__ import annotations

import signal

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from killed import in_fork

from .code_location import CodeLocation, Execution


@pytest.fixture
def shop(location: CodeLocation) -> CodeLocation:
    """The silver step can be undone; ``count`` fails while there is a file named ``broken``."""
    location.edit("pipe.yaml", "name: shop", "name: shop\nrollback: true")
    location.edit("pipe.yaml", "params: {minimum: 2}", "params: {minimum: 2}\n    rollback: undo:undo")
    location.edit("transforms.py", "import rules", "import os\nimport pathlib\nimport signal\n\nimport rules")
    location.edit(
        "transforms.py",
        '    called("count")\n',
        '    called("count")\n'
        '    if pathlib.Path("die").exists():\n        os.kill(os.getpid(), signal.SIGKILL)\n'
        '    if pathlib.Path("broken").exists():\n        raise ValueError("the count is broken")\n',
    )
    location.write(
        "undo.py",
        """
        def undo(context):
            with open("undone", "a") as told:
                told.write(f"{context.step} {context.effect} {len(context.result)}\\n")
        """,
    )
    return location


def undone(shop: CodeLocation) -> list[str]:
    path = shop.root / "undone"
    return path.read_text().splitlines() if path.exists() else []


def told(shop: CodeLocation) -> dict[str, str]:
    """Step → the version that Dagster believes current."""
    found = {}
    for step in shop.current.steps:
        event = shop.instance.get_latest_materialization_event(dg.AssetKey(["shop", step]))
        assert event is not None and event.asset_materialization is not None
        found[step] = (event.asset_materialization.tags or {})["dagster/data_version"]
    return found


def versions(shop: CodeLocation) -> dict[str, str]:
    return {step: str(reference.version) for step, reference in shop.current.steps.items()}


def reexecuted(shop: CodeLocation, parent: Execution, *, steps: list[str]) -> Execution:
    """These steps of the run again, as "re-execute from failure" does."""
    job = (
        shop.load().resolve_job_def("shop").get_subset(asset_selection={dg.AssetKey(["shop", name]) for name in steps})
    )
    tags = {"dagster/parent_run_id": parent.run_id, "dagster/root_run_id": parent.run_id}
    run = shop.instance.create_run_for_job(job, tags=tags, parent_run_id=parent.run_id, root_run_id=parent.run_id)
    events = list(execute_run_iterator(InMemoryJob(job), run, shop.instance))
    return Execution(run.run_id, events[-1].event_type_value == "PIPELINE_SUCCESS", shop.instance)


def test_a_failed_run_is_rolled_back_and_dagster_is_told(shop: CodeLocation) -> None:
    assert shop.launch().success
    before = versions(shop)
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.write("broken", "")
    assert not shop.launch().success
    assert undone(shop) == ["big_orders done 3"]
    assert versions(shop) == before == told(shop)


def test_a_run_that_succeeds_leaves_no_journal(shop: CodeLocation) -> None:
    assert shop.launch().success
    assert not list(shop.results.store.list("journal/effects"))
    assert undone(shop) == []


def test_a_killed_run_is_rolled_back_by_the_sensor_once(shop: CodeLocation) -> None:
    shop.write("die", "")
    assert in_fork(shop.launch) == -signal.SIGKILL
    (shop.root / "die").unlink()
    sensor = shop.load().get_repository_def().get_sensor_def("shop__rollback")
    assert undone(shop) == []
    for message in ("undone: big_orders", "No run waits for it."):
        with dg.build_sensor_context(instance=shop.instance) as context:
            data = sensor.evaluate_tick(context)
        assert message in (data.skip_message or "")
    assert undone(shop) == ["big_orders done 3"]
    assert versions(shop) == {}


def test_the_next_run_of_the_ui_finishes_it_too(shop: CodeLocation) -> None:
    shop.write("die", "")
    assert in_fork(shop.launch) == -signal.SIGKILL
    (shop.root / "die").unlink()
    shop.calls()
    assert shop.launch().success
    assert undone(shop) == ["big_orders done 3"]
    assert sorted(shop.calls()) == ["big_orders", "count"]


@pytest.mark.parametrize("mode", ["auto", "layer"])
def test_a_re_execution_from_failure_takes_what_is_kept_and_undoes_nothing_again(shop: CodeLocation, mode: str) -> None:
    shop.edit("pipe.yaml", "name: shop", f"name: shop\ncheckpoint: {{mode: {mode}}}")
    count = "    python: transforms:count"
    shop.edit("pipe.yaml", f"inputs: [orders]\n{count}", f"inputs: {{orders: big_orders}}\n{count}")
    shop.write("broken", "")
    failed = shop.launch()
    assert undone(shop) == ["big_orders done 3"]
    (shop.root / "broken").unlink()
    shop.calls()
    result = reexecuted(shop, failed, steps=["count"])
    assert result.success
    assert sorted(shop.calls()) == ["big_orders", "count"]
    assert {"orders", "big_orders", "count"} <= set(versions(shop))
    assert undone(shop) == ["big_orders done 3"]
