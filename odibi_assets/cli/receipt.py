"""A receipt as text, and what checking it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from odibi_assets.cli.render import table
from odibi_assets.declare.project import Project
from odibi_assets.errors import UsageError
from odibi_assets.execute.receipt import Receipt, ReceiptStep
from odibi_assets.execute.verification import Check
from odibi_assets.identify.key import KEY_SCHEMA
from odibi_assets.keep.results import readable_size
from odibi_assets.orchestrate.pipeline_run import PipelineRun


def source_of(opened: PipelineRun) -> str:
    """How a receipt names its pipeline: the YAML file below the project root, or ``file.py:name``."""
    path = opened.project.shown(opened.source.path)
    return path if opened.source.declared is None else f"{path}:{opened.reference.rpartition(':')[2]}"


def checked_source(project: Project, source: str) -> str:
    """The reference to a receipt's pipeline, which is opened only below the project root.

    Raises:
        UsageError: It leads elsewhere, or names no file.
    """
    file, colon, _ = source.rpartition(":")
    path = Path(file if colon and file.endswith(".py") else source)
    inside = (project.root / path).resolve().is_relative_to(project.root.resolve())
    if not inside or path.suffix not in (".py", ".yaml", ".yml"):
        raise UsageError(f"The receipt names the pipeline file {source!r}: expected one below {project.root}.")
    return source


def receipt_lines(receipt: Receipt) -> Iterator[str]:
    """The step first, then all that its data come from, the nearest first."""
    yield f"{receipt.step.step} of {receipt.pipeline} need not run: {receipt.reason}. That relies on:"
    yield (
        f"store {receipt.store_id}, environment {receipt.environment}, odibi-assets {receipt.library}, "
        f"key schema {KEY_SCHEMA}; issued {receipt.issued_at[:19]} UTC"
    )
    for step in reversed(receipt.steps):
        yield ""
        yield from _step_lines(step)
    for name, why in receipt.absent.items():
        yield f"\n{name}: no result: {why}"


def _step_lines(step: ReceiptStep) -> Iterator[str]:
    yield f"{step.step}, key {step.digest}, generation {step.generation}"
    who = f" of {step.by}" if step.by else ""
    yield (
        f"  computed {step.produced_at[:19]} UTC in {step.seconds:.2f} s by run {step.run_id}{who}, "
        f"because: {step.reason}"
    )
    if step.accepted is not None:
        yield f"  {step.accepted}"
    if step.nondeterministic:
        yield "  nondeterministic: its key came out otherwise"
    for section, name, item in step.key.items():
        shown = f" = {item.shown}" if item.shown and item.shown != name else ""
        version = (item.detail or {}).get("version")
        shown += f", version {str(version)[3:15]}" if version else ""
        place = f"  ({item.place})" if item.place else ""
        yield f"  {section:<9} {name}{shown}  {item.digest.hex[:12]}{place}"
    for seen in step.trace:
        yield f"  read      {seen.kind} {seen.name}  {seen.state or 'not there'}"
    for name, output in step.outputs.items():
        rows = "" if output.row_count is None else f"{output.row_count:,} rows, "
        yield f"  output    {name}: {output.format}, {rows}{readable_size(output.size_bytes)}, version {output.version}"
        for blob in output.blobs:
            yield f"  blob      {blob.digest}  {blob.size_bytes} bytes"


def check_lines(receipt: Receipt, checks: Sequence[Check]) -> Iterator[str]:
    """Every part with its outcome, then how many there are of each."""
    rows = [
        (check.outcome, check.step, check.part, f"{check.text} ({check.place})" if check.place else check.text)
        for check in checks
    ]
    yield table(("", "step", "part", "what differs, and where"), rows, colour_by=0)
    counts = Counter[str](check.outcome for check in checks)
    what = ", ".join(f"{counts[outcome]} {word}" for outcome, word in _WORDS.items() if counts[outcome])
    verdict = "does not hold here" if counts["differs"] else "holds"
    yield f"\n{receipt.pipeline} {receipt.step.step}: the receipt {verdict} ({what})."


_WORDS = {"holds": "parts hold", "differs": "differ", "unknown": "can't be told here"}
