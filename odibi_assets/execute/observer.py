"""What a session is doing right now, told to whoever shows it: one for the process."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from odibi_assets.execute.progress import Progress
from odibi_assets.keep.movement import heard_by

_shown = Progress()


def tell(step: str, phase: str) -> None:
    """Say what happens to a step."""
    _shown.step(step, phase)


@contextlib.contextmanager
def committing(step: str) -> Iterator[None]:
    """Say that a step's result is being stored, how far that is, and when it ends."""
    tell(step, "committing")
    try:
        with _moving(step):
            yield
    finally:
        tell(step, "committed")


@contextlib.contextmanager
def reading(step: str) -> Iterator[None]:
    """Say that a step reads its inputs or files, and how far that is."""
    tell(step, "reading")
    with _moving(step):
        yield


def _moving(step: str) -> contextlib.AbstractContextManager[None]:
    return heard_by(functools.partial(_shown.moved, step))


@contextlib.contextmanager
def shown_by(progress: Progress) -> Iterator[None]:
    """Tell of everything that sessions of this process do."""
    global _shown
    _shown = progress
    try:
        yield
    finally:
        _shown = Progress()
