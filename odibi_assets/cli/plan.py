"""``oda plan``: hit, miss or unknown for each step, with the reason; runs nothing."""

from __future__ import annotations

from typing import Annotated

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
from odibi_assets.cli.render import plan_text, policies_text
from odibi_assets.declare.effective import effective as effective_policies
from odibi_assets.execute.report import plan_report


def plan(
    context: typer.Context,
    pipeline: PipelineArgument,
    select: SelectOption = None,
    skip: SkipOption = None,
    set: SetOption = None,
    effective: Annotated[
        bool, typer.Option("--effective", help="Print the policies too, as they came out, and where each comes from.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say which steps would run, and why; run nothing.

    Example: oda plan flights --select +carrier_delay
    """
    opened = open_pipeline(context, pipeline, overrides=parse_overrides(set), selected=select, skip=skip)
    report = plan_report(opened.plan(), opened.identity, opened.project.environment)
    policies = None
    if effective:
        declared = opened.source.definition(opened.overrides).data
        policies = effective_policies(opened.identified.pipeline, declared)
    if json:
        imports = {"imports": list(opened.identity.computed_values)}
        print_json(report.to_json() | imports | ({"policies": policies.to_json()} if policies is not None else {}))
    else:
        typer.echo(
            plan_text(report, opened.identity.computed_values)
            + (f"\n\n{policies_text(policies)}" if policies is not None else "")
        )
