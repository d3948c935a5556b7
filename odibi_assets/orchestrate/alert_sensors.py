"""The sensors by which Dagster's daemon tells of runs that it, the UI or a schedule began."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from odibi_assets.decide.plan import open_world
from odibi_assets.execute.alerts import Alerts, is_told
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.run_record import Runs
from odibi_assets.orchestrate.alerting import alerts_of
from odibi_assets.orchestrate.names import job_name

_EVERY_S = 15


def alert_sensors(source: PipelineSource, loaded: Identified) -> list[dg.SensorDefinition]:
    """Those that the pipeline's alerts and hooks need; they run wherever a daemon serves the pipeline."""
    pipeline = loaded.pipeline
    jobs = {pipeline.name, *(job_name(pipeline.name, name) for name in pipeline.jobs)}

    def concerns(run: dg.DagsterRun) -> bool:
        """A run of its jobs, or one of assets that were picked in the UI."""
        picked = run.asset_selection or ()
        return run.job_name in jobs or any(key.path[0] == pipeline.name for key in picked)

    def opened(context: dg.RunStatusSensorContext) -> Alerts:
        world = open_world(source.project, pipeline.name, pipeline.store)
        return alerts_of(source, loaded, Runs(world.results.store), world.env, log=context.log)

    @dg.run_failure_sensor(
        name=f"{pipeline.name}__failed",
        description="Tells the alerts of the pipeline of a run that failed.",
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        if concerns(run) and run.tags.get("dagster/will_retry") != "true":
            root = run.root_run_id or run.run_id
            opened(context).failed(root, run.run_id, error=_error(context.failure_event))

    @dg.run_status_sensor(
        name=f"{pipeline.name}__recovered",
        run_status=dg.DagsterRunStatus.SUCCESS,
        description="Tells the alerts of absent steps, and of the first success after a run that failed.",
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def recovered(context: dg.RunStatusSensorContext) -> None:
        run = context.dagster_run
        if concerns(run):
            root = run.root_run_id or run.run_id
            opened(context).succeeded(root, run.run_id, retried=_retried(run, context.instance))

    found: list[dg.SensorDefinition] = []
    if is_told(pipeline, source.hooks, "step_failed", "step_absent", "run_failed"):
        found.append(failed)
    if is_told(pipeline, source.hooks, "step_absent", "recovered"):
        found.append(recovered)
    return found


def _error(event: dg.DagsterEvent) -> str | None:
    """The end of the chain of what ended a run."""
    error: Any = getattr(event.event_specific_data, "error", None)
    while getattr(error, "cause", None) is not None:
        error = error.cause
    return error.message.strip() if error is not None else event.message


def _retried(run: dg.DagsterRun, instance: dg.DagsterInstance) -> Iterator[str]:
    """The runs before this one that Dagster tried again by itself."""
    current: dg.DagsterRun | None = run
    while current is not None and "dagster/retry_number" in current.tags and current.parent_run_id:
        yield current.parent_run_id
        current = instance.get_run_by_id(current.parent_run_id)
