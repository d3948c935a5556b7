"""The sensor by which Dagster's daemon finishes rollbacks that no process of the run was left to do."""

import dagster as dg

from odibi_assets.decide.plan import open_world
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.orchestrate.due_rollbacks import finished_by, rollbacks_of
from odibi_assets.orchestrate.sync import report_moves

_EVERY_S = 15


def rollback_sensors(source: PipelineSource, loaded: Identified) -> list[dg.SensorDefinition]:
    """The one that a pipeline needs whose runs may be rolled back; it runs wherever a daemon serves the pipeline."""
    pipeline = loaded.pipeline

    @dg.sensor(
        name=f"{pipeline.name}__rollback",
        description="Rolls back runs of the pipeline that were killed, or ran in several processes, and failed.",
        minimum_interval_seconds=_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def rollback(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        world = open_world(source.project, pipeline.name, pipeline.store)
        found = finished_by(rollbacks_of(source, loaded, world=world), context.log.warning)
        report_moves(pipeline, source.project.environment, world, context.instance)
        return dg.SkipReason("\n".join(each.described(run) for run, each in found.items()) or "No run waits for it.")

    return [rollback] if pipeline.rollback or loaded.undos else []
