"""Whose reads are being observed now: a step's, everybody's, or nobody's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from odibi_assets.identify.recorder import Recorder

ACTIVE: list[Recorder] = []
_CURRENT: ContextVar[Recorder | Literal["unobserved"] | None] = ContextVar("odibi_assets_recorder", default=None)
_LOCK = threading.Lock()


@contextlib.contextmanager
def observing(recorder: Recorder) -> Iterator[Recorder]:
    """What is read inside, in this context and in threads that it starts, is the recorder's."""
    token = _CURRENT.set(recorder)
    with _LOCK:
        ACTIVE.append(recorder)
    try:
        yield recorder
    finally:
        _CURRENT.reset(token)
        with _LOCK:
            ACTIVE.remove(recorder)


@contextlib.contextmanager
def unobserved() -> Iterator[None]:
    """Our own reads inside are nobody's inputs."""
    token = _CURRENT.set("unobserved")
    try:
        yield
    finally:
        _CURRENT.reset(token)


def recorders() -> list[Recorder]:
    """Whoever the present read counts for."""
    current = _CURRENT.get()
    if current == "unobserved":
        return []
    # A thread that a step started has no context of its own: what it reads counts for every
    # step that is running, which can only cost a recompute.
    return [current] if current is not None else list(ACTIVE)
