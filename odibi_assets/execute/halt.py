"""Under ``fail_fast`` a step that failed in one process stops those at work in the others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from odibi_assets.errors import StepStopped, StoreError
from odibi_assets.execute.recording import Recording
from odibi_assets.execute.time_limit import TimeLimit
from odibi_assets.identify.observing import unobserved

LOOK_EVERY_S = 1.0
FOREVER_S = 100_000_000.0
"""A limit of time for what only a halt ends."""


def may_be_halted(recording: Recording) -> bool:
    """Can a step fail in another process, and is that the end of the run?"""
    return recording.fails_fast and not recording.alone


def check_halt(step: str, recording: Recording) -> None:
    """
    Raises:
        StepStopped: Another step of the run has failed, and nothing is to go on.
    """
    if may_be_halted(recording) and recording.has_failed:
        raise _stopped(step)


@contextlib.contextmanager
def halting(step: str, limit: TimeLimit, recording: Recording) -> Iterator[None]:
    """End the time of what is at work once another step of the run has failed."""
    if not may_be_halted(recording):
        yield
        return
    is_over = threading.Event()

    def watch() -> None:
        with unobserved():
            while not is_over.wait(LOOK_EVERY_S):
                with contextlib.suppress(StoreError):  # A store that is away says nothing of other steps.
                    if recording.has_failed:
                        limit.end_now(lambda: _stopped(step))
                        return

    watching = threading.Thread(target=watch, name="halt", daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()


def _stopped(step: str) -> StepStopped:
    return StepStopped(f"Step {step!r} was stopped: another step failed, and on_error is fail_fast.")
