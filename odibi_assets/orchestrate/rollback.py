"""Rolling back as asked for: a failed run, or what is current of a pipeline; the store moves, then Dagster is told."""

from __future__ import annotations

from dataclasses import dataclass

from odibi_assets.decide.plan import snapshots_of
from odibi_assets.errors import StoreError, UsageError
from odibi_assets.execute.returning import (
    LAST_GOOD,
    Consumer,
    Return,
    Table,
    consumers_of,
    last_good,
    snapshot_named,
    tables_between,
    why_not_current,
    with_derived,
)
from odibi_assets.execute.rollback import changed, publication_of
from odibi_assets.keep.moves import queue_move
from odibi_assets.keep.run_record import Undone
from odibi_assets.orchestrate.pipeline_run import PipelineRun


@dataclass(frozen=True)
class RollbackReport:
    """What was rolled back, or would be.

    Attributes:
        run_id: The run, where one is.
        to: The snapshot that is returned to; None where a run is undone that nothing was before.
        snapshot: What is current afterwards; None in a dry run.
    """

    pipeline: str
    environment: str
    dry_run: bool
    run_id: str | None
    to: str | None
    snapshot_before: str | None
    snapshot: str | None
    tables: tuple[Table, ...]
    consumers: tuple[Consumer, ...]
    undone: tuple[Undone, ...] = ()


def roll_back_run(opened: PipelineRun, run_id: str, *, dry_run: bool = False, was_due: bool = False) -> RollbackReport:
    """Undo a failed run.

    Args:
        was_due: Until the pipeline was opened, which has finished rollbacks that were begun or due.

    Raises:
        UsageError: It can't be rolled back, or did nothing that could be.
        StoreError: Another process is at it, or the store failed.
    """
    run = opened.runs.find(run_id)
    if run is None or run.start.pipeline != opened.identity.name:
        raise UsageError(f"There is no run {run_id!r} of {opened.identity.name}: see oda history.")
    if was_due and run.rolled_back is not None and not run.rolled_back.failed:
        return RollbackReport(
            opened.identity.name,
            opened.project.environment,
            False,
            run.start.run_id,
            None,
            None,
            run.rolled_back.snapshot,
            (),
            consumers_of(opened.identity, run.rolled_back.moved),
            run.rolled_back.undone,
        )
    opened.rollbacks.check(run)
    undoing = opened.rollbacks.undoing(run)
    snapshots = snapshots_of(opened.world, opened.project, opened.identity.name)
    before = snapshots.current()
    current = before.steps if before is not None else {}
    published = publication_of(run, snapshots)
    target = published.taken_from(current)
    undos = undoing.effects_of(run)
    if not undos and target == dict(current):
        raise UsageError(
            f"Nothing to roll back: run {run.start.run_id} published nothing that is current, and none of its steps "
            "has an undo."
        )
    undone = tuple(Undone(undo.effect.step, undo.known) for undo, _ in undos)
    if not dry_run:
        rolled_back = undoing.roll_back(run)
        if rolled_back is None:
            raise StoreError(f"Run {run.start.run_id} is being rolled back by another process. See oda history.")
        undone = rolled_back.undone
        opened.report_moves()
    now = snapshots.current() if not dry_run else None
    return _report(
        opened,
        dry_run=dry_run,
        run_id=run.start.run_id,
        to=str(published.before) if published.before is not None else None,
        before=before.id if before is not None else None,
        now=now.id if now is not None else None,
        tables=tables_between(current, target),
        steps=changed(current, target),
        undone=undone,
    )


def return_to(
    opened: PipelineRun, to: str, *, step: str | None = None, downstream: bool = False, dry_run: bool = False
) -> RollbackReport:
    """Make another snapshot current: of the pipeline, or of a step, alone or with all that was derived from it.

    Args:
        to: The id of a snapshot, or the beginning of one, or ``last-good``.

    Raises:
        UsageError: There is no such snapshot or step, it is what is current, or it holds results that are gone or
            revoked.
    """
    if step is None and downstream:
        raise UsageError("--downstream needs a step: oda rollback PIPELINE STEP --to SNAPSHOT --downstream.")
    if step is not None:
        opened.check_step(step)
    name, results = opened.identity.name, opened.world.results
    steps = None if step is None else with_derived(opened.identity, step) if downstream else frozenset({step})
    snapshots = snapshots_of(opened.world, opened.project, name)
    before = snapshots.current()
    if before is None:
        raise UsageError(f"Nothing to roll back: {name} has no snapshot in environment {opened.project.environment}.")
    if to == LAST_GOOD:
        runs = opened.runs.of_pipeline(name, opened.project.environment)
        target = last_good(snapshots, results, runs, steps)
    else:
        target = snapshot_named(snapshots, to)
    returned = Return(target, steps)
    after = returned.applied_to(before.steps)
    moved = changed(before.steps, after)
    if not moved:
        raise UsageError(f"Nothing to roll back: {step or name} is as in snapshot {target.id} already.")
    why_not = why_not_current(results, [after[each] for each in moved if each in after])
    if why_not is not None:
        raise UsageError(f"Snapshot {target.id} can't become current again: {why_not}. Choose another.")
    now = None
    if not dry_run:
        at = opened.world.now()
        _, now = snapshots.restore(returned.applied_to, restores=target.id, at=at.isoformat(timespec="milliseconds"))
        assert now is not None
        versions = {each: str(now.steps[each].version) for each in moved if each in now.steps}
        queue_move(results.store, opened.project.environment, name, versions, at=at)
        opened.world.move_to(now)
        opened.report_moves()
    return _report(
        opened,
        dry_run=dry_run,
        run_id=None,
        to=str(target.id),
        before=before.id,
        now=now.id if now is not None else None,
        tables=tables_between(before.steps, after),
        steps=moved,
        undone=(),
    )


def _report(
    opened: PipelineRun,
    *,
    dry_run: bool,
    run_id: str | None,
    to: str | None,
    before: object,
    now: object,
    tables: tuple[Table, ...],
    steps: tuple[str, ...],
    undone: tuple[Undone, ...],
) -> RollbackReport:
    return RollbackReport(
        opened.identity.name,
        opened.project.environment,
        dry_run,
        run_id,
        to,
        str(before) if before is not None else None,
        str(now) if now is not None else None,
        tables,
        consumers_of(opened.identity, steps),
        undone,
    )
