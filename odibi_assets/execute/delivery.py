"""Delivery commits, records and publishes what a process settled, as the checkpoint mode says.

========  =================================================  =====================================
mode      a result is committed                              it is published
========  =================================================  =====================================
auto      before its step succeeds                           with its step
layer     beside the work, waited for at the layer's end     with its layer, once all of it is done
interval  beside the work                                    when the clock calls, and at the end
manual    beside the work, when a checkpoint is asked for    then, and at the end
========  =================================================  =====================================

Between processes a value goes through the store, so there every step commits before it succeeds. So
does a critical step in every mode.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.errors import ResultGone
from odibi_assets.execute import absence, observer
from odibi_assets.execute.clock import Clock
from odibi_assets.execute.commit import Committer, commit
from odibi_assets.execute.recording import Recording
from odibi_assets.execute.settled import Settled
from odibi_assets.execute.single_flight import SingleFlight
from odibi_assets.execute.value_memory import ValueMemory
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.result import Absent, Result, ResultReference
from odibi_assets.keep.retention import note_retention
from odibi_assets.keep.run_record import RunEnd, StepRecord
from odibi_assets.keep.saved_state import SavedStates
from odibi_assets.keep.snapshot import Snapshots


@dataclass
class Delivery:
    """One process's results on their way to the readers.

    Attributes:
        executed: Steps that this run executes in Dagster.
        parents: Steps finished by the runs that this one re-executes.
        finished: Steps finished in this run, as far as this process knows.
        flight: Holds the leases of what is computed until it is stored.
        absent: Steps without a result in this run or in those that it re-executes, which is no failure.
    """

    identified: Identified
    world: World
    snapshots: Snapshots
    recording: Recording
    executed: frozenset[str]
    parents: Mapping[str, ResultReference]
    finished: dict[str, ResultReference]
    flight: SingleFlight
    absent: dict[str, Absent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.committer = Committer()
        self.memory = ValueMemory(self.wait)
        self._held: dict[str, Settled] = {}
        self._uncommitted: set[str] = set()
        self._published: dict[str, ResultReference] = {}
        self._consumers = Counter(
            taken.step for name in self.executed for taken in self.identified.identity.by_name[name].bindings.values()
        )
        checkpoint = self.identified.pipeline.checkpoint
        self._mode = checkpoint.mode
        self._clock = (
            Clock(self._first_tick_s(checkpoint.seconds), checkpoint.seconds, self._publish_beside)
            if checkpoint.mode == "interval"
            else None
        )

    def _first_tick_s(self, every_s: float) -> float:
        """Seconds until the interval is over that another process of the run may have begun."""
        start, current = self.recording.start, self.snapshots.current() if not self.recording.alone else None
        last = current.published_at if current is not None and current.run_id == start.run_id else start.started_at
        passed = self.world.now() - datetime.datetime.fromisoformat(last)
        return min(max(every_s - passed.total_seconds(), 0.0), every_s)

    def deliver(self, settled: Settled) -> ResultReference:
        """Commit, record and publish what a step came out with, now or later."""
        name, computed = settled.step, settled.computed
        if computed is None:
            self._note(settled, settled.reference)
            self.finished[name] = settled.reference
        else:
            several = len(computed.outputs) > 1
            for output, kept in computed.outputs.items():
                self.world.columns[kept.version] = kept.columns
                self.memory.put(computed.version, output if several else None, kept)
            if self._waits_for(name):
                result = self._commit(settled)
                self._note(settled, result.reference if result is not None else None)
                self.finished[name] = result.reference if result is not None else settled.reference
            else:
                self.finished[name] = settled.reference
                self._uncommitted.add(name)
                self._held[name] = settled
                if self._mode == "manual":
                    self.flight.release(computed.key.digest())  # When it will be stored is not known.
                else:
                    self._submit(name)
        self._release(settled.decision)
        self._publish_after(name)
        return self.finished[name]

    def pass_over(self, settled: Settled) -> None:
        """Record that a step has no result, and that what can't do without it is skipped; no failure."""
        start = self.recording.start
        for record in absence.records(settled, self.identified.identity, start.steps.keys()):
            self.recording.note(record)
            self.absent[record.step] = Absent(record.outcome, record.reason)
        self._release(settled.decision)
        if self._mode == "layer":
            for layer in {start.steps[name]: None for name in self.absent if name in start.steps}:
                self._publish_layer(layer)
        elif self._mode != "auto" and not self.recording.alone and self._is_last_word():
            self.publish_committed()

    def _waits_for(self, name: str) -> bool:
        is_critical = self.identified.pipeline.by_name[name].critical
        return self._mode == "auto" or is_critical or not self.recording.alone

    def checkpoint(self) -> None:
        """Commit what is finished, beside what the caller does next, and publish what may be seen by itself."""
        self._submit_held()
        if self._mode in ("interval", "manual"):
            self._publish_beside()

    def wait(self, version: Digest) -> None:
        """Wait until a version is in the store, as far as the store takes it."""
        for name, settled in list(self._held.items()):
            if settled.reference.version == version:
                self._submit(name)
        self.committer.wait(version)

    # Committing.

    def _submit_held(self) -> None:
        for name in list(self._held):
            self._submit(name)

    def _submit(self, name: str) -> None:
        settled = self._held.pop(name, None)
        if settled is not None:
            self.committer.submit(settled.reference.version, lambda: self._commit_beside(settled))

    def _commit_beside(self, settled: Settled) -> None:
        with unobserved():
            result = self._commit(settled, is_handed_on=True)
            if result is not None:
                self.finished[settled.step] = result.reference
                self._uncommitted.discard(settled.step)
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
        try:
            with observer.committing(settled.step):
                self.recording.tried("commit", settled.step, lambda: found.append(commit(computed, self.world.results)))
        finally:
            self.flight.release(computed.key.digest())
        return found[0] if found else None

    def _note(self, settled: Settled, reference: ResultReference | None) -> None:
        record = StepRecord(
            settled.step,
            settled.outcome,
            round(settled.computed.seconds if settled.computed else settled.seconds, 6),
            settled.attempt,
            settled.decision.reason,
            reference=reference,
            retries=self.recording.retries(settled.step, settled.attempt),
            params=settled.params,
        )
        self.recording.note(record)

    def _release(self, decision: Decision) -> None:
        """Forget values that no step of this run takes any more."""
        if not self.recording.alone:
            return
        for upstream in (taken.step for taken in decision.step.bindings.values()):
            self._consumers[upstream] -= 1
            if self._consumers[upstream] <= 0 and upstream in self.finished and upstream not in self._uncommitted:
                self.memory.drop(self.finished[upstream].version)
        own = decision.step.name
        if not self._consumers[own] and own in self.finished and own not in self._uncommitted:
            self.memory.drop(self.finished[own].version)

    # Publishing.

    def _publish_after(self, name: str) -> None:
        step = self.identified.pipeline.by_name[name]
        if self._mode == "auto":
            if self.finished[name].generation:
                self.publish({name: self.finished[name]})
        elif self._mode == "layer":
            self._publish_layer(step.layer)
        elif not self.recording.alone and self._is_last_word():
            self.publish_committed()
        if step.checkpoint:
            self.checkpoint()

    def _is_last_word(self) -> bool:
        """Of a run in several processes: may nothing of it come after, to publish what this one leaves?"""
        return self.recording.has_failed or self._all_finished(self.recording.start.steps)

    def _is_over(self) -> bool:
        """Of a run in several processes: is every planned step settled, failed, held back, or below one that is?"""
        run = self.recording.read()
        if run is None:
            return False
        planned, stopped = self.recording.start.steps, set[str]()
        for step in self.identified.identity.steps:
            if step.name not in planned or self._is_settled(step.name):
                continue
            record = run.records.get(step.name)
            is_stopped = record is not None and (record.has_failed or record.outcome == "skipped")
            if not is_stopped and stopped.isdisjoint(step.upstream):
                return False
            stopped.add(step.name)
        return True

    def _publish_layer(self, layer: str) -> None:
        """Publish a layer's results together, once every planned step of it is finished."""
        planned = [name for name, planned_layer in self.recording.start.steps.items() if planned_layer == layer]
        if not planned or not self._all_finished(planned):
            return
        planned = [name for name in planned if name not in self.absent]
        for error in self.committer.flush():
            self.recording.log.warning("A commit of layer %r failed: %s", layer, error)
        found = {name: reference for name in planned if (reference := self.known(name)) is not None}
        if found and len(found) == len(planned) and all(reference.generation for reference in found.values()):
            self.publish(found)

    def _publish_beside(self) -> None:
        """Publish what is committed by then, after the commits that are under way."""
        self.committer.submit("publish", self.publish_committed)

    def publish_committed(self) -> None:
        """Publish every finished result of the run that is in the store and was not published yet."""
        with unobserved():
            planned = self.recording.start.steps
            self._all_finished(planned)
            known = {name: reference for name in planned if (reference := self.known(name)) is not None}
            due = {name: found for name, found in known.items() if found.generation}
            due = {name: found for name, found in due.items() if self._published.get(name) != found}
            if due:
                self.publish(due)
                self._published.update(due)

    def _all_finished(self, names: Iterable[str]) -> bool:
        missing = [name for name in names if not self._is_settled(name)]
        if missing and not self.recording.alone:
            run = self.recording.read()
            self.finished.update(run.finished if run is not None else {})
            self.absent.update(run.absences if run is not None else {})
            missing = [name for name in missing if not self._is_settled(name)]
        return not missing

    def _is_settled(self, name: str) -> bool:
        return name in self.absent or self.known(name) is not None

    def known(self, name: str) -> ResultReference | None:
        """What a planned step came to in this run, or in one that it re-executes."""
        return self.finished.get(name) or (None if name in self.executed else self.parents.get(name))

    def publish(self, steps: Mapping[str, ResultReference]) -> None:
        """Make results current."""
        at = self.world.now().isoformat(timespec="milliseconds")
        names = frozenset(self.identified.identity.by_name)

        def work() -> None:
            try:
                self.snapshots.publish(steps, run_id=self.recording.start.run_id, at=at, keep_only=names)
            except ResultGone as error:
                self.recording.log.warning("%s", error)

        self.recording.tried("publish", ", ".join(steps), work)

    # The end.

    def close(self, seconds: float, *, is_interrupted: bool = False) -> RunEnd:
        """Commit what is finished, publish what may be seen; record how the run ended where this was the last of it.

        Args:
            seconds: How long the run took.
            is_interrupted: A step was at work in this process, and came to no end.
        """
        if self._clock is not None:
            self._clock.stop()
        self._submit_held()
        for error in self.committer.flush():
            self.recording.log.warning("A commit failed: %s", error)
        self.committer.close()
        self.flight.close()
        if self._mode == "layer":
            for layer in self.identified.pipeline.layers:
                self._publish_layer(layer)
        elif self._mode != "auto" and (self.recording.alone or is_interrupted or self._is_last_word()):
            self.publish_committed()
        done = self._all_finished(self.recording.start.steps)
        snapshot = self.snapshots.current()
        end = RunEnd(
            "success" if done and not self.recording.has_failed else "failed",
            round(seconds, 3),
            str(snapshot.id) if snapshot is not None else None,
        )
        if self.recording.alone or done or self._is_over():
            self.recording.end(end)
            pipeline, store = self.identified.pipeline, self.world.results.store
            if end.status == "success":
                states, root = SavedStates(store), self.recording.start.root_run_id
                self.recording.tried(
                    "clean up after", pipeline.name, lambda: states.discard_obsolete(pipeline.name, root)
                )
            self.recording.tried(
                "note the retention of", pipeline.name, lambda: note_retention(store, pipeline.name, pipeline.retention)
            )
        self.world.results.store.catch_up()
        return end
