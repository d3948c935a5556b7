"""Runs from the command line: ordinary Dagster runs, which the UI can re-execute.

The one file, beside ``warm.py``, that uses Dagster's private modules (tried on 1.13): ``execute_in_process`` and
``execute_job`` leave a run without its remote origin, so that neither the UI nor a failure sensor
could take it up. ``tests/orchestrate/test_launch.py`` says so when Dagster moves them.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import CustomPointer, ModuleCodePointer
from dagster._core.definitions.job_base import IJob, InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.api import create_execution_plan, execute_run_iterator
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.interrupts import capture_interrupts

from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError
from odibi_assets.orchestrate.location import MODULE, REPOSITORY, location_name

DEFAULT_HOME = """\
# Made by odibi-assets. The instance keeps runs and events in SQLite files beside this one.
telemetry:
  enabled: false
nux:
  enabled: false
run_retries:
  enabled: true
  max_retries: 0
run_monitoring:
  enabled: true
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 30
"""

# The event log keeps everything; the terminal is for our own progress.
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}

_WARM = "odibi_assets.orchestrate.warm"

# The daemon would take up a run whose user is at the terminal.
_NO_RUN_RETRIES = {"dagster/max_retries": "0"}


@dataclass(frozen=True)
class Launch:
    """What a run is to be.

    Attributes:
        assets: What to materialize.
        workers: So many steps at once, each in a process of its own; 1 is this process.
        tags: Beside those that say where the run belongs.
        parent_run_id: The run that this one re-executes, and ``root_run_id`` the first of its line.
    """

    run_id: str
    pipeline: str
    assets: tuple[dg.AssetKey, ...]
    workers: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)
    parent_run_id: str | None = None
    root_run_id: str | None = None


def open_instance(project: Project) -> dg.DagsterInstance:
    """The project's Dagster instance, in ``$DAGSTER_HOME`` or its own ``dagster_home``."""
    home = project.dagster_home
    settings = home / "dagster.yaml"
    with _alone_in(home):
        if not settings.exists():
            settings.write_text(DEFAULT_HOME)
        os.environ["DAGSTER_HOME"] = str(home)
        return dg.DagsterInstance.get()


@contextlib.contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """One process at a time: of two that make the tables of a new home at once, Dagster lets one fail."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / ".opening", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f"The Dagster home {home} can't be used: {error.strerror}. "
            "Set DAGSTER_HOME to a folder that can be written."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def job_here(definitions: dg.Definitions, pipeline: str) -> IJob:
    """The job of a pipeline, to run in this process."""
    return InMemoryJob(definitions.resolve_job_def(pipeline))


def job_for_workers(project: Project, pipeline: str, reference: str, overrides: Overrides) -> IJob:
    """The job of a pipeline, to be loaded again by each process that runs a step of it.

    Args:
        reference: What the user names the pipeline by.
    """
    loader = ModuleCodePointer("odibi_assets.orchestrate.worker", "worker_job", working_directory=str(project.root))
    arguments = [str(project.root), reference, overrides.to_json()]
    return ReconstructableJob(ReconstructableRepository(CustomPointer(loader, arguments, [])), pipeline)


def execute(launch: Launch, job: IJob, instance: dg.DagsterInstance, project: Project) -> Iterator[dg.DagsterEvent]:
    """Run steps as a run of the project's code location; yields Dagster's events.

    Raises:
        KeyboardInterrupt: The user stopped it.
    """
    selection = set(launch.assets)
    job = job.get_subset(asset_selection=selection)
    definition = job.get_definition()
    config = {"execution": {"config": _executor(launch.workers)}, "loggers": _QUIET}
    tags = {**definition.tags, **_NO_RUN_RETRIES, **launch.tags}
    if launch.parent_run_id is not None:
        tags |= {
            "dagster/parent_run_id": launch.parent_run_id,
            "dagster/root_run_id": launch.root_run_id or launch.parent_run_id,
            "dagster/retry_on_asset_or_op_failure": "true",
        }
    run = instance.create_run_for_job(
        definition,
        execution_plan=create_execution_plan(definition, config, instance_ref=instance.get_ref(), tags=tags),
        run_id=launch.run_id,
        run_config=config,
        tags=tags,
        parent_run_id=launch.parent_run_id,
        root_run_id=launch.root_run_id,
        asset_selection=selection,
        remote_job_origin=_origin(project, launch.pipeline),
    )
    if launch.workers == 1:
        with _collected_apart():
            yield from execute_run_iterator(job, run, instance)
        return
    try:
        # Captured, the executor hands a signal on to its processes and waits for them.
        with capture_interrupts():
            yield from execute_run_iterator(job, run, instance)
    except DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error


@contextlib.contextmanager
def _collected_apart() -> Iterator[None]:
    """What is loaded by now outlives the run: the garbage collector need not go through it after every few steps."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _executor(workers: int) -> dict[str, object]:
    if workers == 1:
        return {"in_process": {}}
    start = {"forkserver": {"preload_modules": [_WARM]}}
    return {"multiprocess": {"max_concurrent": workers, "start_method": start}}


def _origin(project: Project, job_name: str) -> RemoteJobOrigin:
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=MODULE, working_directory=str(project.root)
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name(project))
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job_name)
