"""``oda cache show``: all that is recorded of one result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from odibi_assets.cli.cache.found import by_key, current_in
from odibi_assets.cli.cache.ls import row
from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results, blob_name, readable_size


def show(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="KEY|STEP", help="The beginning of a key, or a step.")],
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Show one result: its key's parts, what came out, what was read, who, when, and where it is current.

    Of a step it is the result that is current in this environment, else the newest.

    Example: oda cache show carrier_delay
    """
    project = context.obj.project
    results = opened(project, store)
    current = current_in(results)
    result = _of_step(results, target, current, project.environment) or by_key(results, target)[0]
    places = current.get(result.id, [])
    revocation = results.revocation(*result.id)
    if json:
        print_json(_json(results, result, places, revocation))
    else:
        typer.echo("\n".join(_lines(results, result, places, revocation)))


def _of_step(results: Results, step: str, current: Any, environment: str) -> Result | None:
    found = [result for result in results.all() if result.key.step == step]
    here = [result for result in found if any(place[0] == environment for place in current.get(result.id, ()))]
    return max(here or found, key=lambda result: result.produced_at, default=None)


def _json(results: Results, result: Result, places: list[Any], revocation: str | None) -> dict[str, Any]:
    outputs = {
        name: {
            **output.to_json(),
            "blobs": [
                {
                    "digest": str(blob.digest),
                    "size_bytes": blob.size_bytes,
                    "is_there": results.store.size(blob_name(blob.digest)) == blob.size_bytes,
                }
                for blob in output.blobs
            ],
            "schema": dict(output.schema),
        }
        for name, output in result.outputs.items()
    }
    return {
        **row(result, is_marked=results.is_nondeterministic(result)),
        "reason": result.reason,
        "revoked": revocation,
        "expires_at": result.expires_at,
        "current_in": [{"environment": place[0], "pipeline": place[1], "step": place[2]} for place in places],
        "components": result.key.to_json(),
        "outputs": outputs,
        "trace": [observation.to_json() for observation in result.trace],
        "obstacles": [list(obstacle) for obstacle in result.obstacles],
    }


def _lines(results: Results, result: Result, places: list[Any], revocation: str | None) -> Iterator[str]:
    yield f"{result.pipeline} {result.key.step}, key {result.key.digest()}, generation {result.generation}"
    yield (
        f"computed {result.produced_at[:19]} UTC in {result.seconds:.2f} s by run {result.run_id}, "
        f"because: {result.reason}"
    )
    where = ", ".join(f"{pipeline} in {environment}" for environment, pipeline, _ in places)
    yield f"current: {where or 'nowhere'}"
    for note in (
        revocation,
        "nondeterministic: its key came out otherwise" if results.is_nondeterministic(result) else None,
        f"{result.accepted}, from key {result.accepted.chain[0][0]}" if result.accepted is not None else None,
    ):
        if note:
            yield note
    for section, name, item in result.key.items():
        shown = f" = {item.shown}" if item.shown and item.shown != name else ""
        place = f"  ({item.place})" if item.place else ""
        yield f"  {section:<9} {name}{shown}  {item.digest.hex[:12]}{place}"
    for observation in result.trace:
        yield f"  read      {observation.kind} {observation.name}"
    for kind, text in result.obstacles:
        yield f"  obstacle  {kind}: {text}"
    for name, output in result.outputs.items():
        rows = "" if output.row_count is None else f"{output.row_count:,} rows, "
        yield f"output {name}: {output.format}, {rows}{readable_size(output.size_bytes)}, version {output.version}"
        for column, kind in output.schema.items():
            yield f"  column    {column}  {kind}"
        for change in output.changes:
            yield f"  changed   {change}"
        for blob in output.blobs:
            is_there = results.store.size(blob_name(blob.digest)) == blob.size_bytes
            missing = "" if is_there else "  MISSING: the step runs again when it is needed"
            yield f"  blob      {blob.digest}  {readable_size(blob.size_bytes)}{missing}"
