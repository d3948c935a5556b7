"""``oda cache stats``: how much the store holds, and what sharing and collection spare."""

from __future__ import annotations

from typing import Any

import typer

from odibi_assets.cli.cache.gc import retention_of
from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table
from odibi_assets.decide.plan import utc_now
from odibi_assets.keep.results import readable_size
from odibi_assets.keep.statistics import by_step, share
from odibi_assets.keep.survey import garbage_among, holdings_of


def stats(context: typer.Context, store: StoreOption = None, json: JsonOption = False) -> None:
    """Count results and bytes, per pipeline and step: stored, logical, shared, and what a gc would free.

    Logical bytes are what the results would take if each had its files for itself.

    Example: oda cache stats
    """
    project = context.obj.project
    results = opened(project, store)
    now = utc_now()
    holdings, damaged = holdings_of(results, now)
    garbage = garbage_among(results, holdings, damaged, retention_of(project, results), now)
    sizes = [results.store.size(name) or 0 for name in results.store.list("blobs")]
    whole, steps = share(holdings.results), by_step(holdings.results)
    document: dict[str, Any] = {
        "store": results.store.name,
        "results": whole.results,
        "revoked": sum(stored.is_revoked for stored in holdings.results),
        "blobs": len(sizes),
        "snapshots": sum(1 for _ in results.store.list("snapshots")),
        "runs": len(holdings.runs),
        "stored_bytes": sum(sizes),
        "logical_bytes": whole.logical_bytes,
        "deduplicated": round(whole.deduplicated, 4),
        "collectable": {"results": len(garbage.results), "blobs": len(garbage.blobs), "bytes": garbage.freed_bytes},
        "steps": [
            {
                "pipeline": pipeline,
                "step": step,
                "results": own.results,
                "stored_bytes": own.stored_bytes,
                "logical_bytes": own.logical_bytes,
            }
            for (pipeline, step), own in steps.items()
        ],
    }
    if json:
        print_json(document)
        return
    rows = [
        (pipeline, step, f"{own.results:,}", readable_size(own.stored_bytes), readable_size(own.logical_bytes))
        for (pipeline, step), own in steps.items()
    ]
    typer.echo(table(("pipeline", "step", "results", "stored", "logical"), rows, right=frozenset({2, 3, 4})))
    typer.echo(
        f"\n{whole.results:,} results in {len(sizes):,} data files, {document['snapshots']:,} snapshot objects, "
        f"{len(holdings.runs):,} runs.\n"
        f"{readable_size(sum(sizes))} stored for {readable_size(whole.logical_bytes)} of results: "
        f"sharing spares {whole.deduplicated:.0%}.\n"
        f"oda cache gc would free {readable_size(garbage.freed_bytes)} "
        f"({len(garbage.results):,} results, {len(garbage.blobs):,} data files)."
    )
