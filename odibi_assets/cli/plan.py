"""``oda plan``: hit, miss or unknown for each step, with the reason; runs nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument, SetOption, open_pipeline, parse_overrides
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import plan_text
from odibi_assets.execute.report import plan_report


def plan(
    context: typer.Context,
    pipeline: PipelineArgument,
    select: Annotated[list[str] | None, typer.Option("--select", metavar="STEP", help="Only these steps.")] = None,
    set: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Say which steps would run, and why; run nothing.

    Example: oda plan flights
    """
    opened = open_pipeline(context, pipeline, overrides=parse_overrides(set), selected=select)
    report = plan_report(opened.plan(), opened.identity, opened.project.environment)
    print_json(report.to_json()) if json else typer.echo(plan_text(report))
