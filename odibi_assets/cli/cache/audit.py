"""``oda cache audit``: compute a sample of the hits again, aside, and compare."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument, open_pipeline
from odibi_assets.cli.output import print_json, stdout_reserved
from odibi_assets.cli.render import table
from odibi_assets.errors import UsageError
from odibi_assets.execute.audit import CONFIDENCE, AuditReport
from odibi_assets.execute.audit import audit as compute_again


def audit(
    context: typer.Context,
    pipeline: PipelineArgument,
    sample: Annotated[
        str, typer.Option("--sample", metavar="N%", help="The part of the hits to compute again; at least one.")
    ] = "5%",
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Draw the same sample as an earlier audit.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compute a sample of what would be reused again, aside, and compare: how often would a skip have been wrong?

    Nothing becomes current and no copies are written. What differs is marked nondeterministic, and the values that
    differ are named. Exit status 1 if anything differs.

    Example: oda cache audit flights --sample 20%
    """
    part = _part(sample)
    with stdout_reserved(json):
        opened = open_pipeline(context, pipeline)
        report = compute_again(
            opened.plan(),
            opened.identified,
            opened.world,
            opened.project,
            sample=part,
            seed=secrets.randbelow(2**32) if seed is None else seed,
        )
    print_json(_document(report)) if json else typer.echo("\n".join(_lines(report, sample)))
    if report.differed:
        raise typer.Exit(1)


def _part(text: str) -> float:
    """
    >>> _part("5%")
    0.05

    Raises:
        UsageError: It is no percentage above 0 and up to 100.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text.strip())
    part = float(match[1]) / 100 if match else 0.0
    if not 0 < part <= 1:
        raise UsageError(f"--sample {text!r} can't be read: expected a percentage, as 5% or 100%.")
    return part


def _document(report: AuditReport) -> dict[str, object]:
    return {
        "pipeline": report.pipeline,
        "environment": report.environment,
        "sample": report.sample,
        "seed": report.seed,
        "hits": report.hits,
        "recomputed": report.recomputed,
        "differed": report.differed,
        "rate": report.rate,
        "upper_bound": report.bound,
        "confidence": CONFIDENCE,
        "steps": [
            {
                "step": step.step,
                "outcome": step.outcome,
                "note": step.note,
                "key": step.key,
                "version": step.version,
                "version_now": step.version_now,
                "seconds": step.seconds,
                "places": [
                    {
                        "output": output,
                        "column": place.column,
                        "row": place.row,
                        "before": place.before,
                        "after": place.after,
                    }
                    for output, place in step.places
                ],
            }
            for step in report.steps
        ],
    }


def _lines(report: AuditReport, sample: str) -> Iterator[str]:
    if not report.hits:
        yield f"{report.pipeline}: no step is a hit, so there is nothing to audit. oda plan says why."
        return
    rows = [(step.step, step.outcome, f"{step.seconds:.2f}", step.note) for step in report.steps]
    yield table(("step", "outcome", "seconds", "note"), rows, right=frozenset({2}))
    for step in report.steps:
        if step.outcome == "differs":
            now = (step.version_now or "")[3:15]
            yield f"\n{step.step} is reused as version {step.version[3:15]}; it came out as {now}:"
            several = len({output for output, _ in step.places}) > 1
            yield from (f"  {f'{output}, ' if several else ''}{place}" for output, place in step.places)
            yield f"  To have it computed: oda cache invalidate {report.pipeline} {step.step}"
    yield ""
    yield (
        f"{report.pipeline}: {report.recomputed} of {report.hits} hits recomputed, {report.differed} differed "
        f"(sample {sample}, seed {report.seed})."
    )
    if report.rate is not None and report.bound is not None:
        yield (
            f"Wrong skips: {report.rate:.1%} measured; with {CONFIDENCE:.0%} confidence at most {report.bound:.1%} "
            "(one-sided exact bound, Clopper-Pearson)."
        )
