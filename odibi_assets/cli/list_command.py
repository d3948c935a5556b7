"""``oda list``: pipelines and their steps."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table
from odibi_assets.identify.pipeline_source import pipelines


def list_pipelines(
    context: typer.Context,
    steps: Annotated[bool, typer.Option("--steps/--no-steps", help="Show each pipeline's steps.")] = True,
    json: JsonOption = False,
) -> None:
    """List pipelines and their steps.

    Example: oda list
    """
    project = context.obj.project
    found = []
    for source, name in pipelines(project):
        definition = source.definition()
        own = [
            {
                "name": step.name,
                "layer": step.layer,
                "kind": step.kind,
                "inputs": [str(taken) for taken in step.bindings.values()],
            }
            for step in definition.steps.values()
        ]
        found.append(
            {"name": name, "file": project.shown(source.path), "mistakes": len(definition.mistakes), "steps": own}
        )
    if json:
        print_json({"pipelines": found})
        return
    if not found:
        typer.echo(f"No pipeline in {project.root}. A YAML file with name and steps makes one; see the README.")
    for pipeline in found:
        wrong = f", {pipeline['mistakes']} mistakes: oda validate {pipeline['name']}" if pipeline["mistakes"] else ""
        typer.echo(f"{pipeline['name']} ({pipeline['file']}{wrong})")
        if steps:
            rows = [
                ("  " + step["name"], step["layer"], step["kind"], ", ".join(step["inputs"]))
                for step in pipeline["steps"]
            ]
            typer.echo(table(("  step", "layer", "kind", "inputs"), rows))
