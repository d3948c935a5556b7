"""A pipeline as Dagster sees it: what its assets look like, and what a run of them records."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.api import execute_run_iterator
from dagster._core.executor.child_process_executor import ChildProcessCrashException

from odibi_assets.declare.policies import Retry
from odibi_assets.orchestrate.attempt import StepRetryPolicy

from .code_location import CodeLocation, Execution

STEPS = {"orders", "big_orders", "totals", "count"}
Kind = dg.DagsterEventType
Change = Callable[[CodeLocation], None]


def edit(file: str, old: str, new: str) -> Change:
    return lambda location: location.edit(file, old, new)


# What the assets look like.


def test_every_step_is_one_op_and_one_asset_under_the_name_of_the_pipeline(location: CodeLocation) -> None:
    definitions = location.load()
    assert definitions.resolve_asset_graph().get_all_asset_keys() == {dg.AssetKey(["shop", name]) for name in STEPS}
    job = definitions.resolve_job_def("shop")
    assert {node.name for node in job.nodes} == {f"shop__{name}" for name in STEPS}
    assert set(location.launch(definitions).step_keys(Kind.STEP_SUCCESS)) == STEPS


def test_an_asset_shows_its_pipeline_layer_engine_and_inputs(location: CodeLocation) -> None:
    graph = location.load().resolve_asset_graph()
    orders, big_orders, totals = (graph.get(dg.AssetKey(["shop", name])) for name in ("orders", "big_orders", "totals"))
    assert {orders.group_name, big_orders.group_name, totals.group_name} == {"shop"}
    assert [orders.kinds, big_orders.kinds, totals.kinds] == [
        {"bronze", "pandas"},
        {"silver", "pandas"},
        {"gold", "duckdb"},
    ]
    assert [asset.tags["layer"] for asset in (orders, big_orders, totals)] == ["bronze", "silver", "gold"]
    assert orders.description == "As the shop sent them."
    assert orders.parent_keys == set()
    assert big_orders.parent_keys == {orders.key}
    assert totals.parent_keys == {big_orders.key}


def test_an_order_without_data_is_a_dependency_too(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: count\n", "name: count\n    after: [totals]\n")
    graph = location.load().resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["shop", "count"])).parent_keys
    assert parents == {dg.AssetKey(["shop", "orders"]), dg.AssetKey(["shop", "totals"])}
    assert location.launch().success


# Code versions.

CODE_CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda location: None, set()),
    "a helper": (edit("rules.py", "amount >= minimum", "amount > minimum"), {"big_orders"}),
    "a param": (edit("pipe.yaml", "minimum: 2", "minimum: 3"), {"big_orders"}),
    "an input file": (edit("data/orders.csv", "4,2,4", "4,2,5"), {"orders"}),
    "a statement": (edit("pipe.yaml", "order by customer", "order by customer desc"), {"totals"}),
    "a comment": (edit("rules.py", "return amount", "# at least\n    return amount"), set()),
    "an unrelated function": (edit("rules.py", "return 1", "return 2"), set()),
    "a description": (edit("pipe.yaml", "As the shop sent them.", "Raw."), set()),
    "a policy": (edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 2}"), set()),
}


@pytest.mark.parametrize("name", CODE_CHANGES)
def test_a_change_gives_another_code_version_to_exactly_the_assets_whose_own_code_it_is(
    location: CodeLocation, name: str
) -> None:
    before = location.code_versions()
    assert set(before) == STEPS and None not in before.values()
    change, expected = CODE_CHANGES[name]
    change(location)
    after = location.code_versions()
    assert {step for step in STEPS if before[step] != after[step]} == expected


def test_a_materialization_records_the_code_version_that_the_location_shows(location: CodeLocation) -> None:
    shown = location.code_versions()
    found = location.launch().materializations
    assert {name: (event.tags or {})["dagster/code_version"] for name, event in found.items()} == shown


# What a run records.


def test_the_data_version_is_the_version_of_the_content(location: CodeLocation) -> None:
    versions = location.launch().versions
    assert versions == {name: str(reference.version) for name, reference in location.current.steps.items()}
    latest = location.instance.get_latest_materialization_event(dg.AssetKey(["shop", "totals"]))
    assert latest is not None and latest.asset_materialization is not None
    assert (latest.asset_materialization.tags or {})["dagster/data_version"] == versions["totals"]


def test_a_change_of_code_without_a_change_of_content_keeps_the_data_version(location: CodeLocation) -> None:
    first = location.launch()
    location.edit("rules.py", "amount >= minimum", "amount > minimum - 1")
    second = location.launch()
    assert second.outcomes == {"orders": "cached", "big_orders": "computed", "totals": "cached", "count": "cached"}
    assert second.versions == first.versions


def test_a_hit_is_a_materialization_with_the_same_version_and_its_transform_does_not_run(
    location: CodeLocation,
) -> None:
    first = location.launch()
    assert first.outcomes == dict.fromkeys(STEPS, "computed")
    assert sorted(location.calls()) == ["big_orders", "count"]
    second = location.launch()
    assert second.success
    assert second.outcomes == dict.fromkeys(STEPS, "cached")
    assert second.versions == first.versions
    assert location.calls() == []
    assert second.events(Kind.ASSET_OBSERVATION) == []


def test_a_materialization_tells_the_outcome_the_reason_and_the_size(location: CodeLocation) -> None:
    location.launch()
    location.edit("rules.py", "amount >= minimum", "amount > minimum")
    found = location.launch().materializations
    metadata = found["big_orders"].metadata
    assert metadata["outcome"].value == "computed"
    assert metadata["reason"].value == "helper rules.is_big changed (rules.py:2)"
    assert metadata["key"].value == str(location.current.steps["big_orders"].key)
    assert metadata["dagster/row_count"].value == 2
    assert isinstance(metadata["seconds"], dg.FloatMetadataValue) and (metadata["seconds"].value or 0) > 0
    assert isinstance(metadata["bytes"], dg.IntMetadataValue) and (metadata["bytes"].value or 0) > 0
    cached = found["orders"].metadata
    assert cached["reason"].value == "nothing changed"
    for values in (metadata, cached):
        schema = values["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchemaMetadataValue)
        assert {column.name: column.type for column in schema.schema.columns}.items() >= {
            ("id", "int64"),
            ("customer", "int64"),
            ("amount", "int64"),
        }


@pytest.mark.parametrize("columns", [3, 60, 2000])
def test_a_materialization_stays_under_8_kB_however_wide_the_frame(location: CodeLocation, columns: int) -> None:
    names = [f"a_rather_long_name_of_a_column_{number:04d}" for number in range(columns)]
    location.write("data/orders.csv", ",".join(["amount", *names]) + "\n" + ",".join(["1"] * (columns + 1)) + "\n")
    computed, cached = (location.launch(steps=["orders"]) for _ in range(2))
    assert (computed.outcomes, cached.outcomes) == ({"orders": "computed"}, {"orders": "cached"})
    for execution in (computed, cached):
        (event,) = execution.events(Kind.ASSET_MATERIALIZATION)
        assert len(dg.serialize_value(event).encode()) <= 8_000
        schema = execution.materializations["orders"].metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchemaMetadataValue)
        assert [column.name for column in schema.schema.columns][:2] == ["amount", names[0]]


# Inputs.


def test_inputs_are_loaded_only_where_something_is_computed(location: CodeLocation) -> None:
    location.launch()
    blob = damage_blob(location, "orders")
    damaged = blob.read_bytes()
    hit = location.launch()
    assert hit.outcomes == dict.fromkeys(STEPS, "cached")
    assert blob.read_bytes() == damaged
    location.edit("pipe.yaml", "minimum: 2", "minimum: 3")
    miss = location.launch()
    assert miss.outcomes == {"orders": "cached", "big_orders": "computed", "totals": "computed", "count": "cached"}
    assert blob.read_bytes() != damaged


def damage_blob(location: CodeLocation, step: str) -> Path:
    result = location.results.get(location.current.steps[step])
    assert result is not None
    digest = result.output.blobs[0].digest
    blob = location.root / ".oda" / "blobs" / digest.hex[:2] / digest.hex
    size = blob.stat().st_size
    blob.chmod(0o644)
    blob.write_bytes(b"x" * size)
    return blob


def user_assets(*, orders: type = pd.DataFrame) -> dg.Definitions:
    def report(orders):
        amounts = [int(str(amount)) for amount in orders["amount"]]
        return dg.MaterializeResult(metadata={"type": type(orders).__module__, "amounts": str(amounts)})

    report.__annotations__["orders"] = orders
    decorated = dg.asset(ins={"orders": dg.AssetIn(key=dg.AssetKey(["shop", "orders"]))})(report)
    job = dg.define_asset_job("both", selection=dg.AssetSelection.all())
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.assets("report"))
    return dg.Definitions(assets=[decorated], jobs=[job, alone], executor=dg.in_process_executor)


def test_an_asset_of_the_user_gets_the_frame_of_a_step_of_its_own_run(location: CodeLocation) -> None:
    job = location.load(user_assets()).resolve_job_def("both")
    result = job.execute_in_process(instance=location.instance)
    (event,) = result.asset_materializations_for_node("report")
    assert event.metadata["amounts"].value == "[1, 2, 3, 4]"
    assert str(event.metadata["type"].value).startswith("pandas")


def test_an_asset_of_the_user_gets_what_is_current_where_its_run_has_no_step(location: CodeLocation) -> None:
    location.launch()
    location.edit("data/orders.csv", "4,2,4", "4,2,9")  # not run yet, so not current
    job = location.load(user_assets()).resolve_job_def("alone")
    result = job.execute_in_process(instance=location.instance)
    (event,) = result.asset_materializations_for_node("report")
    assert event.metadata["amounts"].value == "[1, 2, 3, 4]"


def test_an_asset_of_the_user_may_ask_for_an_arrow_table(location: CodeLocation) -> None:
    import pyarrow as pa

    job = location.load(user_assets(orders=pa.Table)).resolve_job_def("both")
    result = job.execute_in_process(instance=location.instance)
    (event,) = result.asset_materializations_for_node("report")
    assert str(event.metadata["type"].value).startswith("pyarrow")


def test_an_asset_of_the_user_is_told_what_to_do_where_a_step_has_no_result(location: CodeLocation) -> None:
    job = location.load(user_assets()).resolve_job_def("alone")
    result = job.execute_in_process(instance=location.instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "shop/orders has no current result. Materialize it first." in str(failure.step_failure_data.error)


# Failures.


def fail(location: CodeLocation, step: str, error: str) -> None:
    """Make a step raise while the file ``broken`` exists."""
    location.edit("transforms.py", "import rules\n", "import pathlib\n\nimport rules\n")
    location.edit(
        "transforms.py",
        f'called("{step}")\n',
        f'called("{step}")\n    if pathlib.Path("broken").exists():\n        raise {error}\n',
    )
    location.write("broken", "")


def test_a_transient_error_is_retried_and_then_succeeds(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 3}")
    location.edit("transforms.py", "def count(orders):", "def count(orders, context):")
    location.edit(
        "transforms.py",
        'called("count")\n',
        'called("count")\n    if context.attempt < 3:\n        raise ConnectionError("reset")\n',
    )
    execution = location.launch()
    assert execution.success
    assert execution.step_keys(Kind.STEP_UP_FOR_RETRY) == ["count", "count"]
    assert execution.step_keys(Kind.STEP_RESTARTED) == ["count", "count"]
    assert execution.materializations["count"].metadata["attempt"].value == 3
    assert location.calls().count("count") == 3
    assert location.launch().outcomes["count"] == "cached"


def test_a_transient_error_without_a_retry_left_fails_and_the_daemon_may_try_the_run_again(
    location: CodeLocation,
) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 2}")
    fail(location, "count", 'ConnectionError("reset")')
    execution = location.launch()
    assert not execution.success
    assert location.calls().count("count") == 3
    assert execution.step_keys(Kind.STEP_FAILURE) == ["count"]
    assert "dagster/retry_on_asset_or_op_failure" not in execution.run.tags


def test_a_permanent_error_is_not_retried_neither_by_the_step_nor_by_the_daemon(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 3}")
    fail(location, "count", 'ValueError("wrong")')
    execution = location.launch()
    assert not execution.success
    assert location.calls().count("count") == 1
    assert execution.step_keys(Kind.STEP_UP_FOR_RETRY) == []
    assert execution.run.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    (failure,) = [event for event in execution.events(Kind.STEP_FAILURE) if event.step_key == "shop__count"]
    assert "ValueError: wrong" in str(failure.step_failure_data.error)


def test_a_run_that_the_ui_or_the_daemon_executes_too_often_is_told_so_and_not_taken_up_again(
    location: CodeLocation,
) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\nresume: {max_attempts: 2}")
    fail(location, "count", 'ConnectionError("reset")')
    first = location.launch()
    second = reexecuted(location, first, first)
    assert location.calls().count("count") == 2
    third = reexecuted(location, second, first)
    assert location.calls() == []
    assert third.run.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    errors = [str(event.step_failure_data.error) for event in third.events(Kind.STEP_FAILURE)]
    assert any("was tried 2 times" in error and "resume.max_attempts" in error for error in errors)


def reexecuted(
    location: CodeLocation, parent: Execution, root: Execution, *, steps: Collection[str] | None = None
) -> Execution:
    """The run again, all of it or some steps, as the UI asks for it."""
    job = location.load().resolve_job_def("shop")
    keys = frozenset(dg.AssetKey(["shop", step]) for step in steps) if steps is not None else None
    if keys is not None:
        job = job.get_subset(asset_selection=keys)
    run = location.instance.create_run_for_job(
        job,
        tags={"dagster/parent_run_id": parent.run_id, "dagster/root_run_id": root.run_id},
        parent_run_id=parent.run_id,
        root_run_id=root.run_id,
        asset_selection=keys,
    )
    events = list(execute_run_iterator(InMemoryJob(job), run, location.instance))
    return Execution(run.run_id, events[-1].event_type is Kind.RUN_SUCCESS, location.instance)


def test_the_retry_policy_of_an_asset_is_that_of_its_step(location: CodeLocation) -> None:
    location.edit(
        "pipe.yaml",
        "name: shop",
        "name: shop\nretry: {max_retries: 3, delay: 5, backoff: exponential, jitter: full}",
    )
    location.edit("pipe.yaml", "params: {minimum: 2}", "params: {minimum: 2}\n    retry: {max_retries: 1, delay: 2}")
    job = location.load().resolve_job_def("shop")
    policies = {node.name: node.definition.retry_policy for node in job.nodes}
    assert policies["shop__count"] == dg.RetryPolicy(3, 5, dg.Backoff.EXPONENTIAL, dg.Jitter.FULL)
    assert policies["shop__big_orders"] == dg.RetryPolicy(1, 2)


def test_the_policy_is_among_the_metadata_that_the_ui_shows_of_an_asset(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 3, delay: 5, backoff: exponential}")
    assets = location.load().resolve_all_asset_specs()
    told = {spec.key.path[-1]: spec.metadata.get("retry") for spec in assets}
    assert told["count"] == "at most 3 times, after 5 s (exponential)"


def test_a_step_whose_copy_cannot_be_written_is_not_computed_again(location: CodeLocation) -> None:
    """What the IO manager raises is no reason to run a step again, though Dagster would."""
    location.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 3, on: [Exception]}")
    location.edit("pipe.yaml", "name: count\n", "name: count\n    write: {format: json, path: taken/count.json}\n")
    location.write("taken", "")
    execution = location.launch()
    assert not execution.success
    assert location.calls().count("count") == 1
    assert execution.step_keys(Kind.STEP_UP_FOR_RETRY) == []


def test_dagster_applies_the_policy_where_a_process_ended_and_to_no_exception() -> None:
    policy = StepRetryPolicy(Retry(max_retries=3, delay=5, backoff="exponential", max_delay=20))
    assert policy == dg.RetryPolicy(3, 5, dg.Backoff.EXPONENTIAL)
    assert [policy.calculate_delay(attempt) for attempt in (1, 2, 3)] == [5, 15, 20]
    assert bool(policy)
    seen = {}
    for error in (ChildProcessCrashException(1), KeyboardInterrupt(), DagsterExecutionInterruptedError(), OSError()):
        try:
            raise error
        except BaseException:
            seen[type(error)] = bool(policy)
    assert [kind for kind, counts in seen.items() if counts] == [ChildProcessCrashException]


def test_fail_fast_holds_back_independent_steps_which_are_then_not_done(location: CodeLocation) -> None:
    fail(location, "big_orders", 'ValueError("wrong")')
    location.edit("pipe.yaml", "name: count\n", "name: zcount\n")  # after big_orders in every order of names
    execution = location.launch()
    assert not execution.success
    assert location.calls() == ["big_orders"]
    assert execution.outcomes == {"orders": "computed"}
    assert set(location.current.steps) == {"orders"}
    (location.root / "broken").unlink()
    assert location.launch().outcomes == {
        "orders": "cached",
        "big_orders": "computed",
        "totals": "computed",
        "zcount": "computed",
    }


def test_continue_lets_independent_steps_run(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\non_error: continue")
    fail(location, "big_orders", 'ValueError("wrong")')
    location.edit("pipe.yaml", "name: count\n", "name: zcount\n")
    execution = location.launch()
    assert not execution.success
    assert sorted(location.calls()) == ["big_orders", "count"]
    assert execution.outcomes == {"orders": "computed", "zcount": "computed"}
    assert set(location.current.steps) == {"orders", "zcount"}
    assert execution.step_keys(Kind.STEP_SUCCESS) == ["orders", "zcount"]


# Absences.


def make_optional(location: CodeLocation, how: str = "optional: true") -> None:
    """`big_orders` fails, and is optional; `totals` needs it, `count` accepts that it is absent."""
    location.edit("pipe.yaml", "- name: big_orders\n", f"- name: big_orders\n    {how}\n")
    accepting = "inputs: {orders: orders, big: {step: big_orders, if_absent: none}}\n    python: transforms:both"
    location.edit("pipe.yaml", "inputs: [orders]\n    python: transforms:count", accepting)
    more = "def both(orders, big):\n    return pd.DataFrame({'n': [len(orders)], 'big': [big is not None]})\n"
    path = location.root / "transforms.py"
    path.write_text(f"{path.read_text()}\n\n{more}")


def test_dagster_sees_a_success_and_skips_what_needs_an_absent_step(location: CodeLocation) -> None:
    make_optional(location)
    fail(location, "big_orders", 'ValueError("wrong")')
    execution = location.launch()
    assert execution.success
    assert execution.outcomes == {"orders": "computed", "big_orders": "absent", "count": "computed"}
    assert execution.versions["big_orders"] == "absent"
    assert execution.materializations["big_orders"].metadata["error"].value == "ValueError: wrong"
    assert set(location.current.steps) == {"orders", "count"}
    (observed,) = execution.events(Kind.ASSET_OBSERVATION)
    assert observed.asset_key == dg.AssetKey(["shop", "totals"])


def test_an_absent_step_that_nobody_does_without_is_observed_and_dagster_skips_on(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "- name: big_orders\n", "- name: big_orders\n    when: false\n")
    execution = location.launch()
    assert execution.success
    assert execution.step_keys(Kind.STEP_SKIPPED) == ["totals"]
    assert execution.outcomes == {"orders": "computed", "count": "computed"}
    (observed,) = execution.events(Kind.ASSET_OBSERVATION)
    assert observed.asset_observation_data.asset_observation.metadata["reason"].value == "its condition is false: false"


def test_a_part_of_a_run_takes_a_step_whose_condition_is_false_as_absent(location: CodeLocation) -> None:
    make_optional(location, "when: true")
    assert location.launch().outcomes == dict.fromkeys(STEPS, "computed")
    location.edit("pipe.yaml", "when: true", "when: false")
    execution = location.launch(steps=["count", "totals"])
    assert execution.success
    assert execution.outcomes == {"count": "computed"}
    (observed,) = execution.events(Kind.ASSET_OBSERVATION)
    assert observed.asset_key == dg.AssetKey(["shop", "totals"])


def test_a_re_execution_from_failure_keeps_what_was_absent(location: CodeLocation) -> None:
    make_optional(location)
    location.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}\non_error: continue")
    fail(location, "big_orders", 'ValueError("wrong")')
    location.edit("transforms.py", "def both(orders, big):\n", "def both(orders, big):\n    open('data/there')\n")
    first = location.launch()
    assert not first.success
    (location.root / "broken").unlink()
    location.write("data/there", "")
    second = reexecuted(location, first, first, steps=["count"])
    assert second.success
    assert second.outcomes == {"count": "computed"}
    assert set(location.current.steps) == {"orders", "count"}
    third = reexecuted(location, first, first)
    assert third.outcomes == dict.fromkeys(STEPS, "computed") | {"orders": "cached"}


# Checkpoints.


def test_auto_publishes_each_step_as_it_finishes(location: CodeLocation) -> None:
    location.launch()
    published = [set(snapshot.steps) for snapshot in location.snapshots.history()]
    assert [len(steps) for steps in published] == [4, 3, 2, 1]


def test_layer_publishes_the_results_of_a_layer_together(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}")
    execution = location.launch()
    published = [set(snapshot.steps) for snapshot in location.snapshots.history()]
    assert published == [STEPS, {"orders", "big_orders"}, {"orders"}]
    assert {snapshot.run_id for snapshot in location.snapshots.history()} == {execution.run_id}


def test_layer_does_not_publish_a_layer_in_which_a_step_failed_but_keeps_what_it_finished(
    location: CodeLocation,
) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}\non_error: continue")
    fail(location, "count", 'ValueError("wrong")')
    first = location.launch()
    assert first.outcomes == {"orders": "computed", "big_orders": "computed", "totals": "computed"}
    assert set(location.current.steps) == {"orders", "big_orders"}
    (location.root / "broken").unlink()
    second = location.launch()
    assert second.outcomes == {"orders": "cached", "big_orders": "cached", "totals": "cached", "count": "computed"}
    assert second.versions.items() >= first.versions.items()
    assert set(location.current.steps) == STEPS


def test_layer_shows_the_earlier_results_of_a_layer_until_all_of_it_succeeded(location: CodeLocation) -> None:
    location.edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}\non_error: continue")
    before = location.launch().versions
    fail(location, "count", 'ValueError("wrong")')
    location.edit("data/orders.csv", "4,2,4", "4,2,5")
    after = location.launch()
    assert after.outcomes == dict.fromkeys(STEPS - {"count"}, "computed")
    shown = {name: str(reference.version) for name, reference in location.current.steps.items()}
    assert shown == {**before, "orders": after.versions["orders"], "big_orders": after.versions["big_orders"]}


# Where a run belongs.


@pytest.mark.parametrize(("variable", "value"), [("ODA_STORE", "elsewhere"), ("ODA_ENVIRONMENT", "prod")])
def test_a_run_in_a_process_that_resolves_another_store_or_environment_fails_and_writes_nothing(
    location: CodeLocation, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    tags = location.load().resolve_job_def("shop").tags
    monkeypatch.setenv(variable, value)
    execution = location.launch(tags=tags)
    assert not execution.success
    (failure,) = execution.events(Kind.STEP_FAILURE)
    assert "Set ODA_STORE and ODA_ENVIRONMENT alike" in str(failure.step_failure_data.error)
    assert location.calls() == []
    assert location.snapshots.current() is None
