"""``oda cache clear``: forget all results, or all of one pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.cache.opening import StoreOption, named, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.decide.plan import utc_now
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import find_pipeline, pipelines
from odibi_assets.keep import clearing
from odibi_assets.keep.results import Results, open_results, readable_size
from odibi_assets.keep.survey import lines


def clear(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="All pipelines unless given.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Delete results, their data and what is current of them, in every environment; asks before.

    Results that another pipeline's snapshots name stay, and so do the records of runs. In a bucket, see to it
    that nothing runs meanwhile.

    Example: oda cache clear flights --yes
    """
    project = context.obj.project
    results, name = _opened(project, pipeline, store)
    if not yes:
        if json:
            raise UsageError("oda cache clear --json can't ask: add --yes.")
        whose = f"pipeline {name}" if name else "every pipeline"
        typer.confirm(f"Delete all results of {whose}, in every environment, from {results.store.name}?", abort=True)
    garbage, heads = clearing.clear(results, name, now=utc_now())
    if json:
        print_json(
            {
                "pipeline": name,
                "results": len(garbage.results),
                "blobs": len(garbage.blobs),
                "freed_bytes": garbage.freed_bytes,
                "heads": [head.partition("/")[2] for head in heads],
            }
        )
    else:
        typer.echo(
            f"Deleted {len(garbage.results)} results and {readable_size(garbage.freed_bytes)} of data from "
            f"{results.store.name}. Nothing is current there any more{f' of {name}' if name else ''}."
        )


def _opened(project: Project, pipeline: str | None, store: str | None) -> tuple[Results, str | None]:
    """The store and the pipeline's name; the files of a pipeline that is cleared may be gone."""
    if pipeline is None:
        return opened(project, store), None
    is_declared = "." in pipeline or pipeline in {name for _, name in pipelines(project)}
    if is_declared:
        definition = find_pipeline(project, pipeline).definition().checked()
        if store is None:
            return open_results(project.store_root(definition.store)), definition.name
        return named(project, store), definition.name
    results = opened(project, store)
    known = {line.pipeline for line in lines(results.store)} | {result.pipeline for result in results.all()}
    if pipeline not in known:
        raise UsageError(
            f"{results.store.name} has nothing of pipeline {pipeline!r}: {expected_one_of(pipeline, known)}"
        )
    return results, pipeline
