"""A session is one process's part in one run: it settles steps, hands frames on, commits and publishes."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.declare.input import Input
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import (
    DamagedObject,
    OdibiAssetsError,
    ResultGone,
    RunTimeout,
    StepError,
    StepTimeout,
    StoreError,
)
from odibi_assets.execute import observer
from odibi_assets.execute.commit import Committer, Computed, commit
from odibi_assets.execute.computation import Computation, FilesChanged
from odibi_assets.execute.copies import Copies
from odibi_assets.execute.redaction import RedactingLog, redacted, secret_values
from odibi_assets.execute.time_limit import TimeLimit
from odibi_assets.execute.transient import root_cause
from odibi_assets.execute.value_memory import ValueMemory
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.observed_inputs import unobserved
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import read_output
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.retention import note_retention
from odibi_assets.keep.run_record import RunEnd, Runs, RunStart, StepRecord
from odibi_assets.keep.snapshot import Snapshots

_log = logging.getLogger("odibi_assets")


@dataclass(frozen=True)
class Settled:
    """What became of a step in this process: a reused result, or something computed."""

    decision: Decision
    attempt: int
    seconds: float
    computed: Computed | None = None

    @property
    def step(self) -> str:
        return self.decision.step.name

    @property
    def outcome(self) -> str:
        return "cached" if self.computed is None else "computed"

    @property
    def reference(self) -> ResultReference:
        """The result; generation 0 stands for one that is not committed yet."""
        if self.computed is not None:
            return self.computed.reference
        assert self.decision.result is not None
        return self.decision.result.reference


@dataclass
class Session:
    """One process's part in one run.

    Attributes:
        start: The run's plan.
        executed: Steps that this run executes in Dagster; others come from the plan or the parents.
        beside: Commits may run beside the work: everything of the run happens in this process.
        parents: Steps finished by the runs that this one re-executes.
        finished: Steps finished in this run, as far as this process knows.
    """

    identified: Identified
    world: World
    snapshots: Snapshots
    runs: Runs
    start: RunStart
    executed: frozenset[str]
    forced: frozenset[str] = frozenset()
    beside: bool = True
    ignored: tuple[str, ...] = ()
    parents: Mapping[str, ResultReference] = field(default_factory=dict)
    finished: dict[str, ResultReference] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    log: logging.Logger = _log

    def __post_init__(self) -> None:
        self.committer = Committer()
        self.memory = ValueMemory(self.committer.wait)
        self.copies = Copies(self.world)
        self.folder = self.world.local / "values" / f"{self.start.run_id[:8]}-{os.getpid()}"
        self.engine = PandasEngine()
        self.secrets = secret_values(self.identified.pipeline, self.world.env)
        self._inherited: dict[str, ResultReference] = {}
        self._uncommitted: dict[str, Computed] = {}
        self._mutated: set[str] = set()
        self._last_delivered: tuple[Settled, ResultReference] | None = None
        self._consumers = Counter(
            taken.step for name in self.executed for taken in self.identified.identity.by_name[name].bindings.values()
        )
        self.finished.update(self.start.hits)

    # Settling a step.

    def settle(self, name: str, *, attempt: int = 1, give_up: Callable[[StepError], object] | None = None) -> Settled:
        """Decide on a step, and compute it if it must be.

        Args:
            give_up: Ends this process, when the step can't be interrupted; it hangs where none is given.

        Raises:
            StepError: An input is missing.
            StepTimeout: It took longer than it may.
            RunTimeout: The run did.
            Exception: Whatever the step's own code raises.
        """
        step = self.identified.identity.by_name[name]
        started = time.perf_counter()
        references = self._references(step)
        decision = self.world.decide(step, references, forced=name in self.forced)
        if decision.action == "hit":
            return Settled(decision, attempt, time.perf_counter() - started)
        if decision.action == "unknown":
            raise StepError(f"Step {name!r} can't run: {decision.reason}.")
        with self._time_limit(name, attempt, give_up) as limit:
            computed = self._compute(decision, references, attempt, limit)
        return Settled(decision, attempt, time.perf_counter() - started, computed)

    def _time_limit(self, name: str, attempt: int, give_up: Callable[[StepError], object] | None) -> TimeLimit:
        """What an attempt may take: its own time-out, or what is left of the run's where that is less."""
        pipeline = self.identified.pipeline
        timeout, left = pipeline.by_name[name].timeout or pipeline.timeout, self._run_time_left_s()
        if left is not None and (timeout is None or left < timeout):
            return TimeLimit(max(left, 0.0), lambda: self._run_timeout(f"Step {name!r} was stopped"), give_up)
        told = (
            f"Step {name!r} was stopped: attempt {attempt} took longer than its timeout of {timeout:g} s. "
            "Make it do less at once, or raise timeout."
            if timeout is not None
            else ""
        )
        return TimeLimit(timeout, lambda: StepTimeout(told), give_up)

    def _run_time_left_s(self) -> float | None:
        limit = self.identified.pipeline.run_timeout
        if limit is None:
            return None
        began = datetime.datetime.fromisoformat(self.start.started_at)
        return limit - (self.world.now() - began).total_seconds()

    def _run_timeout(self, what: str) -> RunTimeout:
        return RunTimeout(
            f"{what}: the run took longer than its run_timeout of {self.identified.pipeline.run_timeout:g} s. "
            f"What is finished is kept: oda resume {self.start.pipeline} does the rest."
        )

    @property
    def is_out_of_time(self) -> bool:
        """Did the run take longer than its ``run_timeout``?"""
        left = self._run_time_left_s()
        return left is not None and left <= 0

    def _compute(
        self,
        decision: Decision,
        references: Mapping[str, ResultReference],
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
        references: Mapping[str, ResultReference],
        attempt: int,
        folder: Path,
        limit: TimeLimit,
    ) -> Computed:
        name, bindings = decision.step.name, decision.step.bindings.items()
        with observer.reading(name), limit.interruptible():
            inputs = {parameter: self._value(taken, references[taken.step]) for parameter, taken in bindings}
        computation = Computation(
            self.identified,
            self.world,
            self.engine,
            self.start.run_id,
            self.ignored,
            RedactingLog(self.log, self.secrets),
            self._mutated,
            self.copies,
            folder,
            limit,
            root_run_id=self.start.root_run_id,
            forced=name in self.forced,
        )
        observer.tell(name, "computing")
        with observer.reading(name) if decision.step.kind == "read" else contextlib.nullcontext():
            try:
                return computation.run(decision, inputs, attempt=attempt)
            except FilesChanged:
                again = self.world.decide(decision.step, references, forced=True)
                return computation.run(again, inputs, attempt=attempt)

    def _references(self, step: StepIdentity) -> dict[str, ResultReference]:
        return {upstream: self.reference(upstream) for upstream in step.upstream}

    def reference(self, name: str) -> ResultReference:
        """The version of a step that this run works with: its own, that of the run it re-executes, what is current.

        Raises:
            StepError: There is none.
        """
        if name in self.finished:
            return self.finished[name]
        if name in self.executed:
            record = self.runs.record(self.start.root_run_id, self.start.run_id, name)
            if record is None or record.reference is None:
                raise StepError(f"Step {name!r} has no result in this run yet.")
            self.finished[name] = record.reference
            return record.reference
        if name not in self._inherited:
            self._inherited[name] = self._inherit(name)
        return self._inherited[name]

    def _inherit(self, name: str) -> ResultReference:
        if name in self.parents:
            return self._checked_parent(name)
        current = self.world.current.steps.get(name) if self.world.current is not None else None
        if current is None:
            raise StepError(f"Step {name!r} is not part of this run and has no current result. Materialize it first.")
        return current

    def _checked_parent(self, name: str) -> ResultReference:
        """What the parent run finished, unless its code or inputs changed since: Dagster does not look."""
        step = self.identified.identity.by_name[name]
        references = self._references(step)
        decision = self.world.decide(step, references, finished=self.parents[name])
        if decision.action == "hit":
            assert decision.result is not None
            return decision.result.reference
        self.log.warning("Input %r is computed again, since %s.", name, decision.reason)
        settled = Settled(decision, 1, 0.0, self._compute(decision, references, 1))
        return self.deliver(settled)

    def _value(self, taken: Input, reference: ResultReference) -> Kept:
        """An output of a result, from memory or the store; computed again if the store lost it."""
        name, output = taken.step, taken.output if reference.outputs else None
        held = self.memory.get(reference.version, output)
        if held is not None:
            return held
        self.committer.wait(reference.version)
        result = self._result(name, reference)
        try:
            if result is None:
                raise DamagedObject(f"The result record of step {name!r} is missing or damaged in the store.")
            with unobserved():
                kept = read_output(result.outputs[output] if output else result.output, self.world.results)
        except (DamagedObject, pa.ArrowInvalid) as error:
            outputs = self._rewound(name, reference, error)
            kept = outputs[output] if output else next(iter(outputs.values()))
        self.memory.put(reference.version, output, kept)
        return kept

    def _result(self, name: str, reference: ResultReference) -> Result | None:
        if reference.generation:
            return self.world.results.get(reference)
        found = self.world.results.candidates(reference.key)
        return next((result for result in found if result.version == reference.version), None)

    def _rewound(self, name: str, reference: ResultReference, error: Exception) -> Mapping[str, Kept]:
        """Compute a committed result again, because its bytes are gone (truth.md 6)."""
        self.log.warning("%s", error)
        step = self.identified.identity.by_name[name]
        references = self._references(step)
        decision = self.world.decide(step, references, forced=True)
        computed = self._compute(decision, references, 1)
        if computed.version != reference.version:
            raise StepError(
                f"The stored data of step {name!r} are damaged, and computing it again gives another version "
                f"({computed.version.hex[:12]}…, expected {reference.version.hex[:12]}…). Run the pipeline again."
            )
        commit(computed, self.world.results)
        return computed.outputs

    def value(self, taken: Input) -> Kept:
        """An output of a step as this run sees it, for an asset that is not ours."""
        return self._value(taken, self.reference(taken.step))

    # Delivering what was settled.

    def delivered(self, settled: Settled) -> ResultReference:
        """Deliver what a step came out with, once for all its outputs."""
        if self._last_delivered is None or self._last_delivered[0] is not settled:
            self._last_delivered = (settled, self.deliver(settled))
            self._copied(settled)
        return self._last_delivered[1]

    def _copied(self, settled: Settled) -> None:
        try:
            self.write_copies(settled)
        except StepError as error:
            self.fail(settled.step, error, attempt=settled.attempt, seconds=settled.seconds, will_retry=False)
            raise

    def deliver(self, settled: Settled) -> ResultReference:
        """Commit, record and publish what a step came out with, as the checkpoint mode says."""
        name = settled.step
        if settled.computed is None:
            self._record(settled, settled.reference)
            return settled.reference
        computed = settled.computed
        several = len(computed.outputs) > 1
        for output, kept in computed.outputs.items():
            self.world.columns[kept.version] = kept.columns
            self.memory.put(computed.version, output if several else None, kept)
            if output in settled.decision.step.places:
                self.copies.note_output(settled.decision.step.places[output], kept.version)
        if self.beside and self.identified.pipeline.checkpoint.mode == "layer":
            self.finished[name] = settled.reference
            self._uncommitted[name] = computed
            self.committer.submit(computed.version, lambda: self._commit_beside(settled))
            self._release(settled.decision)
            self._publish_layer(settled.decision.step.layer)
            return self.finished[name]
        result = self._commit(settled)
        reference = result.reference if result is not None else settled.reference
        self._record(settled, reference if result is not None else None)
        self.finished[name] = reference
        return reference

    def _record(self, settled: Settled, reference: ResultReference | None) -> None:
        name = settled.step
        self._note(settled, reference)
        if reference is not None:
            self.finished[name] = reference
            if self.identified.pipeline.checkpoint.mode == "auto":
                self.publish({name: reference})
            else:
                self._publish_layer(settled.decision.step.layer)
        self._release(settled.decision)

    def _note(self, settled: Settled, reference: ResultReference | None) -> None:
        record = StepRecord(
            settled.step,
            settled.outcome,
            round(settled.computed.seconds if settled.computed else settled.seconds, 6),
            settled.attempt,
            settled.decision.reason,
            reference=reference,
        )
        self._put_record(record)

    def _put_record(self, record: StepRecord) -> None:
        start = self.start
        self._tried("record", record.step, lambda: self.runs.note(start.root_run_id, start.run_id, record))

    def _commit_beside(self, settled: Settled) -> None:
        with unobserved():
            result = self._commit(settled, is_handed_on=True)
            if result is not None:
                self.finished[settled.step] = result.reference
                self._uncommitted.pop(settled.step, None)
                if self._consumers[settled.step] <= 0:
                    self.memory.drop(result.version)
            self._note(settled, result.reference if result is not None else None)

    def _commit(self, settled: Settled, *, is_handed_on: bool = False) -> Result | None:
        """Store what was computed; a store that stays away costs a warning, not the run.

        Args:
            is_handed_on: Steps took these very values already, so an earlier result can't be adopted in its place.
        """
        assert settled.computed is not None
        computed = replace(settled.computed, replaces=settled.computed.replaces or is_handed_on)
        found: list[Result] = []
        with observer.committing(settled.step):
            self._tried("commit", settled.step, lambda: found.append(commit(computed, self.world.results)))
        return found[0] if found else None

    def _tried(self, what: str, name: str, work: Callable[[], object], *, tries: int = 3) -> None:
        """Do what writes to the store; try again where it fails, and warn where it stays away."""
        for attempt in range(1, tries + 1):
            try:
                work()
                return
            except StoreError as error:
                if attempt == tries:
                    if not self.beside:
                        raise
                    self.log.warning(
                        "Could not %s step %r: %s The run goes on; a later run computes it again.", what, name, error
                    )
                    return
                time.sleep(0.2 * attempt)

    def _release(self, decision: Decision) -> None:
        """Forget values that no step of this run takes any more."""
        if not self.beside:
            return
        for upstream in (taken.step for taken in decision.step.bindings.values()):
            self._consumers[upstream] -= 1
            if self._consumers[upstream] <= 0 and upstream in self.finished and upstream not in self._uncommitted:
                self.memory.drop(self.finished[upstream].version)
        own = decision.step.name
        if not self._consumers[own] and own in self.finished and own not in self._uncommitted:
            self.memory.drop(self.finished[own].version)

    def write_copies(self, settled: Settled) -> None:
        """Write the copies of a result that are missing or another.

        Raises:
            StepError: One can't be written; the result is kept all the same.
        """
        step = settled.decision.step
        if not step.places and step.write is None:
            return
        reference = self.finished.get(step.name, settled.reference)
        self.committer.wait(reference.version)
        result = self._result(step.name, self.finished.get(step.name, reference))
        if result is None:
            raise StepError(f"The copies of step {step.name!r} can't be written: its result is not in the store.")
        several = len(result.outputs) > 1
        self.copies.refresh(
            step, result, lambda output: self._value(Input(step.name, output if several else None), reference), self.log
        )

    # Failures.

    def fail(self, name: str, error: BaseException, *, attempt: int, seconds: float, will_retry: bool) -> None:
        """Record that an attempt at a step failed."""
        if not will_retry:
            self.failed.add(name)
        message, cause = (redacted(error_text(link), self.secrets) for link in (error, root_cause(error)))
        record = StepRecord(
            name,
            "failed",
            round(seconds, 6),
            attempt,
            reason="it is tried again" if will_retry else "",
            error=message,
            cause=None if cause == message else cause,
            will_retry=will_retry,
        )
        self._put_record(record)

    def abandon(self, name: str, error: StepError, *, attempt: int, seconds: float, will_retry: bool) -> None:
        """Record that an attempt can't be interrupted, clear what it left, and keep what is finished.

        The process is expected to end then: the step may still be at work.
        """
        self.fail(name, error, attempt=attempt, seconds=seconds, will_retry=will_retry)
        self.copies.discard(self.identified.identity.by_name[name])
        if self.beside:
            self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def hold_back(self, name: str, reason: str = "another step failed") -> None:
        """Record that a step was not started."""
        self._put_record(StepRecord(name, "skipped", 0.0, 0, reason=f"held back: {reason}"))

    @property
    def is_failing_fast(self) -> bool:
        if self.identified.pipeline.on_error != "fail_fast":
            return False
        if self.failed or self.beside:
            return bool(self.failed)
        run = self.runs.get(self.start.root_run_id, self.start.run_id)
        return run is not None and any(record.has_failed for record in run.records.values())

    def was_last(self, name: str) -> bool:
        """Was an earlier attempt, in another process, the last that the step may have?"""
        record = self.runs.record(self.start.root_run_id, self.start.run_id, name)
        return record is not None and record.has_failed

    # Publishing.

    def _publish_layer(self, layer: str) -> None:
        """Publish a layer's results together, once every planned step of it is finished."""
        planned = [name for name, planned_layer in self.start.steps.items() if planned_layer == layer]
        if not planned or not self._all_finished(planned):
            return
        for error in self.committer.flush():
            self.log.warning("A commit of layer %r failed: %s", layer, error)
        found = {name: reference for name in planned if (reference := self._known(name)) is not None}
        if len(found) == len(planned) and all(reference.generation for reference in found.values()):
            self.publish(found)

    def _all_finished(self, names: Iterable[str]) -> bool:
        missing = [name for name in names if self._known(name) is None]
        if missing and not self.beside:
            run = self.runs.get(self.start.root_run_id, self.start.run_id)
            self.finished.update(run.finished if run is not None else {})
            missing = [name for name in missing if self._known(name) is None]
        return not missing

    def _known(self, name: str) -> ResultReference | None:
        return self.finished.get(name) or (None if name in self.executed else self.parents.get(name))

    def publish(self, steps: Mapping[str, ResultReference]) -> None:
        """Make results current."""
        at = self.world.now().isoformat(timespec="milliseconds")
        names = frozenset(self.identified.identity.by_name)

        def work() -> None:
            try:
                self.snapshots.publish(steps, run_id=self.start.run_id, at=at, keep_only=names)
            except ResultGone as error:
                self.log.warning("%s", error)

        self._tried("publish", ", ".join(steps), work)

    def close(self) -> RunEnd:
        """Commit what is finished, record how the run ended."""
        for error in self.committer.flush():
            self.log.warning("A commit failed: %s", error)
        self.committer.close()
        if self.identified.pipeline.checkpoint.mode == "layer":
            for layer in self.identified.pipeline.layers:
                self._publish_layer(layer)
        done = all(self._known(name) is not None for name in self.start.steps)
        snapshot = self.snapshots.current()
        end = RunEnd(
            "success" if done and not self.failed else "failed",
            round(time.monotonic() - self.began, 3),
            str(snapshot.id) if snapshot is not None else None,
        )
        if self.beside:
            self._tried(
                "record the end of",
                self.start.pipeline,
                lambda: self.runs.finish(self.start.root_run_id, self.start.run_id, end),
            )
            policy, store = self.identified.pipeline.retention, self.world.results.store
            self._tried(
                "note the retention of", self.start.pipeline, lambda: note_retention(store, self.start.pipeline, policy)
            )
        self.world.results.store.catch_up()
        self.world.files.save()
        shutil.rmtree(self.folder, ignore_errors=True)
        return end


def error_text(error: BaseException) -> str:
    """An error as it is recorded: our own as sentences, others with their kind."""
    return str(error) if isinstance(error, OdibiAssetsError) else f"{type(error).__name__}: {error}"
