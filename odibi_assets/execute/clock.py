"""A clock that calls beside the work."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Clock:
    """Calls ``work`` every so many seconds, on a thread of its own, until it is stopped.

    Args:
        first_s: Seconds before the first call.
        every_s: Seconds between calls.
    """

    def __init__(self, first_s: float, every_s: float, work: Callable[[], object]) -> None:
        self._first_s, self._every_s, self._work = first_s, every_s, work
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="odibi-assets-clock", daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        wait_s = self._first_s
        while not self._stopped.wait(wait_s):
            self._work()
            wait_s = self._every_s

    def stop(self) -> None:
        """Return when no call is under way and none follows."""
        self._stopped.set()
        self._thread.join()
