"""What a session is doing right now, told to whoever shows it: one observer for the process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Observer = Callable[[str, str], None]
"""Called with a step's name and a phase: ``reading``, ``computing``, ``committing``, ``committed``; from any thread."""


def _unobserved(step: str, phase: str) -> None:
    pass


_observer: Observer = _unobserved


def tell(step: str, phase: str) -> None:
    """Say what happens to a step."""
    _observer(step, phase)


@contextlib.contextmanager
def committing(step: str) -> Iterator[None]:
    """Say that a step's result is being stored, and when that ends."""
    tell(step, "committing")
    try:
        yield
    finally:
        tell(step, "committed")


@contextlib.contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell an observer of everything that sessions of this process do."""
    global _observer
    _observer = observer
    try:
        yield
    finally:
        _observer = _unobserved
