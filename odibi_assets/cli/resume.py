"""``oda resume``: re-execute from failure; what finished is not repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odibi_assets.cli.completion import complete_pipeline_or_run
from odibi_assets.cli.opened import JsonOption, SkipOption, State, WorkersOption, open_pipeline
from odibi_assets.cli.output import stdout_reserved
from odibi_assets.cli.run import finish, run_and_show
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import pipelines
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Run, Runs
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
        named = _run_named(context.obj, target) if target else None
        reference = _reference(context.obj, named.start.pipeline if named else target)
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


def _run_named(state: State, target: str) -> Run | None:
    """The run that a target names, if it looks like one."""
    if len(target) < 8 or not all(character in "0123456789abcdef-" for character in target):
        return None
    definitions = [source.definition().pipeline for source, _ in pipelines(state.project)]
    declared = {pipeline.store for pipeline in definitions if pipeline is not None}
    for root in sorted({state.project.store_root(store) for store in (None, *declared)}, key=str):
        if isinstance(root, Path) and not root.is_dir():
            continue
        run = Runs(open_results(root).store).find(target)
        if run is not None:
            return run
    raise UsageError(f"There is no run {target!r} in the stores of {state.project.root}: see oda history PIPELINE.")


def _reference(state: State, target: str | None) -> str:
    """A pipeline's file where only its name is known; the only pipeline where nothing is."""
    if target is not None and ("." in target or "/" in target):
        return target
    found = list(pipelines(state.project))
    matching = [source for source, name in found if target in (None, name)]
    if len(matching) == 1:
        return state.project.shown(matching[0].path)
    if target is not None:
        return target
    names = ", ".join(name for _, name in found) or "none"
    raise UsageError(f"Nothing says which pipeline to resume: expected one of {names}, or a run.")
