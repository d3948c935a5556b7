"""Returning to another snapshot: a whole pipeline, or one step, alone or with all that was derived from it.

What is current changes, as a new snapshot; no step runs and nothing is undone outside the store. An
earlier snapshot and a later one are the same to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from odibi_assets.errors import UsageError
from odibi_assets.execute.rollback import changed
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.results import Results
from odibi_assets.keep.run_record import Run
from odibi_assets.keep.snapshot import Snapshot, Snapshots

LAST_GOOD = "last-good"
References = Mapping[str, ResultReference]


@dataclass(frozen=True)
class Table:
    """One output whose current data change. ``None`` stands for no data."""

    step: str
    output: str | None
    rows_before: int | None
    rows_after: int | None
    version_before: str | None
    version_after: str | None
    partition: None = None


@dataclass(frozen=True)
class Consumer:
    """A step that takes data of one that changes; if it does not change too, it stays derived from other data."""

    step: str
    takes: tuple[str, ...]
    changes: bool


def tables_between(before: References, after: References) -> tuple[Table, ...]:
    """What differs."""
    return tuple(table for name in changed(before, after) for table in _tables(name, before.get(name), after.get(name)))


def _tables(name: str, before: ResultReference | None, after: ResultReference | None) -> Iterator[Table]:
    several = dict.fromkeys([*(before.outputs if before else ()), *(after.outputs if after else ())])
    for output in several or [None]:
        old = before.output(output) if before is not None else None
        new = after.output(output) if after is not None else None
        if old != new:
            yield Table(
                name,
                output,
                old.row_count if old is not None else None,
                new.row_count if new is not None else None,
                str(old.version) if old is not None else None,
                str(new.version) if new is not None else None,
            )


def consumers_of(pipeline: PipelineIdentity, steps: Collection[str]) -> tuple[Consumer, ...]:
    """The steps that take data of these."""
    found = []
    for step in pipeline.steps:
        takes = tuple(dict.fromkeys(taken.step for taken in step.bindings.values() if taken.step in steps))
        if takes:
            found.append(Consumer(step.name, takes, step.name in steps))
    return tuple(found)


def with_derived(pipeline: PipelineIdentity, step: str) -> frozenset[str]:
    """A step and all that takes its data, at whatever distance."""
    found = {step}
    for each in pipeline.steps:
        if any(taken.step in found for taken in each.bindings.values()):
            found.add(each.name)
    return frozenset(found)


@dataclass(frozen=True)
class Return:
    """What returns, and where to.

    Attributes:
        steps: Those that return; all of them where None.
    """

    target: Snapshot
    steps: frozenset[str] | None = None

    def applied_to(self, current: References) -> dict[str, ResultReference]:
        """What shall be current, in place of what is."""
        if self.steps is None:
            return dict(self.target.steps)
        kept = {name: found for name, found in current.items() if name not in self.steps}
        return {**kept, **{name: found for name, found in self.target.steps.items() if name in self.steps}}


def snapshot_named(snapshots: Snapshots, text: str) -> Snapshot:
    """The kept snapshot whose id is, or begins with, a text.

    Raises:
        UsageError: There is none, or more than one.
    """
    found = snapshots.find(text)
    if len(found) == 1:
        return found[0]
    line = f"of {snapshots.pipeline} in environment {snapshots.environment}"
    if found:
        raise UsageError(f"{len(found)} snapshots {line} begin with {text!r}: expected more of the id of one.")
    raise UsageError(
        f"There is no snapshot {text!r} {line}, or it is not kept: expected an id that a run named, or last-good."
    )


def last_good(snapshots: Snapshots, results: Results, runs: Collection[Run], steps: frozenset[str] | None) -> Snapshot:
    """The newest snapshot that a successful run left, in which what shall return is another than it is now.

    What was left behind by a return is passed over, so that asking again goes further back. The emptiness before the
    first run is never meant.

    Raises:
        UsageError: There is none.
    """
    good = {run.start.run_id for run in runs if run.status == "success"}
    left = {run.end.snapshot for run in runs if run.status == "success" and run.end is not None}
    current = snapshots.current()
    seen: set[str | None] = set()
    snapshot = current
    while snapshot is not None and current is not None:
        is_last = snapshot.run_id not in seen
        seen.add(snapshot.run_id)
        is_good = str(snapshot.id) in left or (snapshot.run_id in good and is_last)
        is_good = is_good or (snapshot.run_id is None and snapshot.restores is None)
        differs = changed(current.steps, Return(snapshot, steps).applied_to(current.steps))
        returning = [snapshot.steps[name] for name in differs if name in snapshot.steps]
        if is_good and snapshot.steps and differs and why_not_current(results, returning) is None:
            return snapshot
        earlier = snapshot.restores or snapshot.parent
        snapshot = snapshots.get(earlier) if earlier is not None and snapshots.is_kept(earlier) else None
    raise UsageError(
        f"Nothing to roll back to: no other snapshot of {snapshots.pipeline} in environment {snapshots.environment} "
        "that a successful run left is kept whole."
    )


def why_not_current(results: Results, references: Collection[ResultReference]) -> str | None:
    """What speaks against making results current again, as the end of a sentence; None if nothing does."""
    for reference in references:
        result = results.get(reference)
        if result is None:
            return f"key {str(reference.key)[:15]}…: its result is gone from the store"
        why = results.revocation(*reference.id)
        if why is not None:
            return f"step {result.key.step!r}: {why}"
        if not results.is_whole(result):
            return f"step {result.key.step!r}: its stored data are missing or damaged"
    return None
