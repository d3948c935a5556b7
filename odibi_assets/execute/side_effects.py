"""A step that can be undone is journalled before it computes, and when it has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.declare.export import function_name
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.errors import StoreError, UsageError
from odibi_assets.keep.effects import RunEffects

Computed = TypeVar("Computed")


@dataclass(frozen=True)
class SideEffects:
    """The side effects of one run's steps, as one process journals them."""

    pipeline: Pipeline
    world: World
    journal: RunEffects
    log: logging.Logger

    def noted(self, decision: Decision, compute: Callable[[], Computed]) -> Computed:
        """Compute a step; if it can be undone, its side effect is on record whatever ends this process meanwhile.

        Raises:
            StoreError: The run is to be undone if it fails, and that the step begins could not be recorded.
        """
        name = decision.step.name
        undo = self.pipeline.by_name[name].rollback
        if undo is None:
            return compute()
        assert decision.key is not None
        key = decision.key.digest()
        self._told(name, lambda: self.journal.begin(name, _reference(undo), key, at=self._at()))
        computed = compute()
        self._told(name, lambda: self.journal.done(name, at=self._at()))
        return computed

    def _told(self, name: str, note: Callable[[], None]) -> None:
        try:
            note()
        except StoreError as error:
            if self.pipeline.rollback:
                raise
            self.log.warning("That step %r has side effects could not be recorded: %s", name, error)

    def _at(self) -> str:
        return self.world.now().isoformat(timespec="microseconds")


def _reference(undo: str | Callable[..., object]) -> str:
    if isinstance(undo, str):
        return undo
    try:
        return function_name(undo, "rollback")
    except UsageError:
        return ""
