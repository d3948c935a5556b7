"""``oda show``: the data of a step's current, or an earlier, result."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from odibi_assets.cli.completion import complete_step
from odibi_assets.cli.opened import JsonOption, PipelineArgument, finish_rollbacks
from odibi_assets.cli.output import check_folder_of, print_json
from odibi_assets.cli.render import table as text_table
from odibi_assets.decide.plan import open_world, snapshots_of
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.formats.files import FileTree
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import put_kept, read_output
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshots


def show(
    context: typer.Context,
    pipeline: PipelineArgument,
    step: Annotated[
        str,
        typer.Argument(metavar="STEP[.OUTPUT]", help="A step of the pipeline.", autocompletion=complete_step),
    ],
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
    finish_rollbacks(project, source, definition)
    name, dot, wanted = step.partition(".")
    if name not in definition.by_name:
        raise UsageError(
            f"Pipeline {definition.name!r} has no step {name!r}: {expected_one_of(name, definition.by_name)}"
        )
    outputs = list(definition.by_name[name].outputs) or ["result"]
    if (dot and wanted not in outputs) or (not dot and len(outputs) > 1):
        told = f"has no output {wanted!r}" if dot else "has several outputs"
        raise UsageError(
            f"Step {name!r} {told}: {expected_one_of(f'{name}.{wanted}', [f'{name}.{each}' for each in outputs])}"
        )
    world = open_world(project, definition.name, definition.store)
    result = _result(world.results, snapshots_of(world, project, definition.name), name, version)
    kept = read_output(result.outputs[wanted or outputs[0]], world.results)
    if kept.format != "parquet":
        _show_value(kept, definition.name, step, result, output=output and project.root / output, as_json=json)
        return
    shown = frame_format.without_unnamed_index(kept.value)
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
                "version": str(kept.version),
                "row_count": shown.num_rows,
                "schema": dict(kept.schema),
                "rows": data,
            }
        )
    elif output is None:
        typer.echo(_text(shown, rows, result))


def _show_value(kept: Kept, pipeline: str, step: str, result: Result, *, output: Path | None, as_json: bool) -> None:
    """Print or export what is no frame."""
    data = kept.value if isinstance(kept.value, bytes) else b""
    text = data.decode() if kept.format in ("text", "json") else None
    if output is not None:
        check_folder_of(output)
        if output.is_dir():
            raise UsageError(f"{output} is a folder, which would be replaced: name a path where nothing stands.")
        put_kept(kept, output, output.parent)
    if as_json:
        value = jsonlib.loads(data) if kept.format == "json" else text
        print_json(
            {"pipeline": pipeline, "step": step, "version": str(kept.version), "format": kept.format, "value": value}
        )
        return
    if output is not None:
        typer.echo(f"Written to {output}.")
        return
    described = text if text is not None else _summary(kept)
    typer.echo(
        f"{described}\n\n{kept.format}, version {kept.version.hex[:12]}, computed {result.produced_at[:19]} UTC."
    )


def _summary(kept: Kept) -> str:
    if isinstance(kept.value, FileTree):
        return "\n".join(f"{entry.size_bytes:>12,}  {path}" for path, entry in kept.value.entries.items())
    if kept.format == "numpy":
        return "\n".join(f"{name or 'array'}: {array.dtype}, shape {array.shape}" for name, array in kept.value.items())
    return f"{kept.size_bytes:,} bytes"


def _result(results: Results, snapshots: Snapshots, step: str, version: str | None) -> Result:
    if version is not None:
        wanted = version.removeprefix("b3:")
        found = {
            version.hex: result
            for result in results.all()
            if result.key.step == step
            for version in (result.version, *(output.version for output in result.outputs.values()))
            if version.hex.startswith(wanted)
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

    check_folder_of(path)
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
    version, produced = result.version.hex[:12], result.produced_at[:19]
    return (
        f"{body}\n\n{shown.num_rows:,} rows, {shown.num_columns} columns, version {version}, computed {produced} UTC."
    )
