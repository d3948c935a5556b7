"""What one run changes of its pipeline: the values of ``--set``, and what happens after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Overrides:
    """What the command line changes for one run.

    Attributes:
        params: Pipeline parameter → value.
        steps: Step → parameter → value.
        on_error: In place of the pipeline's own.
        rollback: In place of the pipeline's own.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on_error: str | None = None
    rollback: bool | None = None

    def __bool__(self) -> bool:
        return bool(self.params or self.steps or self.on_error or self.rollback is not None)

    def to_json(self) -> dict[str, Any]:
        steps = {step: dict(params) for step, params in self.steps.items()}
        data = {"params": dict(self.params), "steps": steps, "on_error": self.on_error}
        return {**data, "rollback": self.rollback} if self.rollback is not None else data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Overrides:
        return cls(data.get("params", {}), data.get("steps", {}), data.get("on_error"), data.get("rollback"))
