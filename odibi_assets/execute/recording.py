"""What this process records of a run in the store: what became of each step, and what was held back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from odibi_assets.errors import OdibiAssetsError, StoreError
from odibi_assets.execute.exception_chain import root_cause
from odibi_assets.execute.redaction import redacted
from odibi_assets.keep.run_record import FailedAttempt, Run, RunEnd, Runs, RunStart, StepRecord

_PROCESS_ENDED = "Its process ended before it could say why."
_log = logging.getLogger("odibi_assets")


@dataclass
class Recording:
    """The records of one run, as one process keeps them.

    Attributes:
        alone: Everything of the run happens in this process.
        fails_fast: Nothing new starts once a step failed.
        secrets: Texts that are replaced in what is recorded.
        failed: Steps that failed for good in this process.
    """

    runs: Runs
    start: RunStart
    alone: bool
    fails_fast: bool
    secrets: tuple[str, ...]
    log: logging.Logger
    failed: set[str] = field(default_factory=set)
    _retries: dict[str, tuple[FailedAttempt, ...]] = field(default_factory=dict, init=False)

    def note(self, record: StepRecord) -> None:
        """Record what became of a step."""
        start = self.start
        self.tried("record", record.step, lambda: self.runs.note(start.root_run_id, start.run_id, record))

    def fail(
        self,
        name: str,
        error: BaseException,
        *,
        attempt: int,
        seconds: float,
        will_retry: bool,
        wait_s: float | None = None,
    ) -> None:
        """Record that an attempt at a step failed.

        Args:
            wait_s: Seconds until the next attempt, where one is due.
        """
        if not will_retry:
            self.failed.add(name)
        message, cause = self.told(error)
        retries = self.retries(name, attempt)
        if will_retry:
            retries += (FailedAttempt(attempt, message, wait_s if wait_s is None else round(wait_s, 3)),)
            self._retries[name] = retries
        record = StepRecord(
            name,
            "failed",
            round(seconds, 6),
            attempt,
            reason="it is tried again" if will_retry else "",
            error=message,
            cause=cause,
            will_retry=will_retry,
            retries=retries,
        )
        self.note(record)

    def told(self, error: BaseException) -> tuple[str, str | None]:
        """An error as it is recorded, and the end of its chain where that is another."""
        message, cause = (redacted(error_text(link), self.secrets) for link in (error, root_cause(error)))
        return message, None if cause == message else cause

    def retries(self, name: str, attempt: int) -> tuple[FailedAttempt, ...]:
        """The attempts at a step before the given one; each failed."""
        if attempt == 1:
            return ()
        if name not in self._retries:  # An earlier attempt was in another process.
            record = self.record(name)
            self._retries[name] = record.retries if record is not None else ()
        told = {failed.attempt: failed for failed in self._retries[name]}
        return tuple(told.get(number) or FailedAttempt(number, _PROCESS_ENDED) for number in range(1, attempt))

    def hold_back(self, name: str, reason: str = "another step failed") -> None:
        """Record that a step was not started."""
        self.note(StepRecord(name, "skipped", 0.0, 0, reason=f"held back: {reason}"))

    def end(self, end: RunEnd) -> None:
        """Record how the run ended."""
        start = self.start
        self.tried("record the end of", start.pipeline, lambda: self.runs.finish(start.root_run_id, start.run_id, end))

    @property
    def is_failing_fast(self) -> bool:
        """Did a step fail for good, so that no other may start?"""
        return self.fails_fast and self.has_failed

    @property
    def has_failed(self) -> bool:
        """Did a step of the run fail for good, in whatever process?"""
        if self.failed or self.alone:
            return bool(self.failed)
        run = self.read()
        return run is not None and any(record.has_failed for record in run.records.values())

    def was_last(self, name: str) -> bool:
        """Was an earlier attempt, in another process, the last that the step may have?"""
        record = self.record(name)
        return record is not None and record.has_failed

    def record(self, name: str) -> StepRecord | None:
        return self.runs.record(self.start.root_run_id, self.start.run_id, name)

    def read(self) -> Run | None:
        """Everything recorded of the run, by whatever process."""
        return self.runs.get(self.start.root_run_id, self.start.run_id)

    def tried(self, what: str, name: str, work: Callable[[], object], *, tries: int = 3) -> None:
        """Do what writes to the store; try again where it fails, and warn where it stays away."""
        for attempt in range(1, tries + 1):
            try:
                work()
                return
            except StoreError as error:
                if attempt == tries:
                    if not self.alone:
                        raise
                    told = f"Could not {what} step {name!r}: {error} The run goes on; a later run computes it again."
                    for log in {self.log, _log}:  # The run's log is not on the terminal.
                        log.warning("%s", told)
                    return
                time.sleep(0.2 * attempt)


def error_text(error: BaseException) -> str:
    """An error as it is recorded: our own as sentences, others with their kind."""
    return str(error) if isinstance(error, OdibiAssetsError) else f"{type(error).__name__}: {error}"
