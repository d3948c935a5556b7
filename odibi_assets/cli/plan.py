"""``oda plan``: hit, miss or unknown for each step, with the reason; runs nothing."""

from __future__ import annotations

import typer

from odibi_assets.cli.opened import (
    JsonOption,
    PipelineArgument,
    SelectOption,
    SetOption,
    SkipOption,
    open_pipeline,
    parse_overrides,
)
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import plan_text
from odibi_assets.execute.report import plan_report


def plan(
    context: typer.Context,
    pipeline: PipelineArgument,
    select: SelectOption = None,
    skip: SkipOption = None,
    set: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Say which steps would run, and why; run nothing.

    Example: oda plan flights --select +carrier_delay
    """
    opened = open_pipeline(context, pipeline, overrides=parse_overrides(set), selected=select, skip=skip)
    report = plan_report(opened.plan(), opened.identity, opened.project.environment)
    print_json(report.to_json()) if json else typer.echo(plan_text(report))
