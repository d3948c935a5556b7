"""What a step's function can ask of its run, through a parameter named ``context``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi_assets.execute.step_state import StepState


@dataclass(frozen=True)
class StepContext:
    """One attempt at one step.

    Attributes:
        log: Messages appear in the run's log in Dagster; secrets in them are replaced.
        params: The step's params, filled in.
        attempt: Counts from 1.
        state: ``state.save(value)`` keeps how far a long step is (what JSON has, bytes, NumPy arrays, a frame), and
            ``state.load()`` gives the last such value, or None, to the next attempt, also after a kill and in the next
            run. It belongs to the step's key: after an edit of code, params or inputs there is none. It is removed when
            the step succeeds.

    Example::

        import odibi_assets as oda
        import pandas as pd

        flights = oda.Pipeline("flights")
        flights.read("raw", layer="bronze", format="csv", path="data/flights.csv")

        @flights.step(layer="silver")
        def counted(raw: pd.DataFrame, context: oda.StepContext) -> dict:
            context.log.info("%s rows, attempt %s", len(raw), context.attempt)
            return {"rows": len(raw)}

        assert flights.run().load("counted") == {"rows": 3}
    """

    pipeline: str
    step: str
    run_id: str
    attempt: int
    params: Mapping[str, Any]
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    state: StepState
    _checkpoint: Callable[[], None] = field(repr=False)

    def checkpoint(self) -> None:
        """Commit what the run has finished by now, beside what this step does next; this step is not part of it.

        In the modes ``interval`` and ``manual`` it is published too; in ``layer`` what is published stays whole layers;
        in ``auto`` there is nothing left to do.
        """
        self._checkpoint()
