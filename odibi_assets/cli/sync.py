"""``oda sync``: Dagster is told what is current."""

from __future__ import annotations

from dataclasses import asdict

import typer

from odibi_assets.cli.opened import JsonOption, PipelineOrAllArgument, finish_rollbacks
from odibi_assets.cli.output import print_json
from odibi_assets.decide.plan import open_world
from odibi_assets.identify.pipeline_source import named_or_all
from odibi_assets.keep.run_record import Runs


def sync(
    context: typer.Context,
    pipeline: PipelineOrAllArgument = None,
    json: JsonOption = False,
) -> None:
    """Report what is current to a Dagster home that does not know it. A second time reports nothing.

    Example: oda sync
    """
    from odibi_assets.orchestrate.launch import open_instance
    from odibi_assets.orchestrate.lost_runs import report_lost_runs
    from odibi_assets.orchestrate.sync import report_moves
    from odibi_assets.orchestrate.sync import sync as report_current

    project = context.obj.project
    sources = named_or_all(project, pipeline)
    checked = [source.definition().checked() for source in sources]
    for source, each in zip(sources, checked, strict=True):
        finish_rollbacks(project, source, each)
    found = []
    with open_instance(project) as instance:
        for each in checked:
            world = open_world(project, each.name, each.store)
            current = world.current.steps if world.current is not None else {}
            synced = report_current(each, current, world.results, instance, reason="reported by oda sync")
            report_moves(each, project.environment, world, instance)
            report_lost_runs(Runs(world.results.store), each.name, instance)
            found.append({"pipeline": each.name, **asdict(synced)})
    if json:
        print_json({"environment": project.environment, "pipelines": found})
        return
    for entry in found:
        name, reported, unchanged = entry["pipeline"], entry["reported"], entry["unchanged"]
        typer.echo(f"{name}: {len(reported)} reported to Dagster, {len(unchanged)} known to it already.")
        if entry["missing"]:
            typer.echo(f"  Gone from the store, to be computed by oda run {name}: {', '.join(entry['missing'])}.")
