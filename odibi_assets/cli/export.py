"""``oda export``: the YAML of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument
from odibi_assets.cli.output import print_json
from odibi_assets.declare.export import to_yaml
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import find_pipeline


def export(
    context: typer.Context,
    pipeline: PipelineArgument,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there, if there is no such file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print the YAML of a pipeline that is declared in Python; loaded again, it has the same keys.

    Example: oda export pipelines.py:flights --output flights.yaml
    """
    project = context.obj.project
    definition = find_pipeline(project, pipeline).definition()
    name = definition.checked().name
    text = to_yaml(definition.data)
    if output is not None:
        path = project.root / output
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{output} can't be written: {error.strerror}. Name another file.") from error
    if json:
        print_json({"pipeline": name, "yaml": text})
    elif output is not None:
        typer.echo(f"{name} written to {output}.")
    else:
        typer.echo(text, nl=False)
