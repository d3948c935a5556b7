"""How Dagster is told that a step has no result, without that being a failure."""

import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.execute.settled import Settled
from odibi_assets.keep.result import Absent
from odibi_assets.orchestrate.names import asset_keys

ABSENT_VERSION = dg.DataVersion("absent")
_LONGEST = 1_000


def absence_metadata(settled: Settled) -> dict[str, dg.MetadataValue[Any]]:
    """Outcome, reason and error, as an event of the asset shows them."""
    absent = settled.decision.absence
    assert absent is not None
    found = {**_metadata(absent), "attempt": dg.MetadataValue.int(settled.attempt)}
    if settled.error is not None:
        found["error"] = dg.MetadataValue.text(settled.error[:_LONGEST])
    return found


def tell_absence(log: logging.Logger, settled: Settled) -> None:
    """Say it in the log of the run: as a warning where something went wrong."""
    absent = settled.decision.absence
    assert absent is not None
    if settled.error is not None:
        log.warning(f"{settled.step} is absent, and the run goes on: {absent.reason}. {settled.error}")
    else:
        log.info(f"{settled.step} is {absent.outcome}: {absent.reason}.")


def report_absences(pipeline: Pipeline, absent: Mapping[str, Absent], instance: dg.DagsterInstance) -> None:
    """Note at the assets of steps that a plan found absent, which Dagster's run does not have, that they are."""
    for name, one in absent.items():
        for key in asset_keys(pipeline.name, pipeline.by_name[name]).values():
            instance.report_runless_asset_event(dg.AssetObservation(key, metadata=_metadata(one)))


def _metadata(absent: Absent) -> dict[str, dg.MetadataValue[Any]]:
    return {
        "outcome": dg.MetadataValue.text(absent.outcome),
        "reason": dg.MetadataValue.text(absent.reason[:_LONGEST]),
    }
