"""One attempt at a step in Dagster: what it raises is judged, recorded, and told to Dagster as a retry or a failure."""

from __future__ import annotations

import os
import sys
import time

import dagster as dg

from odibi_assets.declare.policies import Retry
from odibi_assets.errors import OdibiAssetsError, RunTimeout, StepError, StepStopped
from odibi_assets.execute.recording import error_text
from odibi_assets.execute.redaction import redacted
from odibi_assets.execute.retry_after import retry_after_s
from odibi_assets.execute.session import Session
from odibi_assets.execute.settled import Settled
from odibi_assets.execute.verdict import judged

_BACKOFFS = {"constant": None, "linear": dg.Backoff.LINEAR, "exponential": dg.Backoff.EXPONENTIAL}
_JITTERS = {"none": None, "full": dg.Jitter.FULL, "plus_minus": dg.Jitter.PLUS_MINUS}


class StepRetryPolicy(dg.RetryPolicy):
    """A step's retries as Dagster knows them: the policy of its op.

    Dagster by itself would apply it to whatever passes an op, also to a cancel and to what the IO manager raises,
    for which computing again is no cure. So the policy holds where the process of a step ended without a word; for
    an exception it counts as absent, and the body of the op asks for each retry that is due.
    """

    max_delay: float | None

    def __new__(cls, retry: Retry) -> StepRetryPolicy:
        policy: StepRetryPolicy = super().__new__(
            cls, retry.max_retries, retry.delay, _BACKOFFS[retry.backoff], _JITTERS[retry.jitter]
        )
        policy.max_delay = retry.max_delay
        return policy

    def __bool__(self) -> bool:
        error = sys.exception()
        return error is None or type(error).__name__ == "ChildProcessCrashException"

    def calculate_delay(self, attempt_num: int) -> float:
        """Seconds to wait after the given attempt (the first is 1) failed."""
        return self.capped(float(super().calculate_delay(attempt_num)))

    def capped(self, wait_s: float) -> float:
        return wait_s if self.max_delay is None else min(wait_s, self.max_delay)


def retry_text(retry: Retry) -> str:
    """A policy in words, for the UI.

    >>> retry_text(Retry(max_retries=3, delay=5, backoff="exponential", max_delay=60))
    'at most 3 times, after 5 s (exponential, at most 60 s)'
    """
    waits = [retry.backoff, *([f"jitter {retry.jitter}"] if retry.jitter != "none" else [])]
    waits += [f"at most {retry.max_delay:g} s"] if retry.max_delay is not None else []
    times = "once" if retry.max_retries == 1 else f"{retry.max_retries} times"
    return f"at most {times}, after {retry.delay:g} s ({', '.join(waits)})"


def attempted(context: dg.AssetExecutionContext, session: Session, name: str, retry: Retry) -> Settled:
    """Settle a step.

    Raises:
        RetryRequested: The attempt failed, and another is due.
        Failure: It was the last.
    """
    attempt = context.retry_number + 1
    started = time.perf_counter()
    on = session.identified.retry_on[name]

    # A run without an origin was started by somebody's own Python, whose process is not ours to end.
    def give_up(error: StepError) -> None:
        # Only the process of a whole run takes further attempts with it.
        is_transient = judged(error, retry, on, context.log).is_transient
        will_retry = is_transient and not session.recording.alone and attempt <= retry.max_retries
        seconds = time.perf_counter() - started
        _end_process(context, session, name, error, attempt=attempt, seconds=seconds, will_retry=will_retry)

    try:
        return session.settle(name, attempt=attempt, give_up=give_up if context.run.remote_job_origin else None)
    except StepStopped as error:
        session.recording.hold_back(name, "it was stopped, since another step failed")
        raise dg.Failure(str(error), allow_retries=False) from None
    except (Exception, SystemExit) as error:  # a step's code may raise anything; an interrupt passes
        verdict = judged(error, retry, on, context.log)
        will_retry = verdict.is_transient and attempt <= retry.max_retries
        wait_s = _wait_s(session, retry, attempt, error) if will_retry else None
        seconds = time.perf_counter() - started
        if not will_retry and session.is_optional(name) and not isinstance(error, RunTimeout):
            return session.without(name, error, attempt=attempt, seconds=seconds)
        session.fail(name, error, attempt=attempt, seconds=seconds, will_retry=will_retry, wait_s=wait_s)
        told = error_text(error)
        message = redacted(told, session.recording.secrets)
        shown = error if message == told else None
        if wait_s is not None:
            context.log.warning(
                f"{name}: attempt {attempt} of {retry.max_retries + 1} failed with {message.rstrip('.')}. "
                f"It is tried again in {wait_s:.3g} s, since {verdict.reason}."
            )
            raise dg.RetryRequested(max_retries=retry.max_retries, seconds_to_wait=wait_s) from shown
        if not verdict.is_transient:
            # The daemon's run retries would meet the same error again.
            context.instance.add_run_tags(context.run_id, {"dagster/retry_on_asset_or_op_failure": "false"})
        kind = "transient, and no retry is left" if verdict.is_transient else f"not retried: {verdict.reason}"
        place = None if isinstance(error, OdibiAssetsError) else shown
        raise dg.Failure(f"Step {name!r} failed ({kind}): {message}", allow_retries=False) from place


def _wait_s(session: Session, retry: Retry, attempt: int, error: BaseException) -> float:
    """Seconds until the next attempt: what a server asked for, else what the policy says; never more than max_delay."""
    policy = StepRetryPolicy(retry)
    asked = retry_after_s(error, session.world.now())
    return policy.calculate_delay(attempt) if asked is None else policy.capped(asked)


def _end_process(
    context: dg.AssetExecutionContext,
    session: Session,
    name: str,
    error: StepError,
    *,
    attempt: int,
    seconds: float,
    will_retry: bool,
) -> None:
    """End this process, since a step in it hangs where nothing interrupts it; first record what there is to say."""
    message = f"{error} It could not be interrupted, so the process that ran it was ended."
    try:
        context.log.error(message)
        session.abandon(name, type(error)(message), attempt=attempt, seconds=seconds, will_retry=will_retry)
        if session.recording.alone:
            context.instance.report_run_failed(context.run, message)
        print(f"Error: {message}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)
