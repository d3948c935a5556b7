"""``oda resume``: re-execute from failure; what finished is not repeated."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.completion import complete_pipeline_or_run
from odibi_assets.cli.named_run import reference_of, run_named
from odibi_assets.cli.opened import JsonOption, SkipOption, WorkersOption, open_pipeline
from odibi_assets.cli.output import stdout_reserved
from odibi_assets.cli.run import finish, run_and_show
from odibi_assets.orchestrate.pipeline_run import to_resume


def resume(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PIPELINE|RUN]",
            help="A pipeline, whose last run it is, or a run.",
            autocompletion=complete_pipeline_or_run,
        ),
    ] = None,
    skip: SkipOption = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed/--no-retry-failed", help="Try again what failed, or run only what was never started."
        ),
    ] = True,
    preserve_completed: Annotated[
        bool,
        typer.Option(
            "--preserve-completed/--no-preserve-completed", help="Take what had finished, or run everything again."
        ),
    ] = True,
    workers: WorkersOption = 1,
    json: JsonOption = False,
) -> None:
    """Run what the last run did not finish, as its re-execution.

    What had finished is held against today's code, params and inputs first; what changed since runs again.

    Example: oda resume flights --skip weather_impact
    """
    with stdout_reserved(json):
        named = run_named(context.obj, target) if target else None
        reference = reference_of(context.obj, named.start.pipeline if named else target)
        opened, parent = to_resume(
            lambda overrides: open_pipeline(context, reference, overrides=overrides, workers=workers),
            named.start.run_id if named else None,
            skip=skip or (),
            retry_failed=retry_failed,
            preserve_completed=preserve_completed,
        )
        if not json:
            typer.echo(f"Resuming run {parent.start.run_id} of {parent.start.pipeline}.")
        report = run_and_show(opened, as_json=json, parent=parent)
    finish(report, as_json=json)
