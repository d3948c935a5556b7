"""``oda accept``: take a step's current result over after an edit that changed nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument, StepArgument, open_pipeline
from odibi_assets.cli.output import print_json
from odibi_assets.execute.acceptance import AcceptReport
from odibi_assets.execute.acceptance import accept as accept_result
from odibi_assets.keep.process import this_user


def accept(
    context: typer.Context,
    pipeline: PipelineArgument,
    step: StepArgument,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why nothing changed, for the record.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what differs.")] = False,
    json: JsonOption = False,
) -> None:
    """Take the current result of a step over for its key of now, because you know that an edit changed nothing.

    The record says who accepted it, when, and from which key. The steps below it see no change.

    Example: oda accept flights carrier_delay --reason "only renamed a variable"
    """
    opened = open_pipeline(context, pipeline)
    opened.check_step(step)
    report = accept_result(
        opened.plan(), step, opened.identity, opened.world, opened.project,
        by=this_user(), reason=reason, dry_run=dry_run,
    )  # fmt: skip
    print_json(_document(report)) if json else typer.echo(_text(report))


def _document(report: AcceptReport) -> dict[str, object]:
    accepted = report.accepted
    return {
        **asdict(report),
        "accepted": {"by": accepted.by, "at": accepted.at, "reason": accepted.reason} if accepted else None,
    }


def _text(report: AcceptReport) -> str:
    differing = [f"  - {reason}" for reason in report.differences]
    lines = [f"{report.step}: what differs from its current result, of key {report.key_before[3:15]}:", *differing]
    if report.accepted is None:
        lines.append("A dry run: nothing was accepted.")
    else:
        lines.append(
            f"{report.step} is {report.accepted}. It has version {report.version[3:15]} under key {report.key[3:15]}; "
            f"to take that back: oda cache invalidate {report.key[3:15]}"
        )
    return "\n".join(lines)
