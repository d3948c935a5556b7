"""What a run or a plan came to, as data: the terminal and ``--json`` render the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import Plan
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.keep.results import Results
from odibi_assets.keep.run_record import FINISHED, FailedAttempt, RolledBack, Run, StepRecord


@dataclass(frozen=True)
class StepReport:
    """One step. ``outcome`` is ``hit``, ``miss``, ``unknown``, ``absent`` or ``skipped`` in a plan."""

    name: str
    layer: str
    outcome: str
    reason: str = ""
    partition: str | None = None
    seconds: float = 0.0
    attempts: int = 0
    rows: int | None = None
    version: str | None = None
    key: str | None = None
    error: str | None = None
    retries: tuple[FailedAttempt, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A plan or a run, step by step in the order of the pipeline."""

    pipeline: str
    environment: str
    steps: tuple[StepReport, ...]
    status: str
    run_id: str | None = None
    parent_run_id: str | None = None
    seconds: float = 0.0
    snapshot: str | None = None
    rolled_back: RolledBack | None = None

    def to_json(self) -> dict[str, object]:
        data = asdict(self)
        data["steps"] = [asdict(step) for step in self.steps]
        return data

    def count(self, outcome: str) -> int:
        return sum(step.outcome == outcome for step in self.steps)


def plan_report(plan: Plan, pipeline: PipelineIdentity, environment: str) -> Report:
    """What would happen."""
    steps = tuple(_step(decision, decision.action, 0.0, 0) for decision in plan.decisions.values())
    return Report(pipeline.name, environment, steps, "success")


def reuse_report(
    plan: Plan, pipeline: PipelineIdentity, environment: str, *, seconds: float, snapshot: str | None
) -> Report:
    """A run in which there was nothing to do."""
    steps = tuple(
        _step(decision, decision.action if decision.action in _PASSED_OVER else "cached", 0.0, 0)
        for decision in plan.decisions.values()
    )
    return Report(pipeline.name, environment, steps, "success", seconds=round(seconds, 3), snapshot=snapshot)


def run_report(run: Run, plan: Plan, pipeline: PipelineIdentity, *, seconds: float) -> Report:
    """A run in which something was computed, or should have been."""
    steps: list[StepReport] = []
    for name, decision in plan.decisions.items():
        record = run.records.get(name)
        if decision.action in _PASSED_OVER:
            steps.append(_step(decision, decision.action, 0.0, 0))
        elif record is not None:
            steps.append(_recorded(record, decision))
        elif name in run.start.hits:
            steps.append(_step(decision, "cached", 0.0, 0))
        else:
            steps.append(StepReport(name, decision.step.layer, "skipped", _why_skipped(decision, steps)))
    planned = [step for step in steps if step.name in run.start.steps]
    is_success = all(step.outcome in FINISHED or step.name in run.absences for step in planned)
    left = run.rolled_back or run.end
    return Report(
        pipeline.name,
        run.start.environment,
        tuple(steps),
        "success" if is_success else "failed",
        run.start.run_id,
        run.start.parent_run_id,
        round(seconds, 3),
        left.snapshot if left is not None else None,
        run.rolled_back,
    )


_PASSED_OVER = frozenset({"skipped", "absent"})


def _why_skipped(decision: Decision, above: list[StepReport]) -> str:
    missing = [
        step.name for step in above if step.name in decision.step.upstream and step.outcome in ("failed", "skipped")
    ]
    return f"needs {', '.join(missing)}" if missing else "the run ended before it"


def _recorded(record: StepRecord, decision: Decision) -> StepReport:
    reference = record.reference
    return StepReport(
        name=record.step,
        layer=decision.step.layer,
        outcome=record.outcome,
        reason=record.reason,
        seconds=record.seconds,
        attempts=record.attempts,
        rows=reference.row_count if reference else None,
        version=str(reference.version) if reference else None,
        key=str(reference.key) if reference else None,
        error=record.error,
        retries=record.retries,
        params=record.params,
    )


def _step(decision: Decision, outcome: str, seconds: float, attempts: int) -> StepReport:
    result = decision.result
    return StepReport(
        name=decision.step.name,
        layer=decision.step.layer,
        outcome=outcome,
        reason=decision.reason,
        seconds=seconds,
        attempts=attempts,
        rows=result.row_count if result is not None else None,
        version=str(result.version) if result is not None else None,
        key=str(decision.key.digest()) if decision.key is not None else None,
        params=result.params if result is not None else {},
    )


@dataclass(frozen=True)
class Saved:
    """What reuse spared: the seconds that the reused results took to compute, and their stored bytes."""

    seconds: float = 0.0
    size_bytes: int = 0


def saved(report: Report, plan: Plan, results: Results) -> Saved:
    """What the cached steps of a run spared, those included that turned out to be cached as it ran."""
    found = Saved()
    for step in report.steps:
        if step.outcome == "cached" and step.key is not None:
            result = plan.decisions[step.name].result or next(results.candidates(Digest.parse(step.key)), None)
            if result is not None:
                found = Saved(found.seconds + result.seconds, found.size_bytes + result.size_bytes)
    return found


def by_outcome(report: Report) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for step in report.steps:
        counts[step.outcome] = counts.get(step.outcome, 0) + 1
    return counts
