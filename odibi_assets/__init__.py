"""Medallion pipelines on Dagster: unchanged work is never repeated, a reused result is never wrong.

The names below are imported when they are first used, so that the command line can answer
without loading Dagster or pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odibi_assets.components import MedallionPipeline
    from odibi_assets.declare.mistake import DefinitionError, Mistake
    from odibi_assets.declare.policies import Retry
    from odibi_assets.errors import OdibiAssetsError
    from odibi_assets.execute.event import Recovered, RunFailed, StepAbsent, StepFailed
    from odibi_assets.execute.step_context import StepContext
    from odibi_assets.execute.undo import UndoContext
    from odibi_assets.pipeline import Pipeline, RunResult

__version__ = "0.1.0"
__all__ = [
    "DefinitionError",
    "MedallionPipeline",
    "Mistake",
    "OdibiAssetsError",
    "Pipeline",
    "Recovered",
    "Retry",
    "RunFailed",
    "RunResult",
    "StepContext",
    "StepAbsent",
    "UndoContext",
    "StepFailed",
]

_HOMES = {
    "DefinitionError": "odibi_assets.declare.mistake",
    "MedallionPipeline": "odibi_assets.components",
    "Mistake": "odibi_assets.declare.mistake",
    "OdibiAssetsError": "odibi_assets.errors",
    "Pipeline": "odibi_assets.pipeline",
    "Recovered": "odibi_assets.execute.event",
    "Retry": "odibi_assets.declare.policies",
    "RunFailed": "odibi_assets.execute.event",
    "RunResult": "odibi_assets.pipeline",
    "UndoContext": "odibi_assets.execute.undo",
    "StepContext": "odibi_assets.execute.step_context",
    "StepAbsent": "odibi_assets.execute.event",
    "StepFailed": "odibi_assets.execute.event",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
