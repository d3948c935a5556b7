"""Frames that a process hands from step to step without reading them back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import pyarrow as pa

from odibi_assets.identify.digest import Digest

DEFAULT_LIMIT_BYTES = 4 * 2**30


class FrameMemory:
    """Settled tables by version, up to a number of bytes; the one used longest ago goes first.

    Before a table goes, ``before_eviction`` is called with its version, so that a commit under way
    is waited for.
    """

    def __init__(self, before_eviction: Callable[[Digest], None], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._before_eviction, self._limit = before_eviction, limit_bytes
        self._tables: OrderedDict[Digest, pa.Table] = OrderedDict()
        self._lock = threading.RLock()

    def put(self, version: Digest, table: pa.Table) -> None:
        with self._lock:
            self._tables[version] = table
            self._tables.move_to_end(version)
            while len(self._tables) > 1 and sum(held.nbytes for held in self._tables.values()) > self._limit:
                oldest = next(iter(self._tables))
                self._before_eviction(oldest)
                del self._tables[oldest]

    def get(self, version: Digest) -> pa.Table | None:
        with self._lock:
            table = self._tables.get(version)
            if table is not None:
                self._tables.move_to_end(version)
            return table

    def drop(self, version: Digest) -> None:
        """Forget a table that no step of this run takes any more."""
        with self._lock:
            self._tables.pop(version, None)
