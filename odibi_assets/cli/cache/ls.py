"""``oda cache ls``: what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import readable_size


def ls(
    context: typer.Context,
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="Only results of this step.")] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List stored results, newest first.

    Example: oda cache ls carrier_delay
    """
    results = opened(context.obj.project, store)
    found = sorted(results.all(), key=lambda result: result.produced_at, reverse=True)
    found = [result for result in found if step in (None, result.key.step)]
    marked = results.marked_nondeterministic()
    if json:
        print_json({"results": [row(result, is_marked=result.id in marked) for result in found]})
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
            ", ".join(_notes(result, is_marked=result.id in marked)),
        )
        for result in found
    ]
    header = ("pipeline", "step", "key", "generation", "version", "rows", "size", "produced (UTC)", "")
    typer.echo(table(header, rows, right=frozenset({3, 5, 6})))


def _notes(result: Result, *, is_marked: bool) -> Iterator[str]:
    if result.nondeterministic or is_marked:
        yield "nondeterministic"
    if result.accepted is not None:
        yield "accepted"


def row(result: Result, *, is_marked: bool) -> dict[str, object]:
    """A result as JSON, in short.

    Args:
        is_marked: An audit computed it again, and it came out otherwise.
    """
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
        "nondeterministic": result.nondeterministic or is_marked,
        "accepted": acceptance(result),
    }


def acceptance(result: Result) -> dict[str, object] | None:
    """Who took a result over from another key, as JSON."""
    found = result.accepted
    return {"by": found.by, "at": found.at, "reason": found.reason} if found is not None else None
