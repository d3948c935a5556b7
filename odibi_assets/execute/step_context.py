"""What a step's function can ask of its run, through a parameter named ``context``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StepContext:
    """One attempt at one step.

    Attributes:
        log: Messages appear in the run's log in Dagster; secrets in them are replaced.
        params: The step's params, filled in.
        attempt: Counts from 1.

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
