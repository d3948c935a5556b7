"""Runs whose process was killed: Dagster believes that they are still at work, until somebody looks."""

import dagster as dg

from odibi_assets.decide.plan import open_world, utc_now
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.process import may_go_on
from odibi_assets.keep.run_record import Runs

_UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_EVERY_S = 30


def report_lost_runs(runs: Runs, pipeline: str, instance: dg.DagsterInstance) -> tuple[str, ...]:
    """Tell Dagster that runs failed whose process is gone; returns their ids.

    Dagster's own monitor sees that of runs which its launcher can ask after, not of one from a terminal. What the run
    finished is kept; its re-execution does the rest.
    """
    lost = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=list(_UNDER_WAY))):
        start = runs.start(run.root_run_id or run.run_id, run.run_id)
        if start is None or start.pipeline != pipeline:
            continue
        if may_go_on(start.process, began_at=start.started_at, now=utc_now()):
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is not None and now.status in _UNDER_WAY:  # It may have ended since.
            message = "The process of the run is gone. What it finished is kept: oda resume does the rest."
            instance.report_run_failed(now, message)
            lost.append(run.run_id)
    return tuple(lost)


def lost_runs_sensor(source: PipelineSource, pipeline: Pipeline) -> dg.SensorDefinition:
    """The daemon looks for such runs wherever it serves the pipeline."""

    @dg.sensor(
        name=f"{pipeline.name}__monitor",
        description="Reports runs as failed whose process was killed.",
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def monitor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        world = open_world(source.project, pipeline.name, pipeline.store)
        lost = report_lost_runs(Runs(world.results.store), pipeline.name, context.instance)
        return dg.SkipReason(f"Reported as failed: {', '.join(lost)}." if lost else "No run lost its process.")

    return monitor
