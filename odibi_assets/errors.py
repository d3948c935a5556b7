"""The exceptions that odibi-assets raises, in one hierarchy.

A message says what could not be done and to which step, what was found against what was
expected, and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping


class OdibiAssetsError(Exception):
    """Anything that odibi-assets itself reports; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(OdibiAssetsError):
    """A command or call that names something that does not exist or does not apply."""

    exit_code = 2


class NotFingerprintable(OdibiAssetsError):
    """A value that has no canonical encoding; the message holds the path to it."""


class StoreError(OdibiAssetsError):
    """The store could not be read or written."""


class StoreAway(StoreError):
    """The store does not answer, or asks to come back later."""


class UnknownLayout(StoreError):
    """The store was written by a version of odibi-assets that this one does not know."""

    exit_code = 2


class DamagedObject(StoreError):
    """Stored bytes that do not hash to their name, or an object that cannot be parsed."""


class ResultGone(StoreError):
    """A result that was to become current was collected meanwhile; planning again finds what is there."""


class NotStorable(OdibiAssetsError):
    """A step returned data that would not come back from the store as it was."""


class StepError(OdibiAssetsError):
    """A step could not be computed for a reason that lies in how it was called."""


class SourceError(StepError):
    """A URL that a step reads does not give what it should; another try would meet the same.

    Attributes:
        status_code: What it answered, if it did.
        headers: Those of its answer that say when to come back.
    """

    def __init__(
        self, message: str, *, status_code: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.headers = dict(headers or {})


class SourceAway(SourceError, ConnectionError):
    """A URL that a step reads does not answer, breaks off, or asks to come back later."""


class StepTimeout(StepError, TimeoutError):
    """An attempt at a step took longer than its ``timeout``; another may not."""


class StepStopped(StepError):
    """A step was stopped since another one failed, and nothing is to go on."""


class RunTimeout(StepError):
    """A run took longer than its ``run_timeout``; no other attempt of it can end in time."""
