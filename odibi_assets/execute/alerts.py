"""Alerts: who is told what of a run, each event once.

The run itself tells where ``oda run`` or Python began it, else the daemon's sensors do. All ask the run's
record first, in which an event can be claimed once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from odibi_assets.declare.hook import Hook, in_order
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.errors import StoreError
from odibi_assets.execute.absence import skipped_by
from odibi_assets.execute.channel import LIMIT_S, Channel
from odibi_assets.execute.event import Event, Recovered, RunFailed, StepAbsent, StepFailed
from odibi_assets.execute.redaction import redacted, secret_values
from odibi_assets.keep.result import Absent
from odibi_assets.keep.run_record import Run, Runs, StepRecord

UI_VARIABLE = "ODA_UI"
"""The variable that says where the Dagster UI is; ``oda dev`` sets it."""

_NO_ERROR = "No step recorded an error: the log of the run has more."


def is_told(pipeline: Pipeline, hooks: Sequence[Hook], *kinds: str) -> bool:
    """Does anybody listen to one of these events?"""
    listened = {kind for alert in pipeline.alerts for kind in alert.on} | {hook.event for hook in hooks}
    return not listened.isdisjoint(kinds)


@dataclass
class Alerts:
    """Tells of the runs of one pipeline.

    Attributes:
        resume: Run id → the command that resumes it.
    """

    pipeline: Pipeline
    hooks: Sequence[Hook]
    runs: Runs
    env: Mapping[str, str]
    environment: str
    resume: Callable[[str], str]
    log: logging.Logger | logging.LoggerAdapter[logging.Logger] = field(
        default_factory=lambda: logging.getLogger("odibi_assets")
    )

    def __post_init__(self) -> None:
        self.secrets = secret_values(self.pipeline, self.env)

    def failed(self, root_run_id: str, run_id: str, *, error: str | None = None) -> None:
        """Tell of a run that failed and is not tried again, and of the steps that failed in it.

        Args:
            error: What ended the run, for a run that no step's error ended.
        """
        if not is_told(self.pipeline, self.hooks, "step_failed", "step_absent", "run_failed"):
            return
        run = self.runs.get(root_run_id, run_id)
        self._tell_absences(run)
        failed = self._failed_steps(run) if run is not None else []
        for record in failed:
            self._tell(self._step_failed(run_id, record), root_run_id, run_id, f"step_failed/{record.step}")
        first = failed[0] if failed else None
        told = redacted(error or _NO_ERROR, self.secrets)
        event = RunFailed(
            *self._place(run_id),
            first.step if first is not None else None,
            self._layer(first) if first is not None else None,
            (first.error if first is not None else None) or told,
            (first.cause or first.error if first is not None else None) or told,
            first.attempts if first is not None else 0,
            tuple(record.step for record in failed),
            self.resume(run_id) if run is not None else f"oda run {self.pipeline.name}",
        )
        self._tell(event, root_run_id, run_id, "run_failed")

    def succeeded(self, root_run_id: str, run_id: str, *, retried: Iterable[str] = ()) -> None:
        """Tell of a run that succeeded: of what was absent in it, and if it is the first after one that failed.

        Args:
            retried: Failed runs of which nobody was told, since Dagster tried them again by itself.
        """
        if not is_told(self.pipeline, self.hooks, "step_absent", "recovered"):
            return
        run = self.runs.get(root_run_id, run_id)
        self._tell_absences(run)
        failed = self._recovered_from(run, frozenset(retried)) if run is not None else None
        if failed is None:
            return
        steps = tuple(record.step for record in self._failed_steps(failed))
        event = Recovered(*self._place(run_id), failed.start.run_id, failed.start.started_at, steps)
        self._tell(event, failed.start.root_run_id, failed.start.run_id, "recovered")

    def _tell_absences(self, run: Run | None) -> None:
        records = [run.records.get(step.name) for step in self.pipeline.ordered] if run is not None else []
        for record in records:
            if run is None or record is None or record.outcome != "absent" or record.error is None:
                continue  # Where a condition was false, nothing went wrong.
            absent = {record.step: Absent(record.outcome, record.reason)}
            event = StepAbsent(
                *self._place(run.start.run_id),
                record.step,
                self._layer(record),
                record.error,
                record.cause or record.error,
                record.attempts,
                tuple(skipped_by(self.pipeline.ordered, absent)),
            )
            self._tell(event, run.start.root_run_id, run.start.run_id, f"step_absent/{record.step}")

    def _recovered_from(self, run: Run, retried: frozenset[str]) -> Run | None:
        """The failed run before this one, if this one is the first to bring what failed in it."""
        between: list[Run] = []
        for other in self.runs.of_pipeline(self.pipeline.name, self.environment):
            is_later = other.start.started_at >= run.start.started_at
            if is_later or other.start.run_id in retried or other.is_running:
                continue
            if other.status == "success":
                between.append(other)
            elif other.status != "canceled":
                broken = {record.step for record in self._failed_steps(other)}
                is_mended = broken <= run.finished.keys()
                return other if is_mended and not any(broken <= some.finished.keys() for some in between) else None
        return None

    def _failed_steps(self, run: Run) -> list[StepRecord]:
        """In the order of the pipeline, the first first; steps that are gone are left out."""
        records = [run.records.get(step.name) for step in self.pipeline.ordered]
        return [record for record in records if record is not None and record.outcome == "failed"]

    def _step_failed(self, run_id: str, record: StepRecord) -> StepFailed:
        error = record.error or _NO_ERROR
        return StepFailed(
            *self._place(run_id),
            record.step,
            self._layer(record),
            error,
            record.cause or error,
            record.attempts,
            self.resume(run_id),
        )

    def _layer(self, record: StepRecord) -> str:
        return self.pipeline.by_name[record.step].layer

    def _place(self, run_id: str) -> tuple[str, str, str, str | None]:
        base = self.env.get(UI_VARIABLE)
        link = f"{base.rstrip('/')}/runs/{run_id}" if base else None
        return self.pipeline.name, self.environment, run_id, link

    def _tell(self, event: Event, root_run_id: str, run_id: str, claim: str) -> None:
        channels = [
            Channel(position, alert.url.get_secret_value())
            for position, alert in enumerate(self.pipeline.alerts, 1)
            if event.kind in alert.on
        ]
        hooks = in_order(self.hooks, event.kind)
        if not (channels or hooks) or not self._claimed(root_run_id, run_id, claim):
            return
        with ThreadPoolExecutor(max(len(channels), 1)) as pool:
            sending = {channel: pool.submit(channel.send, event, self.env) for channel in channels}
            for hook in hooks:
                self._call(hook, event)
            for channel, sent in sending.items():
                why = sent.result()
                if why is not None:
                    self.log.warning(
                        "%s of run %s could not be told to channel %d of the pipeline's alerts: %s",
                        event.kind, run_id, channel.position, redacted(why, self.secrets),
                    )  # fmt: skip

    def _claimed(self, root_run_id: str, run_id: str, claim: str) -> bool:
        try:
            return self.runs.claim(root_run_id, run_id, claim)
        except StoreError as error:
            # Who else may have told can't be known: better twice than never.
            self.log.warning("The store could not be asked whether run %s was told of already: %s", run_id, error)
            return True

    def _call(self, hook: Hook, event: Event) -> None:
        """Call a hook; what it raises breaks nothing, and one that hangs is left behind."""
        raised: list[BaseException] = []

        def call() -> None:
            try:
                hook.function(event)
            except BaseException as error:  # a hook may raise anything, SystemExit too
                raised.append(error)

        thread = threading.Thread(target=call, name="odibi-assets-hook", daemon=True)
        thread.start()
        thread.join(LIMIT_S)
        name = getattr(hook.function, "__qualname__", repr(hook.function))
        if thread.is_alive():
            self.log.warning("The hook %s of %s took longer than %g seconds.", name, event.kind, LIMIT_S)
        for error in raised:
            why = redacted(f"{type(error).__name__}: {error}", self.secrets)
            self.log.warning("The hook %s of %s raised %s", name, event.kind, why)
