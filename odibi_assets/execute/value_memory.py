"""Values that a process hands from step to step without reading them back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.kept import Kept

DEFAULT_LIMIT_BYTES = 4 * 2**30


class ValueMemory:
    """The outputs of results by the result's version, up to a number of bytes; the one used longest ago goes first.

    Before one goes, ``before_eviction`` is called with its version, so that a commit under way is
    waited for.
    """

    def __init__(self, before_eviction: Callable[[Digest], None], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._before_eviction, self._limit = before_eviction, limit_bytes
        self._held: OrderedDict[tuple[Digest, str | None], Kept] = OrderedDict()
        self._lock = threading.RLock()

    def put(self, version: Digest, output: str | None, kept: Kept) -> None:
        """Hold an output of the result with a version; None stands for the only one."""
        with self._lock:
            self._held[version, output] = kept
            self._held.move_to_end((version, output))
        while (oldest := self._one_too_many()) is not None:
            # Not under the lock: the commit that is waited for may drop values itself.
            self._before_eviction(oldest[0])
            with self._lock:
                self._held.pop(oldest, None)

    def _one_too_many(self) -> tuple[Digest, str | None] | None:
        with self._lock:
            is_full = sum(held.size_bytes for held in self._held.values()) > self._limit
            return next(iter(self._held)) if is_full and len(self._held) > 1 else None

    def get(self, version: Digest, output: str | None) -> Kept | None:
        with self._lock:
            kept = self._held.get((version, output))
            if kept is not None:
                self._held.move_to_end((version, output))
            return kept

    def drop(self, version: Digest) -> None:
        """Forget a result that no step of this run takes any more."""
        with self._lock:
            for key in [key for key in self._held if key[0] == version]:
                del self._held[key]
