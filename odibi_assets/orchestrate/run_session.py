"""The session of a pipeline in a Dagster run: opened by whatever of it executes first in a process."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from odibi_assets.decide.plan import open_world, snapshots_of, utc_now
from odibi_assets.declare.overrides import Overrides
from odibi_assets.errors import StoreError, UsageError
from odibi_assets.execute.delivery import Delivery
from odibi_assets.execute.recording import Recording
from odibi_assets.execute.redaction import secret_values
from odibi_assets.execute.rollback import Undoing
from odibi_assets.execute.session import Session
from odibi_assets.execute.side_effects import SideEffects
from odibi_assets.execute.single_flight import SingleFlight
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.identify.url_digest import take_left
from odibi_assets.keep.effects import Effects
from odibi_assets.keep.lease import Leases
from odibi_assets.keep.process import run_process, this_process, this_user
from odibi_assets.keep.run_record import Runs, RunStart
from odibi_assets.orchestrate.due_rollbacks import finished_by, rollbacks_of
from odibi_assets.orchestrate.names import ENVIRONMENT_TAG, FORCE_TAG, OVERRIDES_TAG, STORE_TAG, op_name
from odibi_assets.orchestrate.sync import report_moves


def open_session(
    source: PipelineSource,
    loaded: Identified,
    run: dg.DagsterRun,
    log: logging.Logger,
    instance: dg.DagsterInstance,
    *,
    alone: bool,
) -> Session:
    """Join a run.

    Args:
        loaded: The pipeline as the code location loaded it.
        alone: Everything of the run happens in this process.

    Raises:
        UsageError: This process resolves another store or environment than the run was made for.
    """
    overrides = overrides_of(run)
    identified = source.identified(overrides) if overrides else loaded
    identity = identified.identity
    world = open_world(source.project, identity.name, identity.store, asks_urls=True)
    take_left(world.urls, run.run_id)
    _check_place(run, world.results.store_id, source.project.environment)
    runs = Runs(world.results.store)
    root = run.root_run_id or run.run_id
    is_new = runs.start(root, run.run_id) is None
    if is_new:  # The UI or the daemon began it.
        finished_by(rollbacks_of(source, loaded, world=world, log=log), log.warning)
    if alone:  # Other processes of the run may have reported newer ones meanwhile.
        report_moves(identified.pipeline, source.project.environment, world, instance)
    if run.parent_run_id and is_new:
        _check_attempts(runs, root, identified, instance, run)
    executed = _executed(run, identified)
    parents = runs.finished_by(root, run.parent_run_id) if run.parent_run_id else {}
    undone = frozenset(name for name, found in parents.items() if world.results.is_revoked(*found.id))
    parents = {name: found for name, found in parents.items() if name not in undone}
    start = runs.begin(
        RunStart(
            run_id=run.run_id,
            root_run_id=root,
            parent_run_id=run.parent_run_id,
            pipeline=identity.name,
            environment=source.project.environment,
            store_id=world.results.store_id,
            started_at=utc_now().isoformat(timespec="milliseconds"),
            steps=_planned(runs, root, run.parent_run_id, identified, executed, undone),
            overrides=overrides.to_json(),
            process=this_process() if alone else run_process(),
            user=this_user(),
        )
    )
    absent = {**(runs.absent_in(root, run.parent_run_id) if run.parent_run_id else {}), **start.absent}
    journal = Effects(world.results.store, source.project.environment, identity.name).of(start)
    if identified.pipeline.rollback:
        journal.want_undone()
    recording = Recording(
        runs,
        start,
        alone=alone,
        fails_fast=identified.pipeline.on_error == "fail_fast",
        secrets=secret_values(identified.pipeline, world.env),
        log=log,
    )
    delivery = Delivery(
        identified,
        world,
        snapshots_of(world, source.project, identity.name),
        recording,
        executed,
        parents={name: reference for name, reference in parents.items() if name not in start.skip},
        finished=dict(start.hits),
        flight=SingleFlight(Leases(world.results.store, run.run_id), lambda: recording.log),
        absent={name: absent for name, absent in absent.items() if name not in executed},
    )
    side_effects = SideEffects(identified.pipeline, world, journal, log)
    if identity.checkpoint == "auto":
        found = dict(start.hits)
        before = runs.get(root, run.parent_run_id) if run.parent_run_id else None
        if before is not None and before.rolled_back is not None:  # What it finished is kept, and not current any more.
            found |= {name: known for name in start.steps if (known := delivery.known(name)) is not None}
        if found:
            delivery.publish(found)
    project = source.project
    return Session(
        identified,
        world,
        recording,
        delivery,
        side_effects,
        forced=frozenset(json.loads(run.tags.get(FORCE_TAG, "[]"))),
        undone=undone,
        ignored=tuple(
            str(place) for place in (world.results.store.name, project.dagster_home, project.local, project.spool)
        ),
    )


def settle_session(session: Session, environment: str, instance: dg.DagsterInstance) -> None:
    """At the end of a run in one process: roll it back if it failed and is to be, and tell Dagster."""
    recording, world = session.recording, session.world
    run = recording.read()
    if not recording.alone or run is None:
        return
    pipeline = session.identified.pipeline
    effects = Effects(world.results.store, environment, pipeline.name)
    undoing = Undoing(session.identified, world, session.delivery.snapshots, recording.runs, effects, recording.log)
    try:
        rolled_back = undoing.settle(run)
    except StoreError as error:
        recording.log.warning("Run %s is to be rolled back by whoever comes next: %s", run.start.run_id, error)
        return
    if rolled_back is not None:
        recording.log.warning("%s", rolled_back.described(run.start.run_id))
        report_moves(pipeline, environment, world, instance)


def _check_attempts(
    runs: Runs, root: str, identified: Identified, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    why_not = identified.pipeline.resume.why_spent(runs.attempts(root))
    if why_not:
        instance.add_run_tags(run.run_id, {"dagster/retry_on_asset_or_op_failure": "false"})
        raise UsageError(f"Run {root} can't be re-executed: it {why_not}.")


def overrides_of(run: dg.DagsterRun) -> Overrides:
    """What ``--set`` changed, as the run's tag keeps it for its re-executions.

    Raises:
        UsageError: The tag is not what ``oda run --set`` writes.
    """
    text = run.tags.get(OVERRIDES_TAG)
    if not text:
        return Overrides()
    try:
        data: Any = json.loads(text)
        return Overrides.from_json(data)
    except (ValueError, AttributeError) as error:
        raise UsageError(
            f'The tag {OVERRIDES_TAG} is {text!r}: expected {{"params": {{…}}, "steps": {{…}}}}.'
        ) from error


def _check_place(run: dg.DagsterRun, store_id: str, environment: str) -> None:
    for tag, here, what in ((STORE_TAG, store_id, "store"), (ENVIRONMENT_TAG, environment, "environment")):
        expected = run.tags.get(tag)
        if expected is not None and expected != here:
            raise UsageError(
                f"This run was made for the {what} {expected}, but this process resolves {here}. "
                "Set ODA_STORE and ODA_ENVIRONMENT alike wherever the run executes."
            )


def _executed(run: dg.DagsterRun, identified: Identified) -> frozenset[str]:
    keys = set(run.step_keys_to_execute or ())
    pipeline = identified.identity.name
    names = [step.name for step in identified.identity.steps]
    return frozenset(name for name in names if not keys or op_name(pipeline, name) in keys)


def _planned(
    runs: Runs, root: str, parent: str | None, identified: Identified, executed: frozenset[str], undone: frozenset[str]
) -> Mapping[str, str]:
    """What the run before this one planned, else what this one executes.

    A step that was undone, and that nothing here needs, is left to ``oda resume`` or the next run: Dagster believes
    that it is done.
    """
    earlier = runs.start(root, parent) if parent else None
    names = executed | set(earlier.steps if earlier else ()) - undone
    for step in reversed(identified.identity.steps):
        if step.name in names:
            names |= undone & set(step.upstream)
    return {step.name: step.layer for step in identified.identity.steps if step.name in names}
