"""A pipeline as Dagster definitions: one op and one asset per step, and a job over all of them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from odibi_assets.decide.plan import World, open_world
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.policies import Retry
from odibi_assets.declare.step import Step
from odibi_assets.execute.session import Session
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.identity import StepIdentity, with_items
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.orchestrate.absence import absence_metadata, tell_absence
from odibi_assets.orchestrate.alert_sensors import alert_sensors
from odibi_assets.orchestrate.attempt import StepRetryPolicy, attempted, retry_text
from odibi_assets.orchestrate.io_manager import StepIOManager, step_io_manager
from odibi_assets.orchestrate.lost_runs import lost_runs_sensor
from odibi_assets.orchestrate.names import (
    ENVIRONMENT_TAG,
    IO_MANAGER_KEY,
    STEP_TAG,
    STORE_TAG,
    asset_keys,
    input_key,
    job_name,
    op_name,
)
from odibi_assets.orchestrate.rollback_sensor import rollback_sensors
from odibi_assets.orchestrate.run_session import open_session

_IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


def pipeline_definitions(source: PipelineSource, identified: Identified | None = None) -> dg.Definitions:
    """Assets, job and IO manager of one pipeline.

    Raises:
        DefinitionError: With all mistakes.
    """
    loaded = identified or source.identified()
    pipeline = loaded.pipeline
    world = open_world(source.project, pipeline.name, pipeline.store)
    assets = [
        _asset(source, loaded, pipeline.by_name[step.name], _code_version(world, step), position)
        for position, step in enumerate(loaded.identity.steps)
    ]
    tags = {STORE_TAG: world.results.store_id, ENVIRONMENT_TAG: source.project.environment}
    if pipeline.run_timeout is not None:
        # The daemon's monitor ends the run also where the process of the run does not get to it.
        tags[dg.MAX_RUNTIME_SECONDS_TAG] = str(math.ceil(pipeline.run_timeout))
    every = tuple(step.name for step in pipeline.steps)
    job = _job(pipeline, pipeline.name, every, pipeline.description, tags)
    further = [
        _job(pipeline, job_name(pipeline.name, name), steps, f"{name}: {', '.join(steps)}", tags)
        for name, steps in pipeline.jobs.items()
    ]
    world.files.save()
    return dg.Definitions(
        assets=assets,
        jobs=[job, *further],
        schedules=_schedules(pipeline, job),
        sensors=[
            *alert_sensors(source, loaded),
            *rollback_sensors(source, loaded),
            lost_runs_sensor(source, pipeline),
        ],
        resources={IO_MANAGER_KEY: step_io_manager(source.project.root)},
    )


def _job(
    pipeline: Pipeline, name: str, steps: tuple[str, ...], description: str | None, tags: Mapping[str, str]
) -> Any:
    keys = [key for step in steps for key in asset_keys(pipeline.name, pipeline.by_name[step]).values()]
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*keys),
        description=description,
        executor_def=dg.multi_or_in_process_executor,
        config=_IN_PROCESS,
        tags=tags,
    )


def _schedules(pipeline: Pipeline, job: Any) -> list[dg.ScheduleDefinition]:
    """The declared schedule; it runs wherever a daemon serves the pipeline, since it was declared to."""
    if pipeline.schedule is None:
        return []
    return [
        dg.ScheduleDefinition(
            name=f"{pipeline.name}__schedule",
            job=job,
            cron_schedule=pipeline.schedule.cron,
            execution_timezone=pipeline.schedule.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]


def _code_version(world: World, step: StepIdentity) -> str:
    """Everything in the step's key but the versions of its inputs, with the files of now."""
    completed = with_items(
        step, files=world.file_items(step), env={name: world.env_item(name) for name in step.env}, settings={}
    )
    return str(completed.key.code_version())


