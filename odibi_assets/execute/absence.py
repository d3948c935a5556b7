"""How an absence spreads: a step whose input is absent, and must not be, is skipped, and so is what needs that step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.reason import Reason
from odibi_assets.declare.step import Step
from odibi_assets.execute.settled import Settled
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.keep.result import Absent
from odibi_assets.keep.run_record import StepRecord


def failed_without_harm(step: StepIdentity, *, attempt: int, seconds: float, error: str, cause: str | None) -> Settled:
    """What becomes of an optional step whose last attempt failed."""
    decision = Decision(step, "absent", (Reason("absent", "it failed, and is optional"),))
    return Settled(decision, attempt, seconds, error=error, cause=cause)


def skipped_by(steps: Iterable[Step | StepIdentity], absent: Mapping[str, Absent]) -> Mapping[str, Absent]:
    """The steps, given in their order, that can't run since others are absent, whatever else becomes of the run."""
    found = dict(absent)
    for step in steps:
        lacking = [
            taken.step for name, taken in step.bindings.items() if taken.step in found and name not in step.accepts
        ]
        if lacking and step.name not in found:
            reasons = (f"its input {name} is {found[name].outcome}" for name in dict.fromkeys(lacking))
            found[step.name] = Absent("skipped", "; ".join(reasons))
    return {name: one for name, one in found.items() if name not in absent}


def records(settled: Settled, pipeline: PipelineIdentity, planned: Collection[str]) -> list[StepRecord]:
    """What is to be recorded of a step that turned out absent, and of the planned steps that it takes along."""
    absent = settled.decision.absence
    assert absent is not None
    own = StepRecord(
        settled.step,
        absent.outcome,
        round(settled.seconds, 6),
        settled.attempt,
        absent.reason,
        error=settled.error,
        cause=settled.cause,
        is_absence=True,
    )
    skipped = skipped_by(pipeline.steps, {settled.step: absent})
    template = replace(own, outcome="skipped", seconds=0.0, attempts=0, error=None, cause=None)
    return [own] + [replace(template, step=name, reason=one.reason) for name, one in skipped.items() if name in planned]
