"""``oda rollback``: undo a failed run, or return a pipeline or a step to another snapshot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from odibi_assets.cli.completion import complete_pipeline_or_run
from odibi_assets.cli.named_run import reference_of, run_named
from odibi_assets.cli.opened import JsonOption, open_pipeline
from odibi_assets.cli.output import print_json, stdout_reserved
from odibi_assets.cli.render import table
from odibi_assets.errors import UsageError
from odibi_assets.orchestrate.rollback import RollbackReport, return_to, roll_back_run


def rollback(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE|RUN", help="A failed run, or a pipeline.", autocompletion=complete_pipeline_or_run
        ),
    ],
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="Only this step of the pipeline.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SNAPSHOT|last-good", help="What to return a pipeline or a step to."),
    ] = None,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="The step with all that was derived from it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    json: JsonOption = False,
) -> None:
    """Undo a failed run: its steps' side effects and what it published. Or, with --to, make another snapshot current.

    Example: oda rollback flights carrier_delay --to last-good --downstream --dry-run
    """
    with stdout_reserved(json):
        named = run_named(context.obj, target)
        if named is not None:
            if step is not None or to is not None or downstream:
                raise UsageError(
                    f"{target} is a run, which is rolled back as a whole: expected no STEP, --to or --downstream."
                )
            opened = open_pipeline(context, reference_of(context.obj, named.start.pipeline))
            report = roll_back_run(opened, named.start.run_id, dry_run=dry_run, was_due=named.rolled_back is None)
        else:
            if to is None:
                raise UsageError(f"Nothing says what to return {target} to: expected --to SNAPSHOT or --to last-good.")
            opened = open_pipeline(context, target)
            report = return_to(opened, to, step=step, downstream=downstream, dry_run=dry_run)
    print_json(_document(report)) if json else typer.echo(_text(report))
    if any(undone.error is not None for undone in report.undone):
        raise typer.Exit(1)


def _document(report: RollbackReport) -> dict[str, Any]:
    return asdict(report)


def _text(report: RollbackReport) -> str:
    lines = []
    if report.tables:
        rows = [
            (
                found.step + (f".{found.output}" if found.output else ""),
                _rows(found.rows_before, found.version_before),
                _rows(found.rows_after, found.version_after),
            )
            for found in report.tables
        ]
        lines += [
            table(
                ("table", "rows now" if report.dry_run else "rows before", "rows then"), rows, right=frozenset({1, 2})
            ),
            "",
        ]
    for consumer in report.consumers:
        if not consumer.changes:
            lines.append(
                f"{consumer.step} takes {', '.join(consumer.takes)} and stays as it is, derived from other data."
            )
    for undone in report.undone:
        word = "would be undone" if report.dry_run else "is undone" if undone.error is None else "could not be undone"
        why = f": {undone.error}" if undone.error is not None else ""
        lines.append(f"{undone.step} {word} (its effect: {undone.effect}){why}.")
    what = f"run {report.run_id}" if report.run_id is not None else report.pipeline
    to = f" to snapshot {report.to}" if report.to is not None and report.run_id is None else ""
    if report.dry_run:
        lines.append(f"A dry run: {what} was not rolled back{to}.")
    else:
        lines.append(f"Rolled back {what}{to}; current is snapshot {report.snapshot or 'none'}.")
    return "\n".join(lines)


def _rows(rows: int | None, version: str | None) -> str:
    return "-" if version is None else "no frame" if rows is None else f"{rows:,}"
