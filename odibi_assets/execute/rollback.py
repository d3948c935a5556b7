"""Rolling a run back: what it published is current no more, and what its steps did outside the store is undone.

In this order, so that whoever is killed in between leaves something that the next can finish:

1. The run is marked as one to be undone, unless it was from its start.
2. The head returns to what was current before the run, as a snapshot of its own. Steps that another
   run published meanwhile stay as that run left them.
3. For each step with a side effect, the last that finished first: every result with its key is revoked, so
   that it runs again; its undo is claimed; it runs; what came of it is noted.
4. How the run was rolled back is recorded, and the journal forgets what is undone.

An undo is claimed before it is called, so it is called once. If its process ends before it does,
whoever goes on calls it again and says so: ``context.effect`` is ``unknown``.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from odibi_assets.decide.plan import World
from odibi_assets.execute.redaction import secret_values
from odibi_assets.execute.undo import Undo
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.reference import BadReference
from odibi_assets.identify.undo import resolve_undo
from odibi_assets.keep.effects import Effect, Effects
from odibi_assets.keep.moves import queue_move
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.run_record import RolledBack, Run, Runs, Undone
from odibi_assets.keep.snapshot import Snapshot, Snapshots
from odibi_assets.keep.survey import goes_on

_CLOCKS_APART = datetime.timedelta(days=1)
REVOKED = "rolled back"

References = Mapping[str, ResultReference]


def waiting(effects: Effects, runs: Runs, now: datetime.datetime) -> list[Run]:
    """The runs that are to be rolled back and go on no more, the last begun first; forgets those that succeeded."""
    found = []
    for root, run_id in list(effects.wanted()):
        run = runs.get(root, run_id)
        if run is None:
            continue
        if not goes_on(run, now):
            if run.status == "success":
                effects.of(run.start).forget()
            else:
                found.append(run)
    return sorted(found, key=lambda run: run.start.started_at, reverse=True)


@dataclass(frozen=True)
class Publication:
    """What a run made current: its snapshots, the newest first, each with what was current before it."""

    steps: tuple[tuple[References, References], ...]
    before: Digest | None

    def taken_from(self, current: References) -> dict[str, ResultReference]:
        """What is current, without what the run made current."""
        target = dict(current)
        for before, after in self.steps:
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name) and target.get(name) == after.get(name):
                    if name in before:
                        target[name] = before[name]
                    else:
                        target.pop(name, None)
        return target


def publication_of(run: Run, snapshots: Snapshots) -> Publication:
    """What a run made current, as far as its snapshots are kept."""
    since = datetime.datetime.fromisoformat(run.start.started_at) - _CLOCKS_APART
    steps: list[tuple[References, References]] = []
    before: Digest | None = None
    child: Snapshot | None = None
    for snapshot in snapshots.history():
        if child is not None and child.run_id == run.start.run_id:
            steps.append((snapshot.steps, child.steps))
            before = snapshot.id
        if datetime.datetime.fromisoformat(snapshot.published_at) < since:
            return Publication(tuple(steps), before)
        child = snapshot
    if child is not None and child.parent is None and child.run_id == run.start.run_id:
        steps.append(({}, child.steps))
        before = None
    return Publication(tuple(steps), before)


@dataclass(frozen=True)
class Undoing:
    """What rolls back the runs of one pipeline.

    Attributes:
        identified: The pipeline as the run had it.
    """

    identified: Identified
    world: World
    snapshots: Snapshots
    runs: Runs
    effects: Effects
    log: logging.Logger

    def roll_back(self, run: Run) -> RolledBack | None:
        """Roll a run back, or finish what began to; None while another process is at it.

        Raises:
            StoreError: The store could not be read or written; the next process goes on from there.
        """
        journal = self.effects.of(run.start)
        journal.want_undone()
        claim = journal.claim(at=self._at(), now=self.world.now())
        if claim is None:
            return None
        try:
            moved, current = self._unpublish(run)
            earlier = run.rolled_back or RolledBack("")
            undone = [each for each in earlier.undone if each.error is None]
            undone += [effect.undone or self._undo(run, effect) for effect in journal.all()]
            rolled_back = RolledBack(
                self._at(),
                tuple(undone),
                tuple(sorted({*moved, *earlier.moved})),
                str(current.id) if current is not None else None,
            )
            self.runs.note_rollback(run.start.root_run_id, run.start.run_id, rolled_back)
            journal.settle()
        finally:
            self.world.results.store.delete(claim)
        return rolled_back

    def settle(self, run: Run) -> RolledBack | None:
        """What is due at the end of a run: it is rolled back if it failed and is to be, its effects stand if not.

        Raises:
            StoreError: As ``roll_back``.
        """
        if run.status == "success":
            for each in self.runs.chain(run.start.root_run_id, run.start.run_id):
                self.effects.of(each.start).forget()
            return None
        return self.roll_back(run) if self.identified.pipeline.rollback and run.rolled_back is None else None

    def effects_of(self, run: Run) -> list[tuple[Undo, tuple[Result, ...]]]:
        """The undos of a run in their order, each with the results that are revoked with it."""
        return [self._prepared(run, effect) for effect in self.effects.of(run.start).all()]

    def _unpublish(self, run: Run) -> tuple[tuple[str, ...], Snapshot | None]:
        published = publication_of(run, self.snapshots)
        before, now = self.snapshots.restore(published.taken_from, restores=published.before, at=self._at())
        moved = changed(before.steps if before is not None else {}, now.steps if now is not None else {})
        self.world.move_to(now)
        if moved and now is not None:
            versions = {name: str(now.steps[name].version) for name in moved if name in now.steps}
            store, place = self.world.results.store, (self.effects.environment, self.effects.pipeline)
            queue_move(store, *place, versions, at=self.world.now())
        return moved, now

    def _undo(self, run: Run, effect: Effect) -> Undone:
        undo, found = self._prepared(run, effect)
        results = self.world.results
        under_key = (each for key in effect.keys for each in (*results.candidates(key), *results.accepted_from(key)))
        for result in (*found, *under_key):
            results.revoke(*result.id, why=REVOKED, at=self._at())
        journal = self.effects.of(run.start)
        journal.start_undo(effect)
        undone = undo.run(pipeline=self.identified.pipeline.name, run_id=run.start.run_id, log=self.log)
        journal.note_undone(undone)
        if undone.error is None:
            self.log.info("Step %s of run %s is undone.", effect.step, run.start.run_id)
        else:
            self.log.warning("Step %s of run %s could not be undone: %s", effect.step, run.start.run_id, undone.error)
        return undone

    def _prepared(self, run: Run, effect: Effect) -> tuple[Undo, tuple[Result, ...]]:
        found = tuple(self._results(run, effect))
        env = self.world.env
        undo = Undo(
            effect,
            self._function(effect),
            self.identified.pipeline.by_name.get(effect.step),
            found[0] if found else None,
            self.world.results,
            self.world.local / "values" / "loaded",
            env,
            secret_values(self.identified.pipeline, env),
        )
        return undo, found

    def _results(self, run: Run, effect: Effect) -> Iterator[Result]:
        """What the step of this run is recorded to have come to, and whatever it stored before it could record it."""
        record = run.records.get(effect.step)
        reference = record.reference if record is not None and record.outcome == "computed" else None
        seen = set()
        for result in (
            self.world.results.get(reference) if reference is not None else None,
            *self._stored(run, effect),
        ):
            if result is not None and result.id not in seen:
                seen.add(result.id)
                yield result

    def _stored(self, run: Run, effect: Effect) -> Iterator[Result]:
        for key in effect.keys:
            yield from (result for result in self.world.results.of_key(key) if result.run_id == run.start.run_id)

    def _function(self, effect: Effect) -> Callable[..., Any] | None:
        """Today's undo of the step; where it has none any more, the one that it had then."""
        declared = self.identified.undos.get(effect.step)
        if declared is not None or not effect.undo:
            return declared
        try:
            return resolve_undo(effect.undo)
        except BadReference:
            return None

    def _at(self) -> str:
        return self.world.now().isoformat(timespec="milliseconds")


def changed(before: References, after: References) -> tuple[str, ...]:
    """Steps whose current result is not the same, by name."""
    return tuple(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))
