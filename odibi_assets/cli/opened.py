"""What commands share: the project they work in, and a pipeline opened in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer
import yaml

from odibi_assets.cli.completion import complete_pipeline, complete_selection, complete_step
from odibi_assets.decide.plan import open_world
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.identify.witnessed import find_and_identify
from odibi_assets.keep.effects import Effects
from odibi_assets.orchestrate.deployment import bind_store_client
from odibi_assets.orchestrate.due_rollbacks import finished_by, rollbacks_of
from odibi_assets.orchestrate.pipeline_run import PipelineRun


@dataclass
class State:
    """What the options before the command say."""

    directory: str

    @cached_property
    def project(self) -> Project:
        """The project; from here on its root is the working directory, as with ``make -C``."""
        project = Project.at(self.directory)
        os.chdir(project.root)
        bind_store_client(project)
        return project


PipelineArgument = Annotated[
    str,
    typer.Argument(metavar="PIPELINE", help="A name, a YAML file, or file.py:name.", autocompletion=complete_pipeline),
]
PipelineOrAllArgument = Annotated[
    str | None,
    typer.Argument(metavar="[PIPELINE]", help="All of the project unless given.", autocompletion=complete_pipeline),
]
StepArgument = Annotated[
    str, typer.Argument(metavar="STEP", help="A step of the pipeline.", autocompletion=complete_step)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="STEP",
        help="Only these steps; other inputs are what is current. Also a pattern, layer:NAME, and +STEP or STEP+ with "
        "all that it needs or that needs it (1+STEP: one step away); 'A,B' takes what both select.",
        autocompletion=complete_selection,
    ),
]
SkipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="STEP",
        help="Pass over these steps: what needs one takes its current result, or is skipped where there is none.",
        autocompletion=complete_selection,
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", metavar="N", min=1, help="Steps that run at once, each in a process of its own.")
]
JobOption = Annotated[
    str | None, typer.Option("--job", metavar="NAME", help="Only the steps of this job, as the pipeline declares it.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[STEP.]PARAM=VALUE", help="Change a param for this run; VALUE is read as YAML."),
]


def open_pipeline(
    context: typer.Context,
    reference: str,
    *,
    overrides: Overrides | None = None,
    selected: Sequence[str] | None = None,
    job: str | None = None,
    skip: Sequence[str] | None = None,
    forced: Sequence[str] = (),
    record: bool = False,
    workers: int = 1,
) -> PipelineRun:
    """Import, check and open a pipeline.

    Raises:
        UsageError: There is no such pipeline, step or job.
        DefinitionError: With all mistakes.
    """
    project = context.obj.project
    changed = overrides or Overrides()
    source, identified = find_and_identify(project, reference, changed)
    if job is not None:
        selected = _steps_of_job(identified.pipeline, job, selected)
    opened = PipelineRun(
        project,
        source,
        identified,
        changed,
        selected=tuple(selected) if selected else None,
        skip=tuple(skip or ()),
        forced=tuple(forced),
        record=record,
        workers=workers,
        reference=reference,
    )
    finished_by(opened.rollbacks, _tell)
    return opened


def _steps_of_job(pipeline: Pipeline, job: str, selected: Sequence[str] | None) -> Sequence[str]:
    if selected:
        raise UsageError("--job and --select each say which steps run: expected one of the two.")
    if job not in pipeline.jobs:
        raise UsageError(f"Pipeline {pipeline.name!r} has no job {job!r}: {expected_one_of(job, pipeline.jobs)}")
    return pipeline.jobs[job]


def finish_rollbacks(project: Project, source: PipelineSource, definition: Pipeline) -> None:
    """Roll back what waits for it, for commands that do not open the pipeline otherwise."""
    world = open_world(project, definition.name, definition.store)
    if Effects(world.results.store, project.environment, definition.name).is_waiting:
        finished_by(rollbacks_of(source, source.identified(), world=world), _tell)


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def parse_overrides(
    settings: Sequence[str] | None, *, keep_going: bool | None = None, rollback: bool | None = None
) -> Overrides:
    """Read ``--set`` options, ``--keep-going`` or ``--fail-fast``, and ``--rollback``.

    >>> parse_overrides(["year=2014", "carrier_delay.min_flights=50"])
    Overrides(params={'year': 2014}, steps={'carrier_delay': {'min_flights': 50}}, on_error=None, rollback=None)

    Raises:
        UsageError: One is not NAME=VALUE.
    """
    params: dict[str, Any] = {}
    steps: dict[str, dict[str, Any]] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        step, dot, param = name.rpartition(".")
        if not equals or not param or (dot and not step):
            raise UsageError(f"--set {setting!r} can't be read: expected PARAM=VALUE or STEP.PARAM=VALUE.")
        try:
            value = yaml.safe_load(text) if text.strip() else text
        except yaml.YAMLError as error:
            raise UsageError(f"--set {setting!r}: the value is no YAML ({str(error).splitlines()[0]}).") from error
        if step:
            steps.setdefault(step, {})[param] = value
        else:
            params[param] = value
    on_error = None if keep_going is None else "continue" if keep_going else "fail_fast"
    return Overrides(params, steps, on_error, rollback)
