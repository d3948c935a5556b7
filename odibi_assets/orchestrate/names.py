"""How steps, runs and tags are called in Dagster."""

from __future__ import annotations

import dagster as dg

IO_MANAGER_KEY = "oda_io_manager"
STEP_TAG = "odibi_assets/step"
OVERRIDES_TAG = "odibi_assets/set"
FORCE_TAG = "odibi_assets/force"
STORE_TAG = "odibi_assets/store"
ENVIRONMENT_TAG = "odibi_assets/environment"


def asset_key(pipeline: str, step: str) -> dg.AssetKey:
    return dg.AssetKey([pipeline, step])


def op_name(pipeline: str, step: str) -> str:
    """The op of a step; also its step key in a run."""
    return f"{pipeline}__{step}"
