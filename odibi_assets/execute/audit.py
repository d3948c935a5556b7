"""An audit computes a sample of the hits again, aside, and compares: is what is reused what would be computed?

Everything a step is given to write to lies in a temporary folder, a store of its own among it, so nothing becomes
current and no result is recorded. Only that a result came out otherwise is noted, beside its record.
"""

from __future__ import annotations

import logging
import math
import random
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import Plan, World
from odibi_assets.declare.input import Input
from odibi_assets.declare.project import Project
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import StepTimeout, StoreError
from odibi_assets.execute.computation import Computation, FilesChanged, attempt_with
from odibi_assets.execute.confidence import upper_bound
from odibi_assets.execute.copies import Copies
from odibi_assets.execute.differing import Place, places
from odibi_assets.execute.earlier_order import in_earlier_order
from odibi_assets.execute.recording import error_text
from odibi_assets.execute.redaction import RedactingLog, redacted, secret_values
from odibi_assets.execute.time_limit import TimeLimit
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.observing import unobserved
from odibi_assets.identify.sql_statement import parse_statement
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import read_output
from odibi_assets.keep.result import Output, Result, combined_version
from odibi_assets.keep.results import Results

CONFIDENCE = 0.95
_log = logging.getLogger("odibi_assets")


@dataclass(frozen=True)
class AuditedStep:
    """What became of one hit.

    Attributes:
        outcome: ``same``, ``differs``, or ``left out`` where it can't be computed again without harm.
        note: Why it was left out, or what else is to say.
        version: Of the result that is reused.
        version_now: What it came out with this time; None where it was left out.
        places: The first places that differ, each with its output.
    """

    step: str
    outcome: str
    note: str
    key: str
    version: str
    version_now: str | None = None
    seconds: float = 0.0
    places: tuple[tuple[str, Place], ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """What an audit came to.

    Attributes:
        sample: The part of the hits that was asked for, 0 to 1.
        hits: How many there are.
        steps: Those that were looked at, in the order in which they were drawn.
    """

    pipeline: str
    environment: str
    sample: float
    seed: int
    hits: int
    steps: tuple[AuditedStep, ...] = field(default=())

    @property
    def recomputed(self) -> int:
        return sum(step.outcome != "left out" for step in self.steps)

    @property
    def differed(self) -> int:
        return sum(step.outcome == "differs" for step in self.steps)

    @property
    def rate(self) -> float | None:
        """The part of the recomputed hits that came out otherwise."""
        return self.differed / self.recomputed if self.recomputed else None

    @property
    def bound(self) -> float | None:
        """What the rate of all hits is at most, with ``CONFIDENCE``."""
        return upper_bound(self.differed, self.recomputed, confidence=CONFIDENCE) if self.recomputed else None


def audit(
    plan: Plan, identified: Identified, world: World, project: Project, *, sample: float, seed: int
) -> AuditReport:
    """Compute a sample of a plan's hits again and compare; what differs is marked nondeterministic.

    Args:
        plan: Of the whole pipeline.
        sample: The part of the hits to compute again, 0 to 1; at least one of them is, if one can be.
        seed: Decides which.
    """
    hits = [decision for decision in plan.decisions.values() if decision.action == "hit"]
    random.Random(seed).shuffle(hits)  # noqa: S311 - which steps are looked at is no secret
    wanted, done = max(1, math.ceil(sample * len(hits))), 0
    found: list[AuditedStep] = []
    with _Aside.made(plan, identified, world, project) as aside:
        for decision in hits:
            if done == wanted:
                break
            found.append(aside.audited(decision))
            done += found[-1].outcome != "left out"
    return AuditReport(identified.identity.name, project.environment, sample, seed, len(hits), tuple(found))


class _LeftOut(Exception):
    """A step can't be computed again; the message says why."""


@dataclass
class _Aside:
    """Where an audit computes.

    Attributes:
        aside: The world as steps are computed in it: with a store that nobody else has.
    """

    plan: Plan
    identified: Identified
    world: World
    aside: World
    folder: Path
    ignored: tuple[str, ...]
    secrets: tuple[str, ...]
    mutated: set[str] = field(default_factory=set)

    @classmethod
    def made(cls, plan: Plan, identified: Identified, world: World, project: Project) -> _Aside:
        world.local.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="audit-", dir=world.local))
        results = Results(FolderStore(folder / "store"))
        results.take_salt(world.results)
        ignored = (world.results.store.name, project.dagster_home, project.local, project.spool)
        return cls(
            plan,
            identified,
            world,
            replace(world, results=results, local=folder / "local"),
            folder,
            tuple(map(str, ignored)),
            secret_values(identified.pipeline, world.env),
        )

    def __enter__(self) -> _Aside:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def audited(self, decision: Decision) -> AuditedStep:
        """Compute one hit again and compare."""
        result = decision.result
        assert result is not None
        told = AuditedStep(decision.step.name, "left out", "", str(result.key.digest()), str(result.version))
        started = time.perf_counter()
        try:
            now = self._computed(decision, result)
        except _LeftOut as why:
            return replace(told, note=str(why))
        told = replace(told, seconds=round(time.perf_counter() - started, 6))
        return self._compared(told, decision.step, result, now)

    def _computed(self, decision: Decision, result: Result) -> Mapping[str, Kept]:
        """What the step comes out with.

        Raises:
            _LeftOut: It can't be computed again.
        """
        step = self.identified.pipeline.by_name[decision.step.name]
        why_not = self._why_not(decision)
        if why_not is not None:
            raise _LeftOut(why_not)
        inputs = {name: self._input(taken) for name, taken in decision.step.bindings.items()}
        timeout = self.identified.pipeline.timeout_of(step.name)
        told = f"it took longer than its timeout of {timeout:g} s" if timeout is not None else ""
        folder = self.folder / step.name
        try:
            with TimeLimit(timeout, lambda: StepTimeout(told)) as limit:
                computation = Computation(
                    self.identified,
                    self.aside,
                    PandasEngine(),
                    "audit",
                    self.ignored,
                    RedactingLog(_log, self.secrets),
                    self.mutated,
                    Copies(self.aside),
                    folder,
                    limit,
                    lambda: None,
                    forced=True,
                )
                return computation.run(decision, inputs, attempt=attempt_with(step, result.params)).outputs
        except FilesChanged as error:
            raise _LeftOut(f"its files changed meanwhile ({error})") from error
        except Exception as error:  # Whatever a user's code raises.
            raise _LeftOut(f"computing it failed: {redacted(error_text(error), self.secrets)}") from error

    def _why_not(self, decision: Decision) -> str | None:
        """What speaks against computing a step again, as a sentence."""
        step, declared = decision.step, self.identified.pipeline.by_name[decision.step.name]
        if declared.rollback is not None:
            return "it has side effects that its rollback undoes, and an audit does not repeat them"
        if step.places:
            return f"it puts its output at {', '.join(step.places.values())}, and an audit leaves the project alone"
        if declared.cache.ttl is not None or declared.cache.source_version is not None:
            return "it declares ttl or source_version: what it takes in may differ, and is reused all the same"
        changed = self.mutated & set(decision.key.code if decision.key is not None else ())
        if changed:
            return f"it takes {', '.join(sorted(changed))}, which a step of this audit changed"
        return None

    def _input(self, taken: Input) -> Kept | None:
        """An input as the step was given it; None where it is absent.

        Raises:
            _LeftOut: It is gone.
        """
        above = self.plan.decisions[taken.step]
        if above.result is None:
            return None
        outputs = above.result.outputs
        output = outputs[taken.output] if taken.output is not None and len(outputs) > 1 else above.result.output
        try:
            with unobserved():
                return read_output(output, self.world.results)
        except (StoreError, OSError) as error:
            raise _LeftOut(f"its input {taken} is gone ({error})") from error

    def _compared(self, told: AuditedStep, step: StepIdentity, result: Result, now: Mapping[str, Kept]) -> AuditedStep:
        version = combined_version({name: kept.version for name, kept in now.items()})
        told = replace(told, outcome="same", version_now=str(version))
        if version == result.version:
            return told
        if self._is_another_order(step, result, now):
            return replace(told, note="its rows came in another order, which the statement does not promise")
        before = {name: self._stored(output) for name, output in result.outputs.items()}
        pairs = {name: (kept, now[name]) for name, kept in before.items() if kept is not None and name in now}
        pairs = {name: pair for name, pair in pairs.items() if pair[0].version != pair[1].version}
        at = self.world.now().isoformat(timespec="milliseconds")
        self.world.results.mark_nondeterministic(result, other=version, at=at)
        found = tuple((name, self._redacted(place)) for name, pair in pairs.items() for place in places(*pair))
        whose = f"it was {result.accepted}" if result.accepted is not None else f"computed by run {result.run_id}"
        return replace(told, outcome="differs", note=f"marked nondeterministic; {whose}", places=found)

    def _is_another_order(self, step: StepIdentity, result: Result, now: Mapping[str, Kept]) -> bool:
        """Did a statement that promises no order give the same rows in another one?"""
        statement = self.identified.statements.get(step.name)
        if statement is None or not parse_statement(statement).is_unordered:
            return False
        with unobserved():
            ordered = in_earlier_order(now, result, self.world.results)
        return combined_version({name: kept.version for name, kept in ordered.items()}) == result.version

    def _stored(self, output: Output) -> Kept | None:
        try:
            with unobserved():
                return read_output(output, self.world.results)
        except (StoreError, OSError):  # Its version is known all the same.
            return None

    def _redacted(self, place: Place) -> Place:
        before, after = (redacted(text, self.secrets) for text in (place.before, place.after))
        return replace(place, before=before, after=after)
