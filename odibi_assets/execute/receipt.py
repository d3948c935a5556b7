"""A receipt is everything that a skip relied on, written down so that it can be checked again, on another machine too.

It holds the step's result and those of all steps that its data come from: the parts of each key, what was
observed while it was computed, and what came out. So the versions of its inputs need no store to be checked: equal
keys, equal results, down to the files.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from odibi_assets.decide.plan import Plan, World
from odibi_assets.errors import OdibiAssetsError, UsageError
from odibi_assets.execute.redaction import redacted
from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import KEY_SCHEMA, SECTIONS, Key
from odibi_assets.identify.observation import Kind, Observation
from odibi_assets.keep import canonical_json
from odibi_assets.keep.process import host_of
from odibi_assets.keep.result import Output, OutputReference, Result, ResultReference, reference_to
from odibi_assets.keep.run_record import Runs

SCHEMA = 1
"""Of the receipt itself; raised by a release that writes what this one can't check."""


@dataclass(frozen=True)
class ReceiptStep:
    """One step: the result that is reused.

    Attributes:
        by: Who began the run that computed it, and where; None where the run's record is gone.
        accepted: Who took it over from another key and when, as JSON; None where it was computed under this one.
    """

    step: str
    digest: Digest
    generation: int
    key: Key
    outputs: Mapping[str, Output]
    trace: tuple[Observation, ...]
    produced_at: str
    run_id: str
    seconds: float
    reason: str
    by: str | None = None
    accepted: Mapping[str, Any] | None = None
    nondeterministic: bool = False
    expires_at: str | None = None

    @property
    def reference(self) -> ResultReference:
        """The result, as steps below name it."""
        found = {name: OutputReference(output.version, output.row_count) for name, output in self.outputs.items()}
        return reference_to(self.digest, self.generation, found)

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "key": str(self.digest),
            "generation": self.generation,
            "version": str(self.reference.version),
            "components": self.key.to_json(),
            "outputs": {name: output.to_json() for name, output in self.outputs.items()},
            "trace": [seen.to_json() for seen in self.trace],
            "produced_at": self.produced_at,
            "run_id": self.run_id,
            "by": self.by,
            "seconds": self.seconds,
            "reason": self.reason,
            "accepted": dict(self.accepted) if self.accepted is not None else None,
            "nondeterministic": self.nondeterministic,
            "expires_at": self.expires_at,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ReceiptStep:
        return cls(
            step=str(data["step"]),
            digest=Digest.parse(data["key"]),
            generation=int(data["generation"]),
            key=Key.from_json(data["components"]),
            outputs={str(name): Output.from_json(output) for name, output in data["outputs"].items()},
            trace=tuple(map(_observation, data["trace"])),
            produced_at=str(data["produced_at"]),
            run_id=str(data["run_id"]),
            seconds=float(data["seconds"]),
            reason=str(data["reason"]),
            by=data["by"],
            accepted=data["accepted"],
            nondeterministic=bool(data["nondeterministic"]),
            expires_at=_time(data["expires_at"]),
        )


def _observation(data: Any) -> Observation:
    """
    Raises:
        ValueError: It is none.
    """
    seen = Observation.from_json(data)
    if seen.kind not in get_args(Kind) or not isinstance(seen.name, str) or "\0" in seen.name:
        raise ValueError(f"{data!r} is nothing that a step reads")
    return seen


def _time(text: str | None) -> str | None:
    return datetime.datetime.fromisoformat(text).isoformat() if text is not None else None


