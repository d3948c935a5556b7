"""How far a long write or read of stored data is: told by whoever moves the bytes, heard by whoever shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Called with a participle (``encoded``, ``sent``, ``fetched``), the bytes so far, and all of them."""

_listener: ContextVar[Listener | None] = ContextVar("movement", default=None)


def moved(how: str, done_bytes: int, total_bytes: int) -> None:
    """Say how far a movement is."""
    listener = _listener.get()
    if listener is not None:
        listener(how, done_bytes, total_bytes)


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell a listener of what this thread moves."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
