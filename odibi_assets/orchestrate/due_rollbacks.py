"""Rollbacks that are due: done by the run itself where it can, else by who opens its pipeline next, or the daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from odibi_assets.decide.plan import World, open_world, snapshots_of
from odibi_assets.declare.mistake import DefinitionError
from odibi_assets.declare.overrides import Overrides
from odibi_assets.errors import UsageError
from odibi_assets.execute.rollback import Undoing, waiting
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.effects import Effects
from odibi_assets.keep.run_record import RolledBack, Run, Runs

_log = logging.getLogger("odibi_assets")


@dataclass(frozen=True)
class Rollbacks:
    """The rollbacks of one pipeline's runs.

    Attributes:
        identified: The pipeline as it is; a run that changed it by ``--set`` is undone with what it had.
    """

    source: PipelineSource
    identified: Identified
    world: World
    log: logging.Logger = _log

    @property
    def runs(self) -> Runs:
        return Runs(self.world.results.store)

    @property
    def effects(self) -> Effects:
        return Effects(self.world.results.store, self.source.project.environment, self.identified.identity.name)

    def undoing(self, run: Run) -> Undoing:
        """What rolls back a run."""
        snapshots = snapshots_of(self.world, self.source.project, self.identified.identity.name)
        return Undoing(self._as_it_was(run), self.world, snapshots, self.runs, self.effects, self.log)

    def _as_it_was(self, run: Run) -> Identified:
        overrides = Overrides.from_json(run.start.overrides)
        if not overrides:
            return self.identified
        try:
            return self.source.identified(overrides)
        except DefinitionError as error:
            self.log.warning(
                "Run %s changed the pipeline in a way that it has no more; it is undone with the params of now: %s",
                run.start.run_id,
                error,
            )
            return self.identified

    def finish(self) -> dict[str, RolledBack]:
        """Roll back every run that waits for it, the last begun first; run id → how it went.

        Raises:
            StoreError: The store could not be read or written.
        """
        found = {}
        for run in waiting(self.effects, self.runs, self.world.now()):
            rolled_back = self.undoing(run).roll_back(run)
            if rolled_back is not None:
                found[run.start.run_id] = rolled_back
        return found

    def check(self, run: Run) -> None:
        """
        Raises:
            UsageError: The run can't be rolled back.
        """
        why_not = self._why_not(run)
        if why_not:
            raise UsageError(f"Nothing to roll back: run {run.start.run_id} {why_not}.")

    def _why_not(self, run: Run) -> str | None:
        start = run.start
        to = f"oda rollback {start.pipeline} --to SNAPSHOT returns to an earlier state"
        if run.is_running:
            return "is still running"
        if run.status == "success":
            return f"succeeded: {to}"
        if run.rolled_back is not None and not run.rolled_back.failed:
            return f"was rolled back on {run.rolled_back.at[:16].replace('T', ' ')} UTC"
        for other in self.runs.of_pipeline(start.pipeline, start.environment):
            if other.start.parent_run_id == start.run_id and other.rolled_back is None:
                return f"was resumed as {other.start.run_id}, which stands: {to}"
            is_later = other.start.started_at > start.started_at and other.status == "success"
            if is_later and self._rests_on(other, run):
                return f"has results on which run {other.start.run_id} rests, which succeeded: {to}"
        return None

    def _rests_on(self, later: Run, run: Run) -> bool:
        own = {reference.id for name, reference in run.finished.items() if name not in run.start.hits}
        return any(reference.id in own for reference in later.finished.values())


def rollbacks_of(
    source: PipelineSource, identified: Identified, *, world: World | None = None, log: logging.Logger = _log
) -> Rollbacks:
    """The rollbacks of a pipeline that was opened, or is opened here."""
    identity = identified.identity
    return Rollbacks(source, identified, world or open_world(source.project, identity.name, identity.store), log)


def finished_by(rollbacks: Rollbacks, tell: Callable[[str], object]) -> Mapping[str, RolledBack]:
    """Finish what waits, and tell of it."""
    found = rollbacks.finish()
    for run_id, rolled_back in found.items():
        tell(rolled_back.described(run_id))
    return found
