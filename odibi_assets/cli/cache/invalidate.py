"""``oda cache invalidate``: take results out of use, so that their step runs again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from odibi_assets.cli.cache.found import by_key, current_in
from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption, open_pipeline
from odibi_assets.cli.output import print_json
from odibi_assets.decide.plan import utc_now
from odibi_assets.errors import UsageError
from odibi_assets.execute.returning import with_derived
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results
from odibi_assets.orchestrate.pipeline_run import PipelineRun


def invalidate(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="PIPELINE|KEY", help="A pipeline, or the beginning of a key.")],
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="A step of the pipeline.")] = None,
    downstream: Annotated[bool, typer.Option("--downstream", help="Also the steps that take its data.")] = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Take the results of a step out of use, in every environment: it runs again with the next run.

    What is current stays readable until then. Results can't be put back into use.

    Example: oda cache invalidate flights carrier_delay
    """
    if step is None:
        if downstream:
            raise UsageError(
                "--downstream needs a pipeline and a step: oda cache invalidate PIPELINE STEP --downstream."
            )
        results = opened(context.obj.project, store)
        found = by_key(results, target)
    else:
        run = open_pipeline(context, target)
        run.check_step(step)
        results = run.world.results
        found = _results_of(run, with_derived(run.identity, step) if downstream else {step})
    at = utc_now().isoformat(timespec="milliseconds")
    found = list(
        {r.id: r for r in (*(a for r in found for a in results.accepted_from(r.key.digest())), *found)}.values()
    )
    revoked = [r for r in found if results.revoke(*r.id, why="invalidated", at=at)]
    if json:
        entries = [{"step": r.key.step, "key": str(r.key.digest()), "generation": r.generation} for r in revoked]
        print_json({"invalidated": entries, "steps": sorted({r.key.step for r in revoked})})
    else:
        typer.echo(_text(results, revoked, step or target))


def _results_of(run: PipelineRun, steps: Collection[str]) -> list[Result]:
    """Results of these steps that the pipeline computed, has as current, or would take now: equal keys are shared."""
    results, name = run.world.results, run.identity.name
    current = {id for id, places in current_in(results).items() if any(place[1] == name for place in places)}
    planned = {decision.key.digest() for decision in run.plan().decisions.values() if decision.key is not None}
    return [
        result
        for result in results.all()
        if result.key.step in steps
        and (result.pipeline == name or result.id in current or result.key.digest() in planned)
    ]


def _text(results: Results, revoked: list[Result], asked: str) -> str:
    if not revoked:
        return f"{asked} has no results in use in {results.store.name}: nothing was invalidated."
    steps = ", ".join(sorted({result.key.step for result in revoked}))
    count = f"{len(revoked)} result{'s' if len(revoked) != 1 else ''}"
    return f"Invalidated {count} of {steps}. The next run computes again; what is current stays readable until then."
