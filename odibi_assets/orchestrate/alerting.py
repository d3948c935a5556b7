"""The alerts of a pipeline, for whoever knows that a run of it ended: the run itself, or a sensor."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from odibi_assets.execute.alerts import Alerts
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.run_record import Runs


def alerts_of(
    source: PipelineSource,
    identified: Identified,
    runs: Runs,
    env: Mapping[str, str],
    *,
    log: logging.Logger | None = None,
    reference: str = "",
) -> Alerts:
    """What tells of its runs.

    Args:
        reference: What the user names the pipeline by, if that is known.
    """
    name = identified.pipeline.name

    def resume(run_id: str) -> str:
        if source.declared is None:
            return f"oda resume {run_id}"
        return f"oda resume {reference}" if reference.count(":") else f"{name}.resume({run_id!r}) in Python"

    return Alerts(
        identified.pipeline,
        source.hooks,
        runs,
        env,
        source.project.environment,
        resume,
        log or logging.getLogger("odibi_assets"),
    )
