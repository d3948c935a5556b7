"""Dagster learns, without a run, what is current: a lost home, a head that moved back, another machine's results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from project_folder import ProjectFolder

from odibi_assets.decide.plan import open_world
from odibi_assets.declare.project import Project
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.orchestrate.sync import sync

from ..journeys.shop import STEPS, make_shop
from .code_location import PIPELINE, CodeLocation

SEVERAL = """\
  - name: parts
    layer: gold
    inputs: [orders]
    after: [count]
    python: parts:parts
    outputs: {left: {format: json}, right: {format: json}}
  - {name: joined, layer: gold, inputs: {one: parts.left}, after: [parts], python: "parts:joined"}
"""
PARTS = """
    def parts(orders):
        return {"left": {"n": len(orders)}, "right": {"n": 0}}


    def joined(one: dict) -> str:
        return str(one)
    """


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    return make_shop(project)


def materializations(project: ProjectFolder) -> dict[str, dg.AssetMaterialization]:
    """Step → its last materialization in the project's home."""
    instance = dg.DagsterInstance.from_config(str(project.root / "dagster_home"))
    found = {}
    for name in STEPS:
        event = instance.get_latest_materialization_event(dg.AssetKey(["shop", name]))
        if event is not None and event.asset_materialization is not None:
            found[name] = event.asset_materialization
    return found


def versions(project: ProjectFolder) -> dict[str, str]:
    return {name: (found.tags or {})["dagster/data_version"] for name, found in materializations(project).items()}


def current(project: ProjectFolder) -> dict[str, str]:
    steps = project.oda("run", "pipe.yaml", "--json").json["steps"]
    return {step["name"]: step["version"] for step in steps}


def test_a_lost_home_learns_of_every_current_result_once(shop: ProjectFolder) -> None:
    document = shop.run()
    before = materializations(shop)
    shutil.rmtree(shop.root / "dagster_home")
    first = shop.oda("sync", "--json").json
    assert first["environment"] == "default"
    assert first["pipelines"] == [{"pipeline": "shop", "reported": list(STEPS), "unchanged": [], "missing": []}]
    assert versions(shop) == {step["name"]: step["version"] for step in document["steps"]}
    for name, found in materializations(shop).items():
        tags = {key: value for key, value in (found.tags or {}).items() if "pointer" not in key}
        assert tags == {key: value for key, value in (before[name].tags or {}).items() if "pointer" not in key}
        assert set(found.metadata) >= {"outcome", "reason", "key", "seconds", "dagster/row_count", "columns", "bytes"}
        assert found.metadata["dagster/column_schema"] == before[name].metadata["dagster/column_schema"]
    (again,) = shop.oda("sync", "pipe.yaml", "--json").json["pipelines"]
    assert again == {"pipeline": "shop", "reported": [], "unchanged": list(STEPS), "missing": []}


def test_after_a_sync_every_asset_of_a_lost_home_is_fresh(location: CodeLocation, tmp_path: Path) -> None:
    text = (location.root / "pipe.yaml").read_text().replace("name: count\n", "name: count\n    after: [totals]\n", 1)
    location.write("pipe.yaml", text + SEVERAL)
    location.write("parts.py", PARTS)
    definitions = location.load()
    assert location.launch(definitions).success
    pipeline = PipelineSource(Project.at(location.root), location.root / "pipe.yaml").definition().checked()
    other = tmp_path / "other"
    other.mkdir()
    with dg.DagsterInstance.local_temp(str(other)) as instance:
        world = open_world(Project.at(location.root), PIPELINE, None)
        assert world.current is not None
        synced = sync(pipeline, world.current.steps, world.results, instance, reason="a test")
        assert synced.reported == ("orders", "big_orders", "totals", "count", "parts", "joined")
        assert sync(pipeline, world.current.steps, world.results, instance, reason="a test").reported == ()
        asset_graph = location.load().resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, asset_graph, loading_context=LoadingContextForTest(instance))
        keys = asset_graph.get_all_asset_keys()
        assert dg.AssetKey([PIPELINE, "parts", "left"]) in keys
        assert {key: resolver.get_status(key) for key in keys} == dict.fromkeys(keys, StaleStatus.FRESH)


def test_what_was_never_run_is_not_reported(shop: ProjectFolder) -> None:
    assert shop.oda("sync", "--json").json["pipelines"][0]["reported"] == []
    shop.run("--select", "orders")
    shutil.rmtree(shop.root / "dagster_home")
    assert "1 reported" in shop.oda("sync").stdout


def test_a_move_is_not_reported_once_another_run_moved_on(shop: ProjectFolder) -> None:
    """A → B → A without a run, then C from elsewhere: the journal's A must not be told after C."""
    shop.run()
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.run()
    shop.edit("data/orders.csv", "4,2,5", "4,2,4")
    assert shop.run()["run_id"] is None
    queued = sorted((shop.root / ".oda" / "journal").rglob("*.*"))
    kept = {path: path.read_bytes() for path in queued if path.is_file()}
    assert kept
    shop.edit("data/orders.csv", "4,2,4", "4,2,6")
    shop.run()
    for path, data in kept.items():
        path.write_bytes(data)
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    shop.run()
    assert versions(shop) == current(shop)


def test_a_damaged_entry_of_the_journal_stops_no_run(shop: ProjectFolder) -> None:
    shop.run()
    shop.write(".oda/journal/moves/default/shop/2026", "{")
    shutil.rmtree(shop.root / "dagster_home")
    shop.run("--force=summary")
    assert versions(shop) == current(shop)
    assert not (shop.root / ".oda/journal/moves/default/shop/2026").exists()


def test_a_result_that_comes_back_beside_a_run_is_reported_with_it(shop: ProjectFolder) -> None:
    first = shop.run()
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.run()
    shop.edit("data/orders.csv", "4,2,5", "4,2,4")
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    document = shop.run()
    assert {step["name"] for step in document["steps"] if step["outcome"] == "computed"} == {"summary"}
    assert versions(shop) == {step["name"]: step["version"] for step in document["steps"]}
    totals = {step["name"]: step["version"] for step in first["steps"]}["totals"]
    tags = materializations(shop)["summary"].tags or {}
    assert tags["dagster/input_data_version/shop/totals"] == totals
    assert json.loads(shop.oda("sync", "--json").stdout)["pipelines"][0]["reported"] == []
