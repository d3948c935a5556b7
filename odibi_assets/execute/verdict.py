"""The verdict on a failed attempt: whether another one may come out differently, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from odibi_assets.declare.policies import Retry
from odibi_assets.errors import RunTimeout, StepTimeout
from odibi_assets.execute.exception_chain import chain
from odibi_assets.execute.transient import is_cancel, is_transient
from odibi_assets.identify.retry_on import RetryOn


@dataclass(frozen=True)
class Verdict:
    """Is another attempt worth it?

    Attributes:
        reason: Completes "it is tried again, since …" or "it is not tried again, since …".
    """

    is_transient: bool
    reason: str


def judged(error: BaseException, retry: Retry, on: Iterable[RetryOn], log: logging.Logger) -> Verdict:
    """Judge what an attempt raised.

    =====================================================  =============  ===================================
    error                                                  another try    reason
    =====================================================  =============  ===================================
    somebody stopped the work                              no             it was stopped
    the run is past its time                               no             the time of the run is up
    the attempt is past its own, ``on_timeout: false``     no             on_timeout is false
    ``retry.on`` names a class in its chain, or it passes  yes            retry.on names it
    one of the predicates
    it is of the moment (see ``transient``)                yes            it is transient
    any other                                              no             it is not known to be transient
    =====================================================  =============  ===================================

    Args:
        on: What the step's policy declares transient.
        log: Told of a predicate that raises, which counts as one that says no.
    """
    if is_cancel(error):
        return Verdict(False, "it was stopped")
    if isinstance(error, RunTimeout):
        return Verdict(False, "the time of the run is up")
    if isinstance(error, StepTimeout) and not retry.on_timeout:
        return Verdict(False, "on_timeout is false")
    for named in on:
        if _holds(named, error, log):
            return Verdict(True, f"retry.on names it ({named.name})")
    if is_transient(error):
        return Verdict(True, "it is transient")
    return Verdict(False, "it is not known to be transient")


def _holds(named: RetryOn, error: BaseException, log: logging.Logger) -> bool:
    if isinstance(named.target, type):
        return any(isinstance(link, named.target) for link in chain(error))
    try:
        return bool(named.target(error))
    except Exception as problem:  # a user's code may raise anything; the step's own error is the one to tell
        log.warning("The predicate %s of retry.on raised %s: %s", named.name, type(problem).__name__, problem)
        return False
