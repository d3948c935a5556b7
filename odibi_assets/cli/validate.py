"""``oda validate``: all mistakes, with their lines."""

from __future__ import annotations

import typer

from odibi_assets.cli.opened import JsonOption, PipelineOrAllArgument
from odibi_assets.cli.output import print_json
from odibi_assets.declare.mistake import DefinitionError, Mistake
from odibi_assets.identify.pipeline_source import named_or_all


def validate(
    context: typer.Context,
    pipeline: PipelineOrAllArgument = None,
    json: JsonOption = False,
) -> None:
    """Check a pipeline, and the code it names, without running anything. Exit status 2 if anything is wrong.

    Example: oda validate flights
    """
    project = context.obj.project
    sources = named_or_all(project, pipeline)
    mistakes: list[Mistake] = []
    for source in sources:
        try:
            source.identified()
        except DefinitionError as error:
            mistakes.extend(error.mistakes)
    if json:
        print_json({"mistakes": [mistake.to_json() for mistake in mistakes]})
    elif mistakes:
        typer.echo("\n".join(map(str, mistakes)))
        typer.echo(f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}.", err=True)
    else:
        typer.echo(f"{len(sources)} pipeline{'s' if len(sources) != 1 else ''} checked: no mistakes.")
    if mistakes:
        raise typer.Exit(2)
