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
    """

    pipeline: str
    step: str
    run_id: str
    attempt: int
    params: Mapping[str, Any]
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
