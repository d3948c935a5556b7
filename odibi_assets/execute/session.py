"""A session is one process's part in one run: it settles steps and hands their values on."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.declare.input import Input
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import DamagedObject, RunTimeout, StepError, StepTimeout, StoreError
from odibi_assets.execute import observer
from odibi_assets.execute.absence import failed_without_harm
from odibi_assets.execute.commit import Computed, commit
from odibi_assets.execute.computation import Computation, FilesChanged, attempt_with
from odibi_assets.execute.copies import Copies
from odibi_assets.execute.delivery import Delivery
from odibi_assets.execute.halt import FOREVER_S, check_halt, halting, may_be_halted
from odibi_assets.execute.recording import Recording
from odibi_assets.execute.redaction import RedactingLog
from odibi_assets.execute.settled import Settled
from odibi_assets.execute.side_effects import SideEffects
from odibi_assets.execute.time_limit import TimeLimit
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import read_output
from odibi_assets.keep.result import Absent, Result, ResultReference, Taken
from odibi_assets.keep.run_record import RunEnd


@dataclass
class Session:
    """One process's part in one run.

    Attributes:
        ignored: Folders whose files no step reads as its own matter.
        undone: Steps that a run which this one re-executes finished, and that were undone since.
    """

    identified: Identified
    world: World
    recording: Recording
    delivery: Delivery
    side_effects: SideEffects
    forced: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    undone: frozenset[str] = frozenset()
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.copies = Copies(self.world)
        self.folder = self.world.local / "values" / f"{self.recording.start.run_id[:8]}-{os.getpid()}"
        self.engine = PandasEngine()
        self._inherited: dict[str, Taken] = {}
        self._mutated: set[str] = set()
        self._at_work: set[str] = set()
        self._last_delivered: tuple[Settled, ResultReference] | None = None

    # Settling a step.

    def settle(self, name: str, *, attempt: int = 1, give_up: Callable[[StepError], object] | None = None) -> Settled:
        """Decide on a step, and compute it if it must be.

        Args:
            give_up: Ends this process, when the step can't be interrupted; it hangs where none is given.

        Raises:
            StepError: An input is missing.
            StepTimeout: It took longer than it may.
            StepStopped: Another step failed, in another process, under ``fail_fast``.
            RunTimeout: The run did.
            Exception: Whatever the step's own code raises.
        """
        step = self.identified.identity.by_name[name]
        self._at_work.add(name)
        started = time.perf_counter()
        references = self._references(step)
        asked_s = self._ask(step, attempt, give_up)
        decision = self.world.decide(step, references, forced=name in self.forced)
        if decision.action == "hit" or decision.absence is not None:
            return Settled(decision, attempt, time.perf_counter() - started)
        if decision.action == "unknown":
            raise StepError(f"Step {name!r} can't run: {decision.reason}.")
        decision = self.delivery.flight.joined(
            decision, lambda: self.world.decide(step, references), lambda: self._check_may_go_on(name)
        )
        if decision.action == "hit":
            return Settled(decision, attempt, time.perf_counter() - started)
        assert decision.key is not None
        try:
            with (
                self._time_limit(name, attempt, give_up, spent_s=asked_s) as limit,
                halting(name, limit, self.recording),
            ):
                computed = self._compute(decision, references, attempt, limit)
        except BaseException:
            self.delivery.flight.release(decision.key.digest())
            raise
        return Settled(decision, attempt, time.perf_counter() - started, computed)

    def _ask(self, step: StepIdentity, attempt: int, give_up: Callable[[StepError], object] | None) -> float:
        """Ask the URL that a step reads, on the attempt's time; returns the seconds that it took.

        Raises:
            SourceError: It does not answer as it should: an attempt never goes on with what it answered earlier.
        """
        source = self.world.source(step)
        if source is None or self.world.urls is None:
            return 0.0
        began = time.monotonic()
        limited = self._time_limit(step.name, attempt, give_up)
        with limited as limit, halting(step.name, limit, self.recording), limit.interruptible():
            self.world.urls.ask(source)
        return time.monotonic() - began

    def _time_limit(
        self, name: str, attempt: int, give_up: Callable[[StepError], object] | None, *, spent_s: float = 0.0
    ) -> TimeLimit:
        """What an attempt may take: its own time-out, or what is left of the run's where that is less."""
        pipeline = self.identified.pipeline
        timeout, left = pipeline.timeout_of(name), self._run_time_left_s()
        if left is not None and (timeout is None or left < timeout):
            return TimeLimit(max(left, 0.0), lambda: self._run_timeout(f"Step {name!r} was stopped"), give_up)
        told = (
            f"Step {name!r} was stopped: attempt {attempt} took longer than its timeout of {timeout:g} s. "
            "Make it do less at once, or raise timeout."
            if timeout is not None
            else ""
        )
        seconds = FOREVER_S if timeout is None and may_be_halted(self.recording) else timeout
        left = max(seconds - spent_s, 0.0) if seconds is not None else None
        return TimeLimit(left, lambda: StepTimeout(told), give_up)

    def _run_time_left_s(self) -> float | None:
        limit = self.identified.pipeline.run_timeout
        if limit is None:
            return None
        began = datetime.datetime.fromisoformat(self.recording.start.started_at)
        return limit - (self.world.now() - began).total_seconds()

    def _run_timeout(self, what: str) -> RunTimeout:
        return RunTimeout(
            f"{what}: the run took longer than its run_timeout of {self.identified.pipeline.run_timeout:g} s. "
            f"What is finished is kept: oda resume {self.recording.start.pipeline} does the rest."
        )

    def _check_may_go_on(self, name: str) -> None:
        check_halt(name, self.recording)
        if self.is_out_of_time:
            raise self._run_timeout("A step waited for another run, which computes the same")

    @property
    def is_out_of_time(self) -> bool:
        """Did the run take longer than its ``run_timeout``?"""
        left = self._run_time_left_s()
        return left is not None and left <= 0

    def _compute(
        self,
        decision: Decision,
        references: Mapping[str, Taken],
        attempt: int,
        limit: TimeLimit | None = None,
    ) -> Computed:
        """Compute a step; what a failed attempt put into its folder goes with it."""
        name, limit = decision.step.name, limit or TimeLimit(None, StepTimeout)
        folder = self.folder / f"{name}-{attempt}"
        try:
            return self._computed(decision, references, attempt, folder, limit)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _computed(
        self,
        decision: Decision,
        references: Mapping[str, Taken],
        attempt: int,
        folder: Path,
        limit: TimeLimit,
    ) -> Computed:
        name, bindings = decision.step.name, decision.step.bindings.items()
        with observer.reading(name), limit.interruptible():
            inputs = {
                parameter: None if isinstance(above := references[taken.step], Absent) else self._value(taken, above)
                for parameter, taken in bindings
            }
        computation = Computation(
            self.identified,
            self.world,
            self.engine,
            self.recording.start.run_id,
            self.ignored,
            RedactingLog(self.recording.log, self.recording.secrets),
            self._mutated,
            self.copies,
            folder,
            limit,
            self.delivery.checkpoint,
            root_run_id=self.recording.start.root_run_id,
            forced=name in self.forced,
        )
        observer.tell(name, "computing")
        with observer.reading(name) if decision.step.kind == "read" else contextlib.nullcontext():
            try:
                return self.side_effects.noted(decision, lambda: computation.run(decision, inputs, attempt=attempt))
            except FilesChanged:
                again = self.world.decide(decision.step, references, forced=True)
                return self.side_effects.noted(again, lambda: computation.run(again, inputs, attempt=attempt))

    def _references(self, step: StepIdentity) -> dict[str, Taken]:
        return {
            upstream: self.reference(upstream, needed=not step.does_without(upstream)) for upstream in step.upstream
        }

    def reference(self, name: str, *, needed: bool = True) -> Taken:
        """The version of a step that this run works with: its own, that of the run it re-executes, what is current.

        Args:
            needed: Whoever asks can't do without it.

        Raises:
            StepError: There is none.
        """
        if name in self.delivery.finished:
            return self.delivery.finished[name]
        if name in self.delivery.absent:
            return self.delivery.absent[name]
        if name in self.delivery.executed:
            record = self.recording.record(name)
            if record is not None and record.is_absence:
                return Absent(record.outcome, record.reason)
            if record is None or record.reference is None:
                raise StepError(f"Step {name!r} has no result in this run yet.")
            self.delivery.finished[name] = record.reference
            return record.reference
        if name not in self._inherited:
            if not needed and self._has_nothing(name):
                return Absent("absent", "it is not part of this run, and has no current result")
            self._inherited[name] = self._inherit(name)
        return self._inherited[name]

    def _has_nothing(self, name: str) -> bool:
        current = self.world.current.steps if self.world.current is not None else {}
        return name not in current and name not in self.delivery.parents and name not in self.undone

    def _inherit(self, name: str) -> Taken:
        step = self.identified.identity.by_name[name]
        if not self.world.is_wanted(step):
            return Absent("absent", f"its condition is false: {step.when}")
        if name in self.delivery.parents or name in self.undone:
            return self._checked_parent(name)
        current = self.world.current.steps.get(name) if self.world.current is not None else None
        if current is None:
            raise StepError(f"Step {name!r} is not part of this run and has no current result. Materialize it first.")
        return current

    def _checked_parent(self, name: str) -> Taken:
        """What the parent run finished, unless its code or inputs changed since: Dagster does not look."""
        step = self.identified.identity.by_name[name]
        references = self._references(step)
        decision = self.world.decide(step, references, finished=self.delivery.parents.get(name))
        if decision.action == "hit":
            assert decision.result is not None
            return decision.result.reference
        if decision.absence is not None:
            return decision.absence
        self.recording.log.warning("Input %r is computed again, since %s.", name, decision.reason)
        settled = Settled(decision, 1, 0.0, self._compute(decision, references, 1))
        return self.deliver(settled)

    def _value(self, taken: Input, reference: ResultReference) -> Kept:
        """An output of a result, from memory or the store; computed again if the store lost it."""
        name, output = taken.step, taken.output if reference.outputs else None
        held = self.delivery.memory.get(reference.version, output)
        if held is not None:
            return held
        self.delivery.wait(reference.version)
        result = self._result(name, reference)
        try:
            if result is None:
                raise DamagedObject(f"The result record of step {name!r} is missing or damaged in the store.")
            with unobserved():
                kept = read_output(result.outputs[output] if output else result.output, self.world.results)
        except (DamagedObject, pa.ArrowInvalid) as error:
            outputs = self._rewound(name, reference, error)
            kept = outputs[output] if output else next(iter(outputs.values()))
        self.delivery.memory.put(reference.version, output, kept)
        return kept

    def _result(self, name: str, reference: ResultReference) -> Result | None:
        if reference.generation:
            return self.world.results.get(reference)
        found = self.world.results.candidates(reference.key)
        return next((result for result in found if result.version == reference.version), None)

    def _rewound(self, name: str, reference: ResultReference, error: Exception) -> Mapping[str, Kept]:
        """Compute a committed result again, because its bytes are gone (truth.md 6)."""
        self.recording.log.warning("%s", error)
        step = self.identified.identity.by_name[name]
        references = self._references(step)
        decision = self.world.decide(step, references, forced=True)
        if decision.absence is not None:
            raise StepError(
                f"The stored data of step {name!r} are damaged, and it can't be computed again: {decision.reason}."
            )
        result = self._result(name, reference)
        attempt = attempt_with(self.identified.pipeline.by_name[name], result.params if result is not None else {})
        computed = self._compute(decision, references, attempt)
        if computed.version != reference.version:
            raise StepError(
                f"The stored data of step {name!r} are damaged, and computing it again gives another version "
                f"({computed.version.hex[:12]}…, expected {reference.version.hex[:12]}…). Run the pipeline again."
            )
        commit(computed, self.world.results)
        return computed.outputs

    def value(self, taken: Input) -> Kept:
        """An output of a step as this run sees it, for an asset that is not ours."""
        reference = self.reference(taken.step)
        if isinstance(reference, Absent):
            raise StepError(
                f"Step {taken.step!r} has no result in this run, it is {reference.outcome}: {reference.reason}."
            )
        return self._value(taken, reference)

    # Delivering what was settled.

    def pass_over(self, settled: Settled) -> None:
        """Record that a step has no result, which is no failure."""
        self._at_work.discard(settled.step)
        self.delivery.pass_over(settled)

    def delivered(self, settled: Settled) -> ResultReference:
        """Deliver what a step came out with, once for all its outputs."""
        if self._last_delivered is None or self._last_delivered[0] is not settled:
            self._last_delivered = (settled, self._stored(settled))
            self._copied(settled)
        return self._last_delivered[1]

    def _stored(self, settled: Settled) -> ResultReference:
        """Deliver what was settled; where the store does not take it in the end, the step failed, and for good."""
        try:
            return self.deliver(settled)
        except StoreError as error:
            if settled.step not in self.delivery.finished:
                with contextlib.suppress(StoreError):
                    self.fail(settled.step, error, attempt=settled.attempt, seconds=settled.seconds, will_retry=False)
            raise

    def _copied(self, settled: Settled) -> None:
        try:
            self.write_copies(settled)
        except StepError as error:
            self.fail(settled.step, error, attempt=settled.attempt, seconds=settled.seconds, will_retry=False)
            raise

    def deliver(self, settled: Settled) -> ResultReference:
        """Commit, record and publish what a step came out with, as the checkpoint mode says."""
        self._at_work.discard(settled.step)
        if settled.computed is not None:
            for output, place in settled.decision.step.places.items():
                self.copies.note_output(place, settled.computed.outputs[output].version)
        return self.delivery.deliver(settled)

    def write_copies(self, settled: Settled) -> None:
        """Write the copies of a result that are missing or another.

        Raises:
            StepError: One can't be written; the result is kept all the same.
        """
        step = settled.decision.step
        if not step.places and step.write is None:
            return
        reference = self.delivery.finished.get(step.name, settled.reference)
        self.delivery.wait(reference.version)
        result = self._result(step.name, self.delivery.finished.get(step.name, reference))
        if result is None:
            raise StepError(f"The copies of step {step.name!r} can't be written: its result is not in the store.")
        several = len(result.outputs) > 1
        self.copies.refresh(
            step,
            result,
            lambda output: self._value(Input(step.name, output if several else None), reference),
            self.recording.log,
        )

    # Failures.

    def is_optional(self, name: str) -> bool:
        """Is the step absent where it fails?"""
        return self.identified.pipeline.by_name[name].optional

    def without(self, name: str, error: BaseException, *, attempt: int, seconds: float) -> Settled:
        """What becomes of an optional step whose last attempt failed."""
        message, cause = self.recording.told(error)
        step = self.identified.identity.by_name[name]
        return failed_without_harm(step, attempt=attempt, seconds=seconds, error=message, cause=cause)

    def fail(
        self,
        name: str,
        error: BaseException,
        *,
        attempt: int,
        seconds: float,
        will_retry: bool,
        wait_s: float | None = None,
    ) -> None:
        """Record that an attempt at a step failed, and in how many seconds another one follows, where it is known."""
        self._at_work.discard(name)
        self.recording.fail(name, error, attempt=attempt, seconds=seconds, will_retry=will_retry, wait_s=wait_s)

    def abandon(self, name: str, error: StepError, *, attempt: int, seconds: float, will_retry: bool) -> None:
        """Record that an attempt can't be interrupted, clear what it left, and keep what is finished.

        The process is expected to end then: the step may still be at work.
        """
        self.fail(name, error, attempt=attempt, seconds=seconds, will_retry=will_retry)
        self.copies.discard(self.identified.identity.by_name[name])
        self.close()

    def close(self) -> RunEnd:
        """Commit what is finished, record how the run ended."""
        try:
            return self.delivery.close(self._seconds(), is_interrupted=bool(self._at_work))
        finally:
            self.world.files.save()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _seconds(self) -> float:
        """How long the run took, so far."""
        if self.recording.alone:
            return time.monotonic() - self.began
        return (self.world.now() - datetime.datetime.fromisoformat(self.recording.start.started_at)).total_seconds()
