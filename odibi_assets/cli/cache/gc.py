"""``oda cache gc``: delete what nothing keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.decide.plan import utc_now
from odibi_assets.declare.policies import Retention
from odibi_assets.declare.project import Project
from odibi_assets.identify.pipeline_source import pipelines
from odibi_assets.keep.results import Results, readable_size
from odibi_assets.keep.retention import noted_retention
from odibi_assets.keep.sweep import Collected, collect


def gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Delete results, data and records that nothing keeps. Safe while pipelines run and results are read.

    Kept are: what is current in any environment, each pipeline's `retention:` (the newest results of each step and
    snapshots of each environment, everything younger than grace_days), and what runs and transfers in progress use.
    In a bucket, what is found now is deleted by a gc an hour later.

    Example: oda cache gc --dry-run
    """
    project = context.obj.project
    results = opened(project, store)
    collected = collect(results, retention_of(project, results), now=utc_now(), dry_run=dry_run)
    if json:
        print_json(to_json(collected, dry_run=dry_run))
    else:
        typer.echo(_text(collected, results, dry_run=dry_run))


def retention_of(project: Project, results: Results) -> Callable[[str], Retention]:
    """A pipeline's name → what it declares: in this project, else when it last ran, else the defaults.

    Raises:
        DefinitionError: A pipeline here can't be read, so what it keeps is not known.
    """
    declared = {name: source.definition().checked().retention for source, name in pipelines(project)}
    known = {**noted_retention(results.store), **declared}
    return lambda pipeline: known.get(pipeline, Retention())


def to_json(collected: Collected, *, dry_run: bool) -> dict[str, object]:
    garbage = collected.garbage
    return {
        "dry_run": dry_run,
        "deleted": {
            "results": len(garbage.results),
            "blobs": len(garbage.blobs),
            "snapshots": len(garbage.snapshots),
            "runs": len(garbage.runs),
            "revocations": len(garbage.revocations),
            "temporary": len(garbage.temporary),
            "pins": len(garbage.pins),
            "states": len(garbage.states),
        },
        "freed_bytes": garbage.freed_bytes,
        "noted": collected.noted,
        "kept": dict(garbage.kept),
    }


def _text(collected: Collected, results: Results, *, dry_run: bool) -> str:
    garbage = collected.garbage
    counts = (
        (len(garbage.results), "results"),
        (len(garbage.blobs), "data files"),
        (len(garbage.snapshots), "snapshot objects"),
        (len(garbage.runs), "run records"),
        (len(garbage.temporary), "temporary files"),
        (len(garbage.states), "objects of unfinished steps"),
    )
    what = ", ".join(f"{count:,} {name}" for count, name in counts if count) or "nothing"
    kept = ", ".join(f"{count:,} {reason}" for reason, count in garbage.kept.items()) or "none"
    verb = "Would delete" if dry_run else "Deleted"
    lines = [
        f"{verb} {what} from {results.store.name}: {readable_size(garbage.freed_bytes)}.",
        f"Results kept: {kept}.",
    ]
    if collected.noted:
        lines.append(f"{collected.noted:,} more objects are noted; a gc in an hour or later deletes them.")
    return "\n".join(lines)
