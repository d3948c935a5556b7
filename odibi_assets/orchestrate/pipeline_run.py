"""Running a pipeline from the command line or from Python: plan, run what is needed, report."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from odibi_assets.decide.plan import Plan, World, open_world, snapshots_of
from odibi_assets.decide.selection import select
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.policies import Resume
from odibi_assets.declare.project import Project
from odibi_assets.errors import ResultGone, StoreError, UsageError
from odibi_assets.execute.alerts import Alerts
from odibi_assets.execute.progress import Progress
from odibi_assets.execute.recording import error_text
from odibi_assets.execute.report import Report, reuse_report, run_report
from odibi_assets.execute.reuse import reuse
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.identify.url_digest import leave, take_left
from odibi_assets.keep.process import this_process, this_user
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Run, RunEnd, Runs, RunStart
from odibi_assets.keep.saved_state import SavedStates
from odibi_assets.orchestrate.alerting import alerts_of
from odibi_assets.orchestrate.due_rollbacks import Rollbacks, rollbacks_of

if TYPE_CHECKING:
    from dagster import DagsterInstance

_log = logging.getLogger("odibi_assets")


@dataclass
class PipelineRun:
    """One pipeline, opened to be planned and run.

    Attributes:
        selected: Expressions that select the steps that may run; all unless given.
        skip: Expressions that select the steps to pass over.
        workers: Steps that run at once; more than one needs ``reference``, by which other processes load the pipeline.
        forced: Steps that run in any case.
    """

    project: Project
    source: PipelineSource
    identified: Identified
    overrides: Overrides = field(default_factory=Overrides)
    selected: tuple[str, ...] | None = None
    forced: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    record: bool = False
    workers: int = 1
    reference: str = ""

    def __post_init__(self) -> None:
        self.identity = self.identified.identity
        self.world: World = open_world(self.project, self.identity.name, self.identity.store, asks_urls=True)
        take_left(self.world.urls, self.identity.name)
        self.runs = Runs(self.world.results.store)
        self.selected = select(self.identity, self.selected) if self.selected is not None else None
        self.skip = select(self.identity, self.skip)
        if "*" in self.forced:
            self.forced = self.selected or tuple(self.identity.by_name)
        for name in self.forced:
            self.check_step(name)

    def check_step(self, name: str) -> None:
        """
        Raises:
            UsageError: The pipeline has no such step.
        """
        names = [step.name for step in self.identity.steps]
        if name not in names:
            raise UsageError(f"Pipeline {self.identity.name!r} has no step {name!r}: {expected_one_of(name, names)}")

    def plan(self, parent: Run | None = None) -> Plan:
        """What must run; after a failed run only what that one did not finish."""
        finished = self.runs.finished_by(parent.start.root_run_id, parent.start.run_id) if parent is not None else {}
        plan = self.world.plan(
            self.identity, selected=self.selected, skip=self.skip, forced=self.forced, finished=finished
        )
        self.world.files.save()
        return plan

    def run(self, progress: Progress | None = None, *, parent: Run | None = None) -> tuple[Report, Plan]:
        """Run what is needed."""
        started = time.perf_counter()
        plan = self.plan(parent)
        if not plan.to_run and (not plan.hits or (not self.record and parent is None)):
            try:
                snapshot = reuse(plan, self.identity, self.world, self.project)
            except ResultGone:
                return self.run(progress)
            seconds = time.perf_counter() - started
            return reuse_report(
                plan, self.identity, self.project.environment, seconds=seconds, snapshot=str(snapshot.id)
            ), plan
        steps = plan.to_run or tuple(plan.hits)
        progress = progress or Progress()
        before = {name: self.world.previous(name) for name in steps}
        earlier_s = {name: result.seconds for name, result in before.items() if result is not None}
        progress.planned(plan, steps, earlier_s=earlier_s, workers=self.workers)
        run_id = str(uuid.uuid4())
        self._begin(run_id, plan, steps, parent)
        if self.workers == 1:
            leave(self.world.urls, run_id)
        root = parent.start.root_run_id if parent is not None else run_id
        try:
            self._launch(run_id, plan, steps, parent, progress)
        except BaseException as error:
            self._settled(self._ended(root, run_id, time.perf_counter() - started))
            if isinstance(error, Exception):  # Of an interruption nobody need be told.
                self._alerts().failed(root, run_id, error=error_text(error))
            raise
        finished = self._settled(self._ended(root, run_id, time.perf_counter() - started))
        alerts = self._alerts()
        (alerts.succeeded if finished.status == "success" else alerts.failed)(root, run_id)
        return run_report(finished, plan, self.identity, seconds=time.perf_counter() - started), plan

    def _alerts(self) -> Alerts:
        return alerts_of(self.source, self.identified, self.runs, self.world.env, reference=self.reference)

    @property
    def rollbacks(self) -> Rollbacks:
        """The rollbacks of its runs."""
        return rollbacks_of(self.source, self.identified, world=self.world)

    def report_moves(self) -> None:
        """Tell Dagster of what is current since the head moved without a run."""
        from odibi_assets.orchestrate.launch import open_instance
        from odibi_assets.orchestrate.sync import report_moves

        with open_instance(self.project) as instance:
            report_moves(self.identified.pipeline, self.project.environment, self.world, instance)

    def _settled(self, run: Run) -> Run:
        """The run, rolled back if it failed and is to be; its own process may have done it."""
        try:
            rolled_back = self.rollbacks.undoing(run).settle(run)
        except StoreError as error:
            _log.warning("Run %s is to be rolled back by the next oda command: %s", run.start.run_id, error)
            return run
        if rolled_back is None:
            return run
        self.report_moves()
        return replace(run, rolled_back=rolled_back)

    def _ended(self, root: str, run_id: str, seconds: float) -> Run:
        """What is recorded of a run; its end too, where no process that worked on it could know that."""
        # Opened again: if the bucket went away meanwhile, the records lie on this machine.
        runs = Runs(open_results(self.project.store_root(self.identity.store)).store)
        run = runs.get(root, run_id)
        assert run is not None
        if run.end is None:
            current = snapshots_of(self.world, self.project, self.identity.name).current()
            status = "success" if run.status == "success" else "failed"
            end = RunEnd(status, round(seconds, 3), str(current.id) if current is not None else None)
            runs.finish(root, run_id, end)
            if status == "success":
                SavedStates(runs.store).discard_obsolete(self.identity.name, root)
            run = replace(run, end=end)
        return run

    def _begin(self, run_id: str, plan: Plan, steps: Iterable[str], parent: Run | None) -> None:
        executed = set(steps)
        absent = plan.absences
        skipped = {name: decision.reason for name, decision in plan.decisions.items() if decision.action == "skipped"}
        skipped = {name: reason for name, reason in skipped.items() if name not in absent}
        self.runs.begin(
            RunStart(
                run_id=run_id,
                root_run_id=parent.start.root_run_id if parent is not None else run_id,
                parent_run_id=parent.start.run_id if parent is not None else None,
                pipeline=self.identity.name,
                environment=self.project.environment,
                store_id=self.world.results.store_id,
                started_at=self.world.now().isoformat(timespec="milliseconds"),
                steps={
                    name: decision.step.layer
                    for name, decision in plan.decisions.items()
                    if name not in skipped and name not in absent
                },
                hits={name: reference for name, reference in plan.hits.items() if name not in executed},
                absent=absent,
                skipped=skipped,
                skip=self.skip,
                overrides=self.overrides.to_json(),
                process=this_process(),
                user=this_user(),
            )
        )

    def _launch(self, run_id: str, plan: Plan, steps: tuple[str, ...], parent: Run | None, progress: Progress) -> None:
        from odibi_assets.orchestrate import launch as dagster_launch
        from odibi_assets.orchestrate.absence import report_absences
        from odibi_assets.orchestrate.assets import pipeline_definitions
        from odibi_assets.orchestrate.lost_runs import report_lost_runs
        from odibi_assets.orchestrate.names import FORCE_TAG, OVERRIDES_TAG, asset_keys
        from odibi_assets.orchestrate.sync import report_moves

        tags = {}
        if self.overrides:
            tags[OVERRIDES_TAG] = json.dumps(self.overrides.to_json())
        forced = sorted(set(self.forced) & set(steps))
        if forced:
            tags[FORCE_TAG] = json.dumps(forced)
        declared = self.identified.pipeline.by_name
        launch = dagster_launch.Launch(
            run_id,
            self.identity.name,
            tuple(key for name in steps for key in asset_keys(self.identity.name, declared[name]).values()),
            self.workers,
            tags,
            parent.start.run_id if parent is not None else None,
            parent.start.root_run_id if parent is not None else None,
        )
        with dagster_launch.open_instance(self.project) as instance:
            report_moves(self.identified.pipeline, self.project.environment, self.world, instance)
            report_lost_runs(self.runs, self.identity.name, instance)
            self._report_reused(plan, steps, instance)
            report_absences(self.identified.pipeline, plan.absences, instance)
            if self.workers == 1:
                definitions = pipeline_definitions(self.source, self.identified)
                job = dagster_launch.job_here(definitions, self.identity.name)
            else:
                job = dagster_launch.job_for_workers(self.project, self.identity.name, self.reference, self.overrides)
            for event in dagster_launch.execute(launch, job, instance, self.project):
                _tell(event, progress)

    def _report_reused(self, plan: Plan, steps: tuple[str, ...], instance: DagsterInstance) -> None:
        """Tell Dagster of results that this run makes current again without executing their steps."""
        from odibi_assets.orchestrate.sync import sync

        current = self.world.current.steps if self.world.current is not None else {}
        awaited = self.identified.pipeline.awaited  # Dagster may have been told last that such a step is absent.
        beside = {name: found for name, found in plan.hits.items() if name not in steps}
        moved = [name for name, found in beside.items() if current.get(name) != found or name in awaited]
        if moved:
            reused = {**current, **plan.hits}
            reason = "became current again, beside a run"
            sync(self.identified.pipeline, reused, self.world.results, instance, reason=reason, only=moved)

    # Resuming.

    def parent(self, run_id: str | None = None) -> Run:
        """The run that a resume re-executes: the one named, or the pipeline's last.

        Raises:
            UsageError: There is no such run, or it can't be resumed.
        """
        own = self.runs.of_pipeline(self.identity.name, self.project.environment)
        if run_id is not None:
            found = self.runs.find(run_id)
            if found is None:
                raise UsageError(f"There is no run {run_id!r} in this store: see oda history {self.identity.name}.")
            if found.start.pipeline != self.identity.name:
                raise UsageError(
                    f"Run {run_id} is one of pipeline {found.start.pipeline!r}, not of {self.identity.name!r}."
                )
        elif not own:
            raise UsageError(
                f"Nothing to resume: pipeline {self.identity.name!r} has no runs "
                f"in environment {self.project.environment!r}."
            )
        else:
            found = own[0]
        why_not = why_not_resumable(found, own, self.identified.pipeline.resume)
        if why_not:
            raise UsageError(f"Nothing to resume: run {found.start.run_id} {why_not}.")
        return found


def to_resume(
    open: Callable[[Overrides], PipelineRun],
    run_id: str | None = None,
    *,
    skip: Iterable[str] = (),
    retry_failed: bool = True,
    preserve_completed: bool = True,
) -> tuple[PipelineRun, Run]:
    """A pipeline opened as the run that is resumed had it, and that run.

    Args:
        open: Opens the pipeline with what a run changed of it.
        run_id: The run; the pipeline's last unless given.
        skip: Expressions that select steps to pass over, beside those that the run passed over.
        retry_failed: Try steps again that failed in the run; otherwise they are passed over.
        preserve_completed: Take what the run finished; otherwise everything runs again.

    Raises:
        UsageError: There is nothing to resume.
    """
    opened = open(Overrides())
    parent = opened.parent(run_id)
    overrides = Overrides.from_json(parent.start.overrides)
    if overrides:
        opened = open(overrides)
    planned = {*parent.start.steps, *parent.start.absent, *parent.start.skipped}
    opened.selected = tuple(name for name in opened.identity.by_name if name in planned) or None
    opened.skip = tuple(name for name in parent.start.skip if name in opened.identity.by_name)
    opened.skip += select(opened.identity, skip)
    if not retry_failed:
        failed = [name for name, outcome in parent.outcomes.items() if outcome == "failed"]
        opened.skip += tuple(name for name in failed if name in opened.identity.by_name)
    if not preserve_completed:
        opened.forced = tuple(name for name in opened.selected or opened.identity.by_name if name not in opened.skip)
    return opened, parent


def why_not_resumable(run: Run, runs: Collection[Run], policy: Resume) -> str | None:
    """What speaks against resuming a run; None if nothing does.

    Args:
        runs: All of the pipeline.
    """
    if run.status == "success":
        return "succeeded"
    if run.is_running:
        return "is still running"
    for other in runs:
        if other.start.parent_run_id == run.start.run_id:
            return f"was resumed as {other.start.run_id}"
    attempts = sum(other.start.root_run_id == run.start.root_run_id for other in runs)
    return policy.why_spent(attempts)


_TOLD = {"STEP_START": "running", "STEP_FAILURE": "failed", "STEP_SKIPPED": "skipped"}


def _tell(event: object, progress: Progress) -> None:
    kind = getattr(event, "event_type_value", "")
    step_key = getattr(event, "step_key", None)
    if step_key is None:
        return
    name = step_key.partition("__")[2]
    if kind == "STEP_UP_FOR_RETRY":
        progress.step(name, "retrying", why=_why_retried(event))
    elif kind in _TOLD:
        progress.step(name, _TOLD[kind])
    elif kind in ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION"):
        data: Any = event.event_specific_data  # type: ignore[attr-defined]
        metadata = (data.materialization if kind == "ASSET_MATERIALIZATION" else data.asset_observation).metadata
        if "outcome" not in metadata:
            return
        rows = metadata.get("dagster/row_count")
        progress.step(name, str(metadata["outcome"].value), rows=rows.value if rows is not None else None)


def _why_retried(event: object) -> str:
    """The wait and the error of an attempt, in one line."""
    data = event.event_specific_data  # type: ignore[attr-defined]
    wait = f"in {data.seconds_to_wait or 0:.3g} s"
    cause = data.error.cause if data.error is not None else None
    return f"{wait}: {' '.join(cause.message.split())}" if cause is not None else wait
