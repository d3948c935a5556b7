"""One process computes a key; the others wait and take its result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.reason import Reason
from odibi_assets.errors import StoreError
from odibi_assets.execute import observer
from odibi_assets.execute.clock import Clock
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.lease import RENEWED_EVERY_S, Leases

_POLL_S = (0.05, 1.0)
_NOT_SHARED = frozenset({"forced", "obstacle", "files"})


@dataclass
class SingleFlight:
    """What one session does so that no key is computed twice at once.

    A step that was asked for by force, or that no result can stand for, is nobody else's to compute.
    """

    leases: Leases
    log: Callable[[], logging.Logger]
    _clock: Clock | None = field(default=None, init=False)

    def joined(self, decision: Decision, decide: Callable[[], Decision], check: Callable[[], None]) -> Decision:
        """The decision once this process may compute: a hit, where another process did meanwhile.

        Args:
            decide: Decides again.
            check: Raises when there is no time left to wait.
        """
        if not _is_shared(decision):
            return decision
        assert decision.key is not None
        key, wait_s = decision.key.digest(), _POLL_S[0]
        while not self._taken(key):
            if wait_s == _POLL_S[0]:
                observer.tell(decision.step.name, "waiting for another run")
                self.log().info("Another run computes %r with the same key: waiting for it.", decision.step.name)
            check()
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _POLL_S[1])
            decision = decide()
            if not _is_shared(decision):
                return _told(decision)
        again = decide()
        if not _is_shared(again):
            self.release(key)
            return _told(again)
        return again

    def _taken(self, key: Digest) -> bool:
        try:
            taken = self.leases.take(key)
        except StoreError as error:
            self.log().warning("No lease can be taken, so another run may compute the same: %s", error)
            return True
        if taken and self._clock is None:
            self._clock = Clock(RENEWED_EVERY_S, RENEWED_EVERY_S, self._renew)
        return taken

    def _renew(self) -> None:
        try:
            self.leases.renew()
        except StoreError as error:
            self.log().warning("A lease can't be renewed, so another run may compute the same: %s", error)

    def release(self, key: Digest) -> None:
        """Let others compute a key, or find its result."""
        try:
            self.leases.release(key)
        except StoreError as error:
            self.log().warning("A lease can't be given back; it is lost when this process ends: %s", error)

    def close(self) -> None:
        """Stop renewing."""
        if self._clock is not None:
            self._clock.stop()


def _is_shared(decision: Decision) -> bool:
    return decision.action == "miss" and not any(reason.kind in _NOT_SHARED for reason in decision.reasons)


def _told(decision: Decision) -> Decision:
    if decision.action != "hit" or decision.result is None:
        return decision
    told = f"run {decision.result.run_id[:8]} computed it meanwhile"
    return replace(decision, reasons=(Reason("shared", told),))
