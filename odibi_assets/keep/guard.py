"""Keeping collection and writers apart: whoever relies on a stored object says so while it does.

A commit finds a blob that is already there and then writes a result that names it; a publication
finds a result and then moves the head to it. Between the two, collection must not delete what was
found. Where the store can lock (a folder), writers hold a shared lock over both halves, collection
an exclusive one over looking and deleting, and the kernel releases the lock of whoever dies. A
bucket can't: there ``keep/sweep.py`` lets time pass between looking and deleting.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from odibi_assets.errors import StoreAway
from odibi_assets.keep.store import Store


@runtime_checkable
class Guarded(Protocol):
    """A store with a lock of its own. Neither method may be entered again by the thread that is in one."""

    def together(self) -> AbstractContextManager[None]:
        """While this is held, nothing is collected. Many hold it at once."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """While this is held, nobody else holds ``together`` or ``alone``."""
        ...


def writing(store: Store) -> AbstractContextManager[None]:
    """Held from finding a stored object until something that is kept names it."""
    return store.together() if isinstance(store, Guarded) else contextlib.nullcontext()


def collecting(store: Store) -> AbstractContextManager[None]:
    """Held from looking for garbage until it is deleted."""
    return store.alone() if isinstance(store, Guarded) else contextlib.nullcontext()


def rely_on(store: Store, name: str) -> None:
    """Say, on finding an object, that something will name it: takes back what collection noted of it."""
    if not isinstance(store, Guarded):
        store.delete(condemned_name(name))


def condemned_name(name: str) -> str:
    """Where collection notes that it is going to delete an object, in a store that can't lock."""
    return f"condemned/{name}"


def check_reached(store: Store, what: str) -> None:
    """Refuse what would work on this machine's copies, and not on the store.

    Args:
        what: What can't be done, as the beginning of a sentence.

    Raises:
        StoreAway: The store does not answer, or takes no writes.
    """
    if store.keeps_back:
        raise StoreAway(
            f"{what}: the store {store.name} does not answer, or takes no writes. Repeat it when it does; "
            "what was done so far stays."
        )
