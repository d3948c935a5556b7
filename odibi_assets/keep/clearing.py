"""Clearing forgets what a pipeline, or every pipeline, has in a store.

Heads go first: a reader sees what was current, whole, or that nothing is. Then snapshots, results
and blobs, as collection deletes them. What another pipeline's snapshots name stays, and so do the
records of runs (the history), and ``format.json`` with the store's id and salt.
"""

from __future__ import annotations

import datetime

from odibi_assets.errors import UsageError
from odibi_assets.keep.garbage import Holdings, Kept, Line
from odibi_assets.keep.guard import check_reached, collecting
from odibi_assets.keep.results import Results
from odibi_assets.keep.saved_state import SavedStates
from odibi_assets.keep.survey import Garbage, garbage_of, holdings_of
from odibi_assets.keep.sweep import in_order


def clear(results: Results, pipeline: str | None, *, now: datetime.datetime) -> tuple[Garbage, tuple[str, ...]]:
    """Delete everything of a pipeline (all unless given) in all environments; also returns the heads that are gone.

    Raises:
        UsageError: A run of it is in progress.
        UnknownLayout: Another version of odibi-assets wrote something.
    """
    store = results.store
    with collecting(store):
        holdings, damaged = holdings_of(results, now)
        _check_quiet(holdings, pipeline)
        heads = tuple(
            f"heads/{line.environment}/{line.pipeline}" for line in holdings.lines if pipeline in (None, line.pipeline)
        )
        garbage = garbage_of(
            results,
            holdings,
            damaged,
            _kept(holdings, pipeline),
            now,
            at_once=True,
            states=SavedStates(store).names(pipeline),
        )
        check_reached(store, "Nothing was cleared")
        for name in (*heads, *_moves(results, pipeline), *in_order(garbage)):
            store.delete(name)
        check_reached(store, "The store was not cleared to the end")
        return garbage, heads


def _check_quiet(holdings: Holdings, pipeline: str | None) -> None:
    for run in holdings.runs:
        if run.start.run_id in holdings.running and pipeline in (None, run.start.pipeline):
            raise UsageError(
                f"Nothing was cleared: run {run.start.run_id} of pipeline {run.start.pipeline!r} is in progress. "
                "Clear the store when it has ended."
            )


def _kept(holdings: Holdings, pipeline: str | None) -> Kept:
    others: list[Line] = [line for line in holdings.lines if pipeline is not None and line.pipeline != pipeline]
    snapshots = tuple((line, tuple(line.snapshots)) for line in others)
    named = {reference.id for _, found in snapshots for snapshot in found for reference in snapshot.steps.values()}
    named |= holdings.pins
    for run in holdings.runs:
        if run.start.run_id in holdings.running:
            named |= {reference.id for reference in run.finished.values()}
    if pipeline is not None:
        named |= {stored.id for stored in holdings.results if stored.pipeline != pipeline}
    return Kept(dict.fromkeys(named, "named"), snapshots, frozenset(run.start.run_id for run in holdings.runs))


def _moves(results: Results, pipeline: str | None) -> list[str]:
    """Moves that Dagster was not told of: what they moved to is gone."""
    found = results.store.list("journal/moves")
    return [name for name in found if pipeline in (None, name.split("/")[3])]