def _asset(
    source: PipelineSource, loaded: Identified, step: Step, code_version: str, position: int
) -> dg.AssetsDefinition:
    pipeline = loaded.pipeline
    retry = pipeline.retry_of(step.name)

    keys = asset_keys(pipeline.name, step)
    taken = {input_key(pipeline, input) for input in step.bindings.values()}
    after = {key for name in step.after for key in asset_keys(pipeline.name, pipeline.by_name[name]).values()}

    @dg.multi_asset(
        name=op_name(pipeline.name, step.name),
        outs={
            name: dg.AssetOut(
                key=key,
                io_manager_key=IO_MANAGER_KEY,
                code_version=code_version,
                group_name=pipeline.name,
                kinds={step.layer, _ENGINES.get(step.kind) or step.engine or pipeline.engine},
                tags={"layer": step.layer},
                metadata=_declared_metadata(step, retry),
                description=step.description,
                dagster_type=dg.Any,
                is_required=False,
            )
            for name, key in keys.items()
        },
        ins={
            f"input_{'__'.join(key.path[1:])}": dg.AssetIn(key=key, dagster_type=dg.Any)
            for key in sorted(taken, key=_path_of)
        },
        deps=[*sorted(after - taken, key=_path_of)],
        required_resource_keys={IO_MANAGER_KEY},
        # Of the steps that could start, Dagster takes the one that the pipeline has first.
        op_tags={STEP_TAG: f"{pipeline.name}.{step.name}", "dagster/priority": str(-position)},
        retry_policy=StepRetryPolicy(retry) if retry.max_retries else None,
    )
    def compute(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[dg.Output[Any]]:
        session = _session(context, source, loaded)
        if context.retry_number and session.recording.was_last(step.name):
            # Dagster tries again whenever a step's process ended, whatever the step says.
            raise dg.Failure(f"Step {step.name!r} is not tried again.", allow_retries=False)
        if session.recording.is_failing_fast:
            session.recording.hold_back(step.name)
            raise dg.Failure("Held back: another step failed, and on_error is fail_fast.", allow_retries=False)
        if session.is_out_of_time:
            session.recording.hold_back(step.name, OUT_OF_TIME)
            raise dg.Failure(f"Held back: {OUT_OF_TIME}.", allow_retries=False)
        settled = attempted(context, session, step.name, retry)
        if settled.decision.absence is not None:
            session.pass_over(settled)
            tell_absence(context.log, settled)
            if step.name not in pipeline.awaited:
                # What is not put out, Dagster does not wait for: it skips what follows.
                for asset in keys.values():
                    context.log_event(dg.AssetObservation(asset, metadata=absence_metadata(settled)))
                return
        key = settled.decision.key
        tags = {"dagster/code_version": str(key.code_version())} if key is not None else {}
        for output in keys:
            yield dg.Output(settled, output_name=output, tags=tags)

    return compute


OUT_OF_TIME = "the run is past its run_timeout"
_ENGINES = {"sql": "duckdb", "command": "shell"}


def _path_of(key: dg.AssetKey) -> list[str]:
    return list(key.path)


def _session(context: dg.AssetExecutionContext, source: PipelineSource, loaded: Identified) -> Session:
    manager: StepIOManager = getattr(context.resources, IO_MANAGER_KEY)
    name = loaded.identity.name
    if name not in manager.sessions:
        manager.sessions[name] = open_session(
            source, loaded, context.run, context.log, context.instance, alone=runs_in_one_process(context)
        )
    manager.sessions[name].recording.log = context.log
    return manager.sessions[name]


def runs_in_one_process(context: dg.AssetExecutionContext) -> bool:
    """Does every step of the run execute in this process? Dagster then retries steps itself, here."""
    mode = getattr(context.get_step_execution_context(), "retry_mode", None)
    return getattr(mode, "name", "") == "ENABLED"


def _declared_metadata(step: Step, retry: Retry) -> Mapping[str, Any]:
    found: dict[str, Any] = {"transform": step.kind}
    if retry.max_retries:
        found["retry"] = retry_text(retry)
    if isinstance(step.python, str):
        found["function"] = step.python
    if step.command is not None:
        found["command"] = " ".join(step.command)
    if step.read is not None:
        found |= {"path": step.read.path} if step.read.path is not None else {"url": step.read.url}
    if isinstance(step.sql, str):
        found["sql"] = dg.MetadataValue.md(f"```sql\n{step.sql.strip()[:2000]}\n```")
    return found
