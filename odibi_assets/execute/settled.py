"""What became of a step in this process, before it is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odibi_assets.decide.decision import Decision
from odibi_assets.execute.commit import Computed
from odibi_assets.keep.result import ResultReference


@dataclass(frozen=True)
class Settled:
    """A reused result, something computed, or an absence.

    Attributes:
        error: What an optional step failed with; ``cause`` is the end of its chain, where that is another.
    """

    decision: Decision
    attempt: int
    seconds: float
    computed: Computed | None = None
    error: str | None = None
    cause: str | None = None

    @property
    def step(self) -> str:
        return self.decision.step.name

    @property
    def outcome(self) -> str:
        if self.decision.absence is not None:
            return self.decision.absence.outcome
        return "cached" if self.computed is None else "computed"

    @property
    def params(self) -> Mapping[str, Any]:
        """The params whose value depends on the attempt, as they were in the one that succeeded."""
        result = self.decision.result
        return self.computed.params if self.computed is not None else result.params if result is not None else {}

    @property
    def reference(self) -> ResultReference:
        """The result; generation 0 stands for one that is not committed yet."""
        if self.computed is not None:
            return self.computed.reference
        assert self.decision.result is not None
        return self.decision.result.reference
