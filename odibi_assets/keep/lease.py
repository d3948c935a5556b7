"""A lease says who computes a key, so that others wait for the result; a holder that is gone loses it.

A lease spares work and nothing rests on it: two holders of one key compute it twice, and the results'
generations see to the rest. So it is not fsynced, and a store that fails is gone without.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.process import host_of, may_be_alive, this_process
from odibi_assets.keep.store import Store

RENEWED_EVERY_S = 15.0
LOST_AFTER_S = 90.0
"""A lease on another host that was not renewed for so long, as the one who waits sees it, is lost."""


@dataclass
class Leases:
    """The leases that one process takes for one run. Safe for threads.

    Attributes:
        run_id: Told to who waits.
        clock: Seconds; no clock is compared with that of another host.
    """

    store: Store
    run_id: str
    clock: Callable[[], float] = time.monotonic
    _held: dict[Digest, bytes] = field(default_factory=dict)
    _seen: dict[Digest, tuple[bytes, float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, key: Digest) -> bool:
        """Take the lease of a key, unless somebody holds it.

        Raises:
            StoreError: The store could not be asked.
        """
        with self._lock:
            if key in self._held:
                return True
            own = self._content()
            if not self._is_taken(key, own):
                return False
            self._held[key] = own
            self._seen.pop(key, None)
            return True

    def _is_taken(self, key: Digest, own: bytes) -> bool:
        name = _name(key)
        there = self.store.get(name)
        if there is None:
            return self.store.create(name, own)
        return self._is_lost(key, there) and self.store.swap(name, there, own)

    def _is_lost(self, key: Digest, there: bytes) -> bool:
        holder = _holder(there)
        if holder is None:
            return True
        if host_of(holder) == socket.gethostname():
            return not may_be_alive(holder)
        since = self._seen.get(key)
        if since is None or since[0] != there:
            since = self._seen[key] = (there, self.clock())
        return self.clock() - since[1] >= LOST_AFTER_S

    def release(self, key: Digest) -> None:
        """Give a lease back; nothing happens where it is not held.

        Raises:
            StoreError: The store could not be asked; the lease is lost with this process.
        """
        with self._lock:
            own = self._held.pop(key, None)
            if own is not None and self.store.get(_name(key)) == own:
                self.store.delete(_name(key))

    def renew(self) -> None:
        """Show those who wait on other hosts that this process is there.

        Raises:
            StoreError: The store could not be asked.
        """
        with self._lock:
            for key, own in list(self._held.items()):
                renewed = self._content()
                if self.store.swap(_name(key), own, renewed):
                    self._held[key] = renewed

    def _content(self) -> bytes:
        return canonical_json.dump({"process": this_process(), "run_id": self.run_id, "renewal": uuid.uuid4().hex})


def stale_leases(store: Store) -> Iterator[str]:
    """The names of leases whose process is known to be gone."""
    for name in store.list("leases"):
        holder = _holder(store.get(name) or b"")
        if holder is None or (host_of(holder) == socket.gethostname() and not may_be_alive(holder)):
            yield name


def _holder(data: bytes) -> str | None:
    try:
        return str(canonical_json.load(data, "a lease")["process"])
    except canonical_json.UNREADABLE:
        return None


def _name(key: Digest) -> str:
    return f"leases/{key.hex}"
