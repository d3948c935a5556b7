"""What the process from which workers are forked imports, once, so that they need not.

Nothing else imports this module. It quiets what Dagster says on a console before a run's own
config is read: one line for each step, which the run's events hold as well.
"""

from __future__ import annotations

import dagster as dg
import duckdb  # noqa: F401
import pandas  # noqa: F401
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
from dagster._core.executor import multiprocess
from dagster._core.log_manager import DagsterLogManager

import odibi_assets.orchestrate.worker  # noqa: F401


def _without_console(instance: dg.DagsterInstance, dagster_run: dg.DagsterRun) -> DagsterLogManager:
    return DagsterLogManager.create(loggers=[], instance=instance, dagster_run=dagster_run)


multiprocess.create_context_free_log_manager = _without_console  # type: ignore[attr-defined]
