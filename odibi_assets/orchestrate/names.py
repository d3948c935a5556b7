"""How steps, runs and tags are called in Dagster."""

from __future__ import annotations

import dagster as dg

from odibi_assets.declare.input import Input
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.step import Step

IO_MANAGER_KEY = "oda_io_manager"
STEP_TAG = "odibi_assets/step"
OVERRIDES_TAG = "odibi_assets/set"
FORCE_TAG = "odibi_assets/force"
STORE_TAG = "odibi_assets/store"
ENVIRONMENT_TAG = "odibi_assets/environment"


def asset_key(pipeline: str, step: str, output: str | None = None) -> dg.AssetKey:
    """The asset of a step, or of one of its several outputs."""
    return dg.AssetKey([pipeline, step, *([output] if output is not None else [])])


def asset_keys(pipeline: str, step: Step) -> dict[str, dg.AssetKey]:
    """Output → its asset: of a step with one output, the step's own."""
    if len(step.outputs) < 2:
        return {next(iter(step.outputs), "result"): asset_key(pipeline, step.name)}
    return {name: asset_key(pipeline, step.name, name) for name in step.outputs}


def input_key(pipeline: Pipeline, taken: Input) -> dg.AssetKey:
    """The asset of what a step takes."""
    keys = asset_keys(pipeline.name, pipeline.by_name[taken.step])
    return keys[taken.output] if taken.output is not None and len(keys) > 1 else next(iter(keys.values()))


def job_name(pipeline: str, job: str) -> str:
    """A further job of a pipeline; Dagster's names have no hyphens.

    >>> job_name("flights", "quick-staging")
    'flights__quick_staging'
    """
    return f"{pipeline}__{job.replace('-', '_')}"


def op_name(pipeline: str, step: str) -> str:
    """The op of a step; also its step key in a run."""
    return f"{pipeline}__{step}"
