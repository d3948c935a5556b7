"""``oda why``: what changed since a step's last result, to the line."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from odibi_assets.cli.cache.ls import acceptance
from odibi_assets.cli.opened import JsonOption, PipelineArgument, StepArgument, open_pipeline
from odibi_assets.cli.output import print_json
from odibi_assets.cli.receipt import receipt_lines, source_of
from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import Plan
from odibi_assets.execute.receipt import receipt_of
from odibi_assets.execute.redaction import secret_values
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results


def why(
    context: typer.Context,
    pipeline: PipelineArgument,
    step: StepArgument,
    receipt: Annotated[
        bool,
        typer.Option(
            "--receipt", help="Print everything that skipping the step relies on; kept in a file, oda verify checks it."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say why a step would run now, or why it need not: the helper, param or input, with file and line.

    Example: oda why flights carrier_delay
    """
    opened = open_pipeline(context, pipeline)
    opened.check_step(step)
    plan = opened.plan()
    if receipt:
        found = receipt_of(
            plan,
            step,
            opened.world,
            pipeline=opened.identity.name,
            source=source_of(opened),
            environment=opened.project.environment,
            secrets=secret_values(opened.identified.pipeline, opened.world.env),
        )
        if not json:
            typer.echo("\n".join(receipt_lines(found)) + "\n")
        if json or not sys.stdout.isatty():
            print_json(found.to_json())  # the last line of a kept text is what can be verified
        else:
            typer.echo(f"Look next: oda why {pipeline} {step} --receipt > receipt.txt; oda verify receipt.txt.")
        return
    decision = plan.decisions[step]
    current = opened.world.previous(step)
    causes = plan.causes(step)
    if json:
        print_json(
            {
                "pipeline": opened.identity.name,
                "step": step,
                "outcome": decision.action,
                "reasons": [asdict(reason) for reason in decision.reasons],
                "causes": [
                    {"step": name, "reasons": [asdict(r) for r in plan.decisions[name].reasons]} for name in causes
                ],
                "current": None if current is None else _current(opened.world.results, current),
            }
        )
        return
    typer.echo(_text(decision, plan, causes))
    if current is not None:
        typer.echo(
            f"Its current result is version {current.version.hex[:12]}, computed {current.produced_at[:19]} UTC "
            f"by run {current.run_id} because: {current.reason}."
        )
        if current.accepted is not None:
            typer.echo(f"It was {current.accepted}. Its code was never run as it is now.")
        if opened.world.results.is_nondeterministic(current):
            typer.echo("It is nondeterministic: equal keys came out otherwise.")


def _current(results: Results, result: Result) -> dict[str, object]:
    return {
        "key": str(result.key.digest()),
        "version": str(result.version),
        "run_id": result.run_id,
        "produced_at": result.produced_at,
        "reason": result.reason,
        "accepted": acceptance(result),
        "nondeterministic": results.is_nondeterministic(result),
    }


def _text(decision: Decision, plan: Plan, causes: Iterable[str]) -> str:
    name = decision.step.name
    if decision.action == "hit":
        return f"{name} need not run: {decision.reason}."
    if decision.action == "miss":
        lines = [f"{name} will run, because:", *(f"  - {reason}" for reason in decision.reasons)]
        return "\n".join(lines)
    if decision.absence is not None:
        return f"{name} does not run: {decision.reason}."
    lines = [f"{name} depends on what runs above it:"]
    for cause in causes:
        lines.append(f"  {cause} will run, because:")
        lines += [f"    - {reason}" for reason in plan.decisions[cause].reasons]
    lines.append("If the versions above come out as they are now, it need not run.")
    return "\n".join(lines)
