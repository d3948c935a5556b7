"""Reports as lines of text: the same on a terminal and in a log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from odibi_assets.execute.report import Report, Saved, by_outcome
from odibi_assets.keep.results import readable_size

if TYPE_CHECKING:
    from odibi_assets.declare.effective import Effective

_COLOURS = {
    "computed": "32",
    "cached": "36",
    "hit": "36",
    "failed": "31",
    "miss": "33",
    "skipped": "90",
    "unknown": "90",
    "absent": "90",
}


def uses_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, outcome: str) -> str:
    """The text in the colour of an outcome, where there are colours."""
    code = _COLOURS.get(outcome)
    return f"\x1b[{code}m{text}\x1b[0m" if code and uses_colour() else text


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    colour_by: int | None = None,
) -> str:
    """Aligned columns; the last one runs free."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    rendered = []
    for number, line in enumerate(lines):
        cells = [cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(line)]
        if colour_by is not None and number:
            cells[colour_by] = coloured(cells[colour_by], line[colour_by])
        rendered.append("  ".join(cells).rstrip())
    return "\n".join(rendered)


def plan_text(report: Report, imports: Sequence[str] = ()) -> str:
    """A plan: what runs, and why; what keeps it from being made without importing the user's modules."""
    rows = [(step.name, step.layer, step.outcome, step.reason) for step in report.steps]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in by_outcome(report).items())
    steps = table(("step", "layer", "outcome", "reason"), rows, colour_by=2)
    lines = [steps, "", f"{report.pipeline}: {counts}. Nothing was run."]
    if imports:
        more = f", and {len(imports) - 3} more" if len(imports) > 3 else ""
        lines.append(f"Its modules are imported each time: {'; '.join(imports[:3])}{more}.")
    return "\n".join(lines)


def policies_text(policies: Effective) -> str:
    """The pipeline's policies, then what steps say themselves, each with where it comes from."""
    rows = [("", policy.name, _policy_value(policy.value), policy.origin) for policy in policies.pipeline]
    for name, own in policies.steps.items():
        rows += [(name, policy.name, _policy_value(policy.value), "step") for policy in own if policy.origin == "step"]
    return table(("step", "policy", "value", "from"), rows)


def _policy_value(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value) if not isinstance(value, str) else value


def run_text(report: Report, saved: Saved) -> str:
    """A run: steps, outcomes, rows and seconds, what took longest, what was spared, and where to look next."""
    rows = [
        (
            step.name,
            step.layer,
            step.outcome,
            "" if step.rows is None else f"{step.rows:,}",
            f"{step.seconds:.2f}",
            step.reason if step.outcome != "failed" else "",
        )
        for step in report.steps
    ]
    lines = [
        table(("step", "layer", "outcome", "rows", "seconds", "reason"), rows, right=frozenset({3, 4}), colour_by=2),
        "",
    ]
    for step in report.steps:
        for failed in step.retries:
            wait = "" if failed.wait_s is None else f" after {failed.wait_s:.3g} s"
            lines.append(f"{step.name}: attempt {failed.attempt} failed, tried again{wait}: {failed.error}")
        if step.params:
            lines.append(f"{step.name}: {', '.join(f'{name} {value}' for name, value in step.params.items())}")
        if step.error:
            attempts = "1 attempt" if step.attempts == 1 else f"{step.attempts} attempts"
            became = "is absent" if step.outcome == "absent" else "failed"
            lines.append(coloured(f"{step.name} {became} after {attempts}: {step.error}", step.outcome))
    counts = ", ".join(f"{count} {outcome}" for outcome, count in by_outcome(report).items())
    lines.append(f"{report.pipeline}: {report.status} in {report.seconds:.2f} s ({counts}).")
    slowest = sorted((step for step in report.steps if step.outcome == "computed"), key=lambda step: -step.seconds)
    if len(slowest) > 1:
        lines.append(f"Slowest: {', '.join(f'{step.name} {step.seconds:.2f} s' for step in slowest[:3])}.")
    spared = f"{saved.seconds:.1f} s of work and {readable_size(saved.size_bytes)} of results"
    if report.run_id is None and report.count("cached"):
        lines.append(f"Nothing to do: every result was reused, which spared {spared}.")
    elif report.count("cached"):
        lines.append(f"Reuse spared {spared}.")
    if report.rolled_back is not None and report.run_id is not None:
        lines.append(report.rolled_back.described(report.run_id))
    lines.append(_next(report))
    return "\n".join(lines)


def _next(report: Report) -> str:
    last = report.steps[-1].name if report.steps else "STEP"
    if report.status == "failed":
        failed = next((step.name for step in report.steps if step.outcome == "failed"), last)
        return (
            f"Look next: oda logs {report.run_id} {failed}, then oda resume {report.pipeline} "
            "(what finished is not repeated); oda dev shows the run in the UI."
        )
    return f"Look next: oda show {report.pipeline} {last}; oda why {report.pipeline} {last}; oda dev for the UI."