@dataclass(frozen=True)
class Receipt:
    """What one skip relied on.

    Attributes:
        source: The pipeline's YAML file below the project root, or ``file.py:name``.
        store_id: The store that held the result.
        salt: Tells whether another store has the same salt, without giving it away.
        steps: Each follows those that it takes data of; the last is the one that the receipt is for.
        absent: Steps above without a result → why.
    """

    pipeline: str
    source: str
    environment: str
    reason: str
    issued_at: str
    store_id: str
    salt: Digest
    steps: tuple[ReceiptStep, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    library: str = field(default_factory=lambda: importlib.metadata.version("odibi-assets"))

    @property
    def step(self) -> ReceiptStep:
        """The step that it is for."""
        return self.steps[-1]

    def to_json(self) -> dict[str, Any]:
        return {
            "receipt": SCHEMA,
            "key_schema": KEY_SCHEMA,
            "odibi_assets": self.library,
            "pipeline": self.pipeline,
            "source": self.source,
            "environment": self.environment,
            "step": self.step.step,
            "reason": self.reason,
            "issued_at": self.issued_at,
            "store_id": self.store_id,
            "salt": str(self.salt),
            "steps": [step.to_json() for step in self.steps],
            "absent": dict(self.absent),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Receipt:
        steps = tuple(ReceiptStep.from_json(step) for step in data["steps"])
        if not steps or steps[-1].step != data["step"] or not all(step.outputs for step in steps):
            raise ValueError("it has no step")
        return cls(
            str(data["pipeline"]),
            str(data["source"]),
            str(data["environment"]),
            str(data["reason"]),
            str(data["issued_at"]),
            str(data["store_id"]),
            Digest.parse(data["salt"]),
            steps,
            {str(name): str(why) for name, why in data["absent"].items()},
            str(data["odibi_assets"]),
        )


def parse_receipt(data: bytes, name: str) -> Receipt:
    """Read a receipt: the document, by itself or as the last line of the text for people.

    Raises:
        UsageError: It is none, or one of another schema.
    """
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        document = data.lstrip().startswith(b"{")
        found = json.loads(data if document else data.rstrip().rpartition(b"\n")[2])
    if not isinstance(found, dict) or "receipt" not in found:
        raise UsageError(f"{name} is no receipt: expected what oda why PIPELINE STEP --receipt printed.")
    for field_name, here, what in (("receipt", SCHEMA, "receipt"), ("key_schema", KEY_SCHEMA, "key")):
        if found.get(field_name) != here:
            raise UsageError(
                f"{name} has {what} schema {found.get(field_name)!r}, expected {here}: another version of odibi-assets "
                f"({found.get('odibi_assets')!r}) wrote it. Check it with that version."
            )
    try:
        return Receipt.from_json(found)
    except (*canonical_json.UNREADABLE, OdibiAssetsError) as error:
        raise UsageError(
            f"{name} is no whole receipt ({type(error).__name__}: {error}): expected what oda why --receipt printed."
        ) from error


def salt_digest(salt: bytes) -> Digest:
    """An identity of a salt from which it can't be told."""
    return keyed_digest(salt, b"odibi-assets receipt")


def receipt_of(
    plan: Plan,
    step: str,
    world: World,
    *,
    pipeline: str,
    source: str,
    environment: str,
    secrets: tuple[str, ...] = (),
) -> Receipt:
    """Account for the reuse of a step.

    Args:
        plan: Of the whole pipeline.
        pipeline: Its name.
        source: As ``Receipt.source``.
        secrets: Texts that must not be shown.

    Raises:
        UsageError: It would not be reused.
    """
    decision = plan.decisions[step]
    if decision.action != "hit":
        what = "will run" if decision.action == "miss" else f"is {decision.action}"
        raise UsageError(
            f"There is no receipt for step {step!r}, since it would not be reused: it {what} ({decision.reason}). "
            "A receipt accounts for a skip."
        )
    names = _data_above(plan, step)
    authors = _Authors(Runs(world.results.store))
    steps = []
    for name in (*names, step):
        result = plan.decisions[name].result
        if result is not None:
            steps.append(_entry(result, world, authors, secrets))
    absent = {name: plan.decisions[name].reason for name in names if plan.decisions[name].result is None}
    return Receipt(
        pipeline,
        source,
        environment,
        decision.reason,
        world.now().isoformat(timespec="milliseconds"),
        world.results.store_id,
        salt_digest(world.results.salt),
        tuple(steps),
        absent,
    )


def _data_above(plan: Plan, step: str) -> list[str]:
    """The steps whose data a step comes from, at whatever distance, in the order of the pipeline."""
    wanted = {step}
    for name in reversed(list(plan.decisions)):
        if name in wanted and plan.decisions[name].result is not None:
            wanted |= {taken.step for taken in plan.decisions[name].step.bindings.values()}
    return [name for name in plan.decisions if name in wanted and name != step]


def _entry(result: Result, world: World, authors: _Authors, secrets: tuple[str, ...]) -> ReceiptStep:
    accepted = result.accepted.to_json() if result.accepted is not None else None
    return ReceiptStep(
        result.key.step,
        result.key.digest(),
        result.generation,
        _shown_without(result.key, secrets),
        result.outputs,
        result.trace,
        result.produced_at,
        result.run_id,
        result.seconds,
        redacted(result.reason, secrets),
        authors.of(result.run_id),
        accepted,
        world.results.is_nondeterministic(result),
        result.expires_at,
    )


@dataclass
class _Authors:
    """Who began runs, each looked up once."""

    runs: Runs
    known: dict[str, str | None] = field(default_factory=dict)

    def of(self, run_id: str) -> str | None:
        if run_id not in self.known:
            run = self.runs.find(run_id)
            self.known[run_id] = (run.start.user or host_of(run.start.process) or None) if run is not None else None
        return self.known[run_id]


def _shown_without(key: Key, secrets: tuple[str, ...]) -> Key:
    """The key, its parts by name, with secrets replaced in what is shown of them; the digests stay."""

    def cleaned(item: Item) -> Item:
        return replace(item, shown=redacted(item.shown, secrets)) if item.shown is not None else item

    sections = {section: {n: cleaned(i) for n, i in sorted(getattr(key, section).items())} for section in SECTIONS}
    return Key(key.step, **sections)
