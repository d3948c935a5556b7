"""``oda graph``: the picture of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument
from odibi_assets.cli.output import check_folder_of, print_json
from odibi_assets.cli.picture.mermaid import mermaid
from odibi_assets.cli.picture.picture import Picture
from odibi_assets.cli.picture.svg import svg
from odibi_assets.cli.picture.text import text
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Runs

Format = Literal["text", "mermaid", "svg"]
_DRAWN = {"text": text, "mermaid": mermaid, "svg": svg}
_SUFFIXES: dict[str, Format] = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}


def graph(
    context: typer.Context,
    pipeline: PipelineArgument,
    format: Annotated[
        Format | None,
        typer.Option("--format", metavar="text,mermaid,svg", help="text, unless the name of the file says otherwise."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write to a file: .svg, .mmd, or any for text.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Draw the steps, layer by layer, with what each waits for and its last outcome.

    Example: oda graph flights --format svg --output flights.svg
    """
    project = context.obj.project
    definition = find_pipeline(project, pipeline).definition().checked()
    runs = Runs(open_results(project.store_root(definition.store)).store)
    outcomes: dict[str, str] = {}
    for run in runs.of_pipeline(definition.name, project.environment):
        outcomes = {**run.outcomes, **outcomes}
    picture = Picture.of(definition, outcomes)
    if json:
        print_json(picture.to_json())
        return
    drawn = _DRAWN[format or (_SUFFIXES.get(output.suffix) if output else None) or "text"](picture)
    if output is None:
        typer.echo(drawn)
        return
    path = project.root / output
    check_folder_of(path)
    path.write_text(drawn + "\n", encoding="utf-8")
    typer.echo(f"{len(picture.nodes)} steps drawn in {output}.")
