"""``oda show``: the data of a step's current, or an earlier, result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table as text_table
from odibi_assets.decide.plan import open_world, snapshots_of
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshots


def show(
    context: typer.Context,
    pipeline: PipelineArgument,
    step: Annotated[str, typer.Argument(metavar="STEP[.OUTPUT]", help="A step of the pipeline.")],
    rows: Annotated[int, typer.Option(min=0, help="Rows to print.")] = 10,
    version: Annotated[str | None, typer.Option(metavar="V", help="The beginning of an earlier version.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all rows to a .parquet, .csv or .json file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print or export the data that is current for a step.

    Example: oda show flights carrier_delay --output out.csv
    """
    project = context.obj.project
    source = find_pipeline(project, pipeline)
    definition = source.definition().checked()
    name, dot, wanted = step.partition(".")
    if name not in definition.by_name:
        raise UsageError(
            f"Pipeline {definition.name!r} has no step {name!r}: {expected_one_of(name, definition.by_name)}"
        )
    if dot and wanted != "result":
        raise UsageError(f"Step {name!r} has no output {wanted!r}: expected 'result'.")
    world = open_world(project, definition.name, definition.store)
    result = _result(world.results, snapshots_of(world, project, definition.name), name, version)
    shown = frame_format.without_unnamed_index(frame_format.read_result(world.results, result))
    if output is not None:
        _write(shown, project.root / output)
        if not json:
            typer.echo(f"{shown.num_rows} rows written to {output}.")
    if json:
        data = shown.slice(0, rows).to_pylist()
        print_json(
            {
                "pipeline": definition.name,
                "step": name,
                "version": str(result.output.version),
                "row_count": shown.num_rows,
                "schema": dict(result.output.schema),
                "rows": data,
            }
        )
    elif output is None:
        typer.echo(_text(shown, rows, result))


def _result(results: Results, snapshots: Snapshots, step: str, version: str | None) -> Result:
    if version is not None:
        wanted = version.removeprefix("b3:")
        found = {
            result.output.version.hex: result
            for result in results.all()
            if result.key.step == step and result.output.version.hex.startswith(wanted)
        }
        if len(found) != 1:
            raise UsageError(
                f"{len(found)} versions of step {step!r} begin with {version!r}: expected one. See oda cache ls."
            )
        return next(iter(found.values()))
    snapshot = snapshots.current()
    reference = snapshot.steps.get(step) if snapshot is not None else None
    result = results.get(reference) if reference is not None else None
    if result is None:
        raise UsageError(
            f"Step {step!r} has no current result in environment {snapshots.environment!r}. "
            f"Run the pipeline first: oda run {snapshots.pipeline}."
        )
    return result


def _write(shown: Any, path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    if not path.parent.is_dir():
        raise UsageError(f"{path} can't be written: the folder {path.parent} does not exist.")
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(shown, path)
    elif path.suffix == ".csv":
        shown.to_pandas().to_csv(path, index=False)
    elif path.suffix == ".json":
        shown.to_pandas().to_json(path, orient="records", date_format="iso")
    else:
        raise UsageError(f"{path.name} can't be written: expected a name that ends in .parquet, .csv or .json.")


def _text(shown: Any, rows: int, result: Result) -> str:
    head = shown.slice(0, rows).to_pylist()
    cells = [["" if value is None else str(value) for value in row.values()] for row in head]
    body = text_table(shown.column_names, cells) if shown.num_columns else ""
    version, produced = result.output.version.hex[:12], result.produced_at[:19]
    return (
        f"{body}\n\n{shown.num_rows:,} rows, {shown.num_columns} columns, version {version}, computed {produced} UTC."
    )
