"""What hooks and channels are told: a step failed, or is absent, a run failed, a pipeline recovered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from odibi_assets.declare.policies import AlertEvent

_LONGEST_ERROR = 1500


@dataclass(frozen=True)
class _OfRun:
    """Something happened in a run.

    Attributes:
        link: The run in the Dagster UI, where one is known.
    """

    pipeline: str
    environment: str
    run_id: str
    link: str | None

    def _text(self, *lines: tuple[str, object]) -> str:
        place = [("Pipeline", self.pipeline), ("Environment", self.environment)]
        run = [("Run", self.run_id), ("In the UI", self.link)]
        return "\n".join(f"{name}: {value}" for name, value in (*place, *lines, *run) if value not in (None, ""))


@dataclass(frozen=True)
class StepFailed(_OfRun):
    """A step failed, and is not tried again.

    Attributes:
        error: What it raised.
        cause: The end of the exception's chain; the same as ``error`` where there is no chain.
        attempts: How often it was tried.
        resume: The command that runs what is left.
    """

    kind: ClassVar[AlertEvent] = "step_failed"
    step: str
    layer: str
    error: str
    cause: str
    attempts: int
    resume: str

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"{self.pipeline}: step {self.step} failed"

    @property
    def text(self) -> str:
        """The message, without its title."""
        step = f"{self.step} ({self.layer})"
        return self._text(
            ("Step", step), *_error(self.error, self.cause), ("Attempts", self.attempts), _to(self.resume)
        )


@dataclass(frozen=True)
class StepAbsent(_OfRun):
    """An optional step failed, is not tried again, and the run went on without it.

    Attributes:
        error: What it raised.
        cause: The end of the exception's chain; the same as ``error`` where there is no chain.
        attempts: How often it was tried.
        skipped: Steps that did not run since they need it.
    """

    kind: ClassVar[AlertEvent] = "step_absent"
    step: str
    layer: str
    error: str
    cause: str
    attempts: int
    skipped: tuple[str, ...]

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"{self.pipeline}: step {self.step} is absent"

    @property
    def text(self) -> str:
        """The message, without its title."""
        step = f"{self.step} ({self.layer}), which is optional"
        skipped = ("Skipped with it", ", ".join(self.skipped))
        return self._text(("Step", step), *_error(self.error, self.cause), ("Attempts", self.attempts), skipped)


@dataclass(frozen=True)
class RunFailed(_OfRun):
    """A run failed, and is not tried again.

    Attributes:
        step: The first step, in the order of the pipeline, that failed; None where no step did.
        failed: All the steps that failed.
    """

    kind: ClassVar[AlertEvent] = "run_failed"
    step: str | None
    layer: str | None
    error: str
    cause: str
    attempts: int
    failed: tuple[str, ...]
    resume: str

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"{self.pipeline} failed" + (f" at step {self.step}" if self.step is not None else "")

    @property
    def text(self) -> str:
        """The message, without its title."""
        step = ("Step", f"{self.step} ({self.layer})" if self.step is not None else None)
        others = ("Also failed", ", ".join(name for name in self.failed if name != self.step))
        attempts = ("Attempts", self.attempts or None)
        return self._text(step, *_error(self.error, self.cause), attempts, others, _to(self.resume))


@dataclass(frozen=True)
class Recovered(_OfRun):
    """A run succeeded after one that failed.

    Attributes:
        failed_run_id: The run that failed, and ``failed_at`` when it began.
        failed: The steps that failed in it.
    """

    kind: ClassVar[AlertEvent] = "recovered"
    failed_run_id: str
    failed_at: str
    failed: tuple[str, ...]

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return f"{self.pipeline} recovered"

    @property
    def text(self) -> str:
        """The message, without its title."""
        since = f"run {self.failed_run_id} of {self.failed_at}"
        return self._text(("First success after", since), ("That failed at", ", ".join(self.failed)))


Event = StepFailed | StepAbsent | RunFailed | Recovered


def _error(error: str, cause: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = [("Error", _shortened(cause))]
    return found if cause == error else [*found, ("Raised as", _shortened(error))]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_ERROR else text[:_LONGEST_ERROR] + " …"


def _to(resume: str) -> tuple[str, str]:
    return "To resume", resume
