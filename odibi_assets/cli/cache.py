"""``oda cache``: the store."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results, open_results, readable_size

app = typer.Typer(help="Look at the store of results.", no_args_is_help=True, rich_markup_mode=None)

StoreOption = Annotated[str | None, typer.Option("--store", metavar="PATH", help="A store other than the project's.")]


def _results(context: typer.Context, store: str | None) -> Results:
    return open_results(context.obj.project.store_root(store))


@app.command("ls")
def ls(
    context: typer.Context,
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="Only results of this step.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List stored results, newest first.

    Example: oda cache ls carrier_delay
    """
    found = sorted(_results(context, store).all(), key=lambda result: result.produced_at, reverse=True)
    found = [result for result in found if step in (None, result.key.step)]
    if json:
        print_json({"results": [_row(result) for result in found]})
        return
    rows = [
        (
            result.pipeline,
            result.key.step,
            result.key.digest().hex[:12],
            str(result.generation),
            result.version.hex[:12],
            "" if result.row_count is None else f"{result.row_count:,}",
            readable_size(result.size_bytes),
            result.produced_at[:19],
            "nondeterministic" if result.nondeterministic else "",
        )
        for result in found
    ]
    header = ("pipeline", "step", "key", "generation", "version", "rows", "size", "produced (UTC)", "")
    typer.echo(table(header, rows, right=frozenset({3, 5, 6})))


def _row(result: Result) -> dict[str, object]:
    return {
        "pipeline": result.pipeline,
        "step": result.key.step,
        "key": str(result.key.digest()),
        "generation": result.generation,
        "version": str(result.version),
        "rows": result.row_count,
        "size_bytes": result.size_bytes,
        "produced_at": result.produced_at,
        "seconds": result.seconds,
        "run_id": result.run_id,
        "nondeterministic": result.nondeterministic,
    }


@app.command("verify")
def verify(context: typer.Context, store: StoreOption = None, json: JsonOption = False) -> None:
    """Read everything and check it against its name. Exit status 1 if anything is damaged.

    What is damaged is moved aside, and its step runs again when it is next needed.

    Example: oda cache verify
    """
    results = _results(context, store)
    damage = list(results.damage())
    count = sum(1 for _ in results.store.list("blobs")) + sum(1 for _ in results.store.list("results"))
    if json:
        print_json({"checked": count, "damage": damage})
    else:
        for sentence in damage:
            typer.echo(sentence)
        typer.echo(f"{count} objects checked, {len(damage)} damaged.")
    if damage:
        raise typer.Exit(1)
