"""Dagster is told, without a run, what is current: the store's head says it, not Dagster's last materialization.

A Dagster home may not know it: because it was lost, because another machine computed it, or
because a run with nothing to do moved the head (A → B → A). All three are this one function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from odibi_assets.decide.plan import World
from odibi_assets.declare.input import Input
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.keep.moves import queued_moves
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.results import Results
from odibi_assets.orchestrate.materialization import result_metadata
from odibi_assets.orchestrate.names import asset_keys, input_key

_VERSION, _CODE = "dagster/data_version", "dagster/code_version"
_INPUT, _POINTER = "dagster/input_data_version", "dagster/input_event_pointer"


@dataclass(frozen=True)
class Synced:
    """What became of each step that has a current result.

    Attributes:
        reported: Steps that Dagster was told of.
        unchanged: Steps of which it knew.
        missing: Steps whose result record is gone from the store.
    """

    reported: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asset:
    """One output of one step.

    Attributes:
        output: Its name; None for the only one.
        inputs: The asset of each input → what the step takes of it, or waits for.
    """

    key: dg.AssetKey
    step: str
    output: str | None
    inputs: Mapping[dg.AssetKey, Input]


def sync(
    pipeline: Pipeline,
    current: Mapping[str, ResultReference],
    results: Results,
    instance: dg.DagsterInstance,
    *,
    reason: str,
    only: Iterable[str] | None = None,
) -> Synced:
    """Report what is current where Dagster's last materialization says something else; a second time reports nothing.

    Args:
        current: Step → its current result.
        reason: Why it is reported, for the metadata.
        only: Steps to look at; all unless given.
    """
    looked_at = set(current if only is None else only)
    assets = [asset for asset in _assets(pipeline) if asset.step in current and asset.step in looked_at]
    known = _known(instance, [asset.key for asset in assets])
    found: dict[str, Result | None] = {}
    reported: set[str] = set()
    for asset in assets:
        reference = current[asset.step]
        if asset.step not in found:
            found[asset.step] = results.get(reference)
        result = found[asset.step]
        if result is None:
            continue
        inputs = _inputs(asset, result, current)
        expected = {
            _VERSION: str(reference.output(asset.output).version),
            _CODE: str(result.key.code_version()),
            **{f"{_INPUT}/{key.to_user_string()}": version for key, version in inputs.items()},
        }
        if expected.items() <= known.get(asset.key, {}).items():
            continue
        pointers = {f"{_POINTER}/{key.to_user_string()}": _pointer(instance, key) for key in inputs}
        tags = {**expected, **pointers, "dagster/data_version_is_user_provided": "true"}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(asset.key, tags=tags, metadata=_metadata(result, asset.output, reason))
        )
        reported.add(asset.step)
    missing = tuple(step for step, result in found.items() if result is None)
    return Synced(
        reported=tuple(step for step in found if step in reported),
        unchanged=tuple(step for step in found if step not in reported and step not in missing),
        missing=missing,
    )


def report_moves(pipeline: Pipeline, environment: str, world: World, instance: dg.DagsterInstance) -> None:
    """Report what runs with nothing to do made current, and take it from the journal."""
    queued = queued_moves(world.results.store, environment, pipeline.name)
    if queued:
        current = world.current.steps if world.current is not None else {}
        # An entry that can't be read stands for every step that is current.
        only = {step for steps in queued.values() for step in (current if steps is None else steps)}
        sync(pipeline, current, world.results, instance, reason="became current again, without a run", only=only)
    for name in queued:
        world.results.store.delete(name)


def _assets(pipeline: Pipeline) -> Iterator[_Asset]:
    """Every asset, each after those that it waits for."""
    for step in pipeline.ordered:
        waited_for = [Input(name, output) for name in step.after for output in _outputs(pipeline, name)]
        inputs = {input_key(pipeline, taken): taken for taken in (*waited_for, *step.bindings.values())}
        outputs = _outputs(pipeline, step.name)
        for output, key in zip(outputs, asset_keys(pipeline.name, step).values(), strict=True):
            yield _Asset(key, step.name, output, inputs)


def _outputs(pipeline: Pipeline, step: str) -> list[str | None]:
    declared = pipeline.by_name[step].outputs
    return list(declared) if len(declared) > 1 else [None]


def _known(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> dict[dg.AssetKey, Mapping[str, str]]:
    """Asset → the tags of its last materialization."""
    found = {}
    for record in instance.get_asset_records(keys) if keys else ():
        entry = record.asset_entry.last_materialization
        if entry is not None and entry.asset_materialization is not None:
            found[record.asset_entry.asset_key] = entry.asset_materialization.tags or {}
    return found


def _inputs(asset: _Asset, result: Result, current: Mapping[str, ResultReference]) -> dict[dg.AssetKey, str]:
    """Asset that it waits for → the version that it took; for order without data, the current one."""
    details = [item.detail for item in result.key.bindings.values() if item.detail]
    took = {str(detail["step"]): str(detail["version"]) for detail in details}
    versions = {}
    for key, taken in asset.inputs.items():
        if str(taken) in took:
            versions[key] = took[str(taken)]
        elif taken.step in current:
            versions[key] = str(current[taken.step].output(taken.output).version)
    return versions


def _pointer(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    """The event of an input's last materialization, as Dagster writes it."""
    for record in instance.get_asset_records([key]):
        if record.asset_entry.last_materialization_storage_id is not None:
            return str(record.asset_entry.last_materialization_storage_id)
    return "NULL"


def _metadata(result: Result, name: str | None, reason: str) -> dict[str, dg.MetadataValue[Any]]:
    """What the IO manager says of a reused result."""
    output = result.outputs[name] if name is not None else result.output
    return result_metadata(
        "cached",
        reason,
        result.reference.key,
        seconds=result.seconds,
        row_count=output.row_count,
        size_bytes=output.memory_bytes,
        schema=output.schema,
    )
