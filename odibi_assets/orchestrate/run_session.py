"""The session of a pipeline in a Dagster run: opened by whatever of it executes first in a process."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import dagster as dg

from odibi_assets.decide.plan import open_world, snapshots_of, utc_now
from odibi_assets.declare.overrides import Overrides
from odibi_assets.errors import UsageError
from odibi_assets.execute.delivery import Delivery
from odibi_assets.execute.recording import Recording
from odibi_assets.execute.redaction import secret_values
from odibi_assets.execute.session import Session
from odibi_assets.execute.single_flight import SingleFlight
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.lease import Leases
from odibi_assets.keep.process import parent_process, this_process
from odibi_assets.keep.run_record import Runs, RunStart
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
    world = open_world(source.project, identity.name, identity.store)
    _check_place(run, world.results.store_id, source.project.environment)
    if alone:  # Other processes of the run may have reported newer ones meanwhile.
        report_moves(identified.pipeline, source.project.environment, world, instance)
    runs = Runs(world.results.store)
    root = run.root_run_id or run.run_id
    if run.parent_run_id and runs.start(root, run.run_id) is None:  # The UI or the daemon re-executes it.
        _check_attempts(runs, root, identified, instance, run)
    executed = _executed(run, identified)
    parents = runs.finished_by(root, run.parent_run_id) if run.parent_run_id else {}
    start = runs.begin(
        RunStart(
            run_id=run.run_id,
            root_run_id=root,
            parent_run_id=run.parent_run_id,
            pipeline=identity.name,
            environment=source.project.environment,
            store_id=world.results.store_id,
            started_at=utc_now().isoformat(timespec="milliseconds"),
            steps=_planned(runs, root, run.parent_run_id, identified, executed),
            overrides=overrides.to_json(),
            process=this_process() if alone else parent_process(),
        )
    )
    absent = {**(runs.absent_in(root, run.parent_run_id) if run.parent_run_id else {}), **start.absent}
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
    if start.hits and identity.checkpoint == "auto":
        delivery.publish(start.hits)
    project = source.project
    return Session(
        identified,
        world,
        recording,
        delivery,
        forced=frozenset(json.loads(run.tags.get(FORCE_TAG, "[]"))),
        ignored=tuple(
            str(place) for place in (world.results.store.name, project.dagster_home, project.local, project.spool)
        ),
    )


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
    runs: Runs, root: str, parent: str | None, identified: Identified, executed: frozenset[str]
) -> Mapping[str, str]:
    """What the run before this one planned, else what this one executes."""
    earlier = runs.start(root, parent) if parent else None
    names = executed | set(earlier.steps if earlier else ())
    return {step.name: step.layer for step in identified.identity.steps if step.name in names}
