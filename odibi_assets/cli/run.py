"""``oda run``: run what is needed."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.completion import complete_step
from odibi_assets.cli.opened import (
    JobOption,
    JsonOption,
    PipelineArgument,
    SelectOption,
    SetOption,
    SkipOption,
    WorkersOption,
    open_pipeline,
    parse_overrides,
)
from odibi_assets.cli.output import print_json, stdout_reserved
from odibi_assets.cli.progress import progress
from odibi_assets.cli.render import run_text
from odibi_assets.execute.report import Report, saved
from odibi_assets.keep.run_record import Run
from odibi_assets.orchestrate.pipeline_run import PipelineRun


def run(
    context: typer.Context,
    pipeline: PipelineArgument,
    select: SelectOption = None,
    job: JobOption = None,
    skip: SkipOption = None,
    set: SetOption = None,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="[STEP]",
            help="Run a step in any case; all that is selected if none is named.",
            autocompletion=complete_step,
        ),
    ] = None,
    keep_going: Annotated[
        bool | None,
        typer.Option(
            "--keep-going/--fail-fast", help="After a failure: run what is independent of it, or nothing new."
        ),
    ] = None,
    rollback: Annotated[
        bool | None,
        typer.Option("--rollback/--no-rollback", help="If it fails, undo what it did; as declared unless given."),
    ] = None,
    workers: WorkersOption = 1,
    record: Annotated[
        bool, typer.Option("--record", help="Make a Dagster run even if there is nothing to do.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run the steps whose code, params, engine or inputs changed; reuse the others.

    Example: oda run flights --set carrier_delay.min_flights=50
    """
    with stdout_reserved(json):
        opened = open_pipeline(
            context,
            pipeline,
            overrides=parse_overrides(set, keep_going=keep_going, rollback=rollback),
            selected=select,
            job=job,
            skip=skip,
            forced=force or (),
            record=record,
            workers=workers,
        )
        report = run_and_show(opened, as_json=json)
    finish(report, as_json=json)


def run_and_show(opened: PipelineRun, *, as_json: bool, parent: Run | None = None) -> Report:
    """Run, with live progress, and print the table; under JSON print nothing."""
    with progress(opened.identity, quiet=as_json) as tell:
        report, plan = opened.run(tell, parent=parent)
    if not as_json:
        typer.echo(run_text(report, saved(report, plan, opened.world.results)))
    return report


def finish(report: Report, *, as_json: bool) -> None:
    """Print the JSON document if asked for, and set the exit status."""
    if as_json:
        print_json(report.to_json())
    if report.status != "success":
        raise typer.Exit(1)
