"""Pipelines declared in Python: the YAML's model, with a decorator."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from odibi_assets.decide.plan import snapshots_of
from odibi_assets.declare.definition import Definition
from odibi_assets.declare.hook import Hook
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.policies import AlertEvent, Retry
from odibi_assets.declare.project import Project
from odibi_assets.declare.reading import define
from odibi_assets.declare.yaml_source import YamlSource
from odibi_assets.errors import UsageError
from odibi_assets.execute.acceptance import AcceptReport, accept
from odibi_assets.execute.report import Report
from odibi_assets.execute.time_limit import process_spared
from odibi_assets.identify import source_loader
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.checkpoint import Checkpoint, checkpoints
from odibi_assets.keep.formats.known import FORMATS, read_output
from odibi_assets.keep.process import this_user
from odibi_assets.orchestrate.deployment import bind_store_client
from odibi_assets.orchestrate.due_rollbacks import finished_by
from odibi_assets.orchestrate.pipeline_run import PipelineRun, to_resume
from odibi_assets.orchestrate.rollback import RollbackReport, return_to, roll_back_run

if TYPE_CHECKING:
    import dagster as dg

_log = logging.getLogger("odibi_assets")

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class RunResult:
    """What a run in this process came to."""

    report: Report
    _opened: PipelineRun = field(repr=False)

    @property
    def success(self) -> bool:
        """Did every step come to a result?"""
        return self.report.status == "success"

    @property
    def run_id(self) -> str | None:
        """The Dagster run; None where there was nothing to do."""
        return self.report.run_id

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return self.report.seconds

    @property
    def outcomes(self) -> Mapping[str, str]:
        """Step → ``computed``, ``cached``, ``failed`` or ``skipped``."""
        return {step.name: step.outcome for step in self.report.steps}

    @property
    def failed(self) -> tuple[str, ...]:
        """The steps that failed."""
        return tuple(step.name for step in self.report.steps if step.outcome == "failed")

    def load(self, step: str) -> Any:
        """What a step of this run came to: a frame as ``pandas.DataFrame``, another value as it was returned.

        Args:
            step: A step, or ``step.output`` where it has several.

        Raises:
            KeyError: The run has no such result.
        """
        step, dot, output = step.partition(".")
        found = {found.name: found for found in self.report.steps}[step]
        if found.key is None or found.version is None:
            raise KeyError(f"Step {step!r} was {found.outcome} in this run: it has no result.")
        results = self._opened.world.results
        for result in results.candidates(Digest.parse(found.key)):
            if str(result.version) == found.version:
                kept = read_output(result.outputs[output] if dot else result.output, results)
                value = FORMATS[kept.format].hand_over(kept, self._opened.world.local / "values" / "loaded")
                return value.to_pandas() if kept.format == "parquet" else value
        raise KeyError(f"The result of step {step!r} is gone from the store.")


class Pipeline:
    """A pipeline declared in Python; the arguments are the fields of the YAML.

    Args:
        name: Names the asset group, the job and the line of snapshots.
        checkpoint: A mode, as ``layer``, or a mapping, as ``{"mode": "interval", "seconds": 30}``.
        retry: How transient failures are tried again.
        settings: Any other field of the YAML: ``layers``, ``params``, ``on_error``, ``store``, …

    Example::

        import odibi_assets as oda
        import pandas as pd

        flights = oda.Pipeline("flights", checkpoint="layer", retry=oda.Retry(max_retries=3))
        flights.read("raw", layer="bronze", format="csv", path="data/flights.csv")

        @flights.step(layer="silver", inputs={"flights": "raw"}, params={"minimum": 1000})
        def long_haul(flights: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
            return flights[flights["distance"] >= minimum]

        flights.sql("counted", "select count(*) as flights from long_haul", layer="gold", inputs=["long_haul"])

        result = flights.run()
        print(result.outcomes, result.load("counted"))
    """

    def __init__(
        self,
        name: str,
        *,
        checkpoint: str | Mapping[str, Any] | None = None,
        retry: Retry | None = None,
        **settings: Any,
    ) -> None:
        source_loader.install()  # Modules may be edited between here and the run.
        caller = inspect.stack()[1].filename
        self._file = Path(caller).absolute() if os.path.exists(caller) else Path.cwd() / "pipeline.py"
        self._data: dict[str, Any] = {
            "name": name,
            **settings,
        }
        if checkpoint is not None:
            self._data["checkpoint"] = {"mode": checkpoint} if isinstance(checkpoint, str) else dict(checkpoint)
        if retry is not None:
            self._data["retry"] = _as_data(retry)
        self._steps: list[dict[str, Any]] = []
        self.hooks: list[Hook] = []

    @property
    def name(self) -> str:
        """As declared."""
        return str(self._data["name"])

    def read(
        self,
        name: str,
        *,
        layer: str,
        format: str,
        path: str | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Declare a step that reads files, or what a URL answers: exactly one of ``path`` and ``url``."""
        read: dict[str, Any] = {"format": format, "options": dict(options or {})}
        given = {"path": path, "url": url, "headers": dict(headers) if headers else None}
        read |= {key: value for key, value in given.items() if value is not None}
        self._declare(name, layer, fields, read=read)

    def sql(
        self, name: str, statement: str, *, layer: str, inputs: Sequence[str] | Mapping[str, str], **fields: Any
    ) -> None:
        """Declare a step that runs one SELECT over its inputs."""
        self._declare(name, layer, {**fields, "inputs": inputs}, sql=statement)

    def command(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        layer: str,
        outputs: Mapping[str, Mapping[str, str]],
        **fields: Any,
    ) -> None:
        """Declare a step that runs a program; its outputs are the files and folders that it makes."""
        chosen = {**fields, "outputs": {output: dict(place) for output, place in outputs.items()}}
        self._declare(name, layer, chosen, command=list(arguments))

    def step(self, *, layer: str, name: str | None = None, **fields: Any) -> Callable[[Function], Function]:
        """Declare a function as a step: positional parameters are inputs, keyword-only ones params."""

        def declare(function: Function) -> Function:
            chosen = dict(fields)
            if "inputs" not in chosen:
                chosen["inputs"] = _positional(function)
            if function.__doc__ and "description" not in chosen:
                chosen["description"] = inspect.cleandoc(function.__doc__)
            self._declare(name or function.__name__, layer, chosen, python=function)
            return function

        return declare

    def on(self, event: AlertEvent, *, priority: int = 0) -> Callable[[Function], Function]:
        """Declare a function that is told of an event, as ``step_failed``.

        It takes one argument: a ``StepFailed``, ``StepAbsent``, ``RunFailed`` or ``Recovered``, as its event is. What
        it raises is logged as a warning.

        Args:
            priority: The highest is called first.

        Raises:
            UsageError: There is no such event.
        """
        if event not in get_args(AlertEvent):
            raise UsageError(f"There is no event {event!r}: {expected_one_of(event, get_args(AlertEvent))}")

        def declare(function: Function) -> Function:
            self.hooks.append(Hook(event, priority, function))
            return function

        return declare

    def definition(self, overrides: Overrides | None = None) -> Definition:
        """The declared model, with every mistake in it."""
        data = {**self._data, "steps": [dict(step) for step in self._steps]}
        return define(YamlSource(self._file.name, data, {}), self._file.parent, overrides)

    def definitions(self) -> dg.Definitions:
        """Assets, job and IO manager, for a Dagster code location.

        Raises:
            DefinitionError: With all mistakes.
        """
        from odibi_assets.orchestrate.assets import pipeline_definitions

        return pipeline_definitions(self._source())

    def run(
        self,
        *,
        select: Sequence[str] | None = None,
        skip: Sequence[str] = (),
        force: Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        step_params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> RunResult:
        """Run in this process what is needed.

        Args:
            select: Steps, patterns, ``layer:NAME``, ``+step`` or ``step+``, as after ``oda run --select``.
            skip: Steps to pass over; what needs one takes its current result.
            force: Steps that run in any case; ``*`` for all that is selected.

        Raises:
            DefinitionError: With all mistakes.
        """
        overrides = Overrides(dict(params or {}), {step: dict(values) for step, values in (step_params or {}).items()})
        opened = self._open(overrides, tuple(select) if select else None, tuple(force), tuple(skip))
        with process_spared():
            report, _ = opened.run()
        return RunResult(report, opened)

    def resume(
        self,
        run_id: str | None = None,
        *,
        skip: Iterable[str] = (),
        retry_failed: bool = True,
        preserve_completed: bool = True,
    ) -> RunResult:
        """Run what a failed run, the last unless named, did not finish.

        Args:
            skip: Steps to pass over; what needs one takes its current result.
            retry_failed: False: run only what was never started.
            preserve_completed: False: run everything again.

        Raises:
            UsageError: There is nothing to resume, or no attempt is left.
        """
        opened, parent = to_resume(
            self._open, run_id, skip=skip, retry_failed=retry_failed, preserve_completed=preserve_completed
        )
        with process_spared():
            report, _ = opened.run(parent=parent)
        return RunResult(report, opened)

    def roll_back(self, run_id: str, *, dry_run: bool = False) -> RollbackReport:
        """Undo a failed run: its steps' side effects, and what it published.

        Args:
            dry_run: Only find out what would be undone.

        Raises:
            UsageError: It can't be rolled back, or did nothing that could be.
        """
        opened = self._open(settles=False)
        run = opened.runs.find(run_id)
        was_due = run is not None and run.rolled_back is None
        finished_by(opened.rollbacks, _log.warning)
        with process_spared():
            return roll_back_run(opened, run_id, dry_run=dry_run, was_due=was_due)

    def return_to(
        self, snapshot: str, *, step: str | None = None, downstream: bool = False, dry_run: bool = False
    ) -> RollbackReport:
        """Make another snapshot current: of the pipeline, or of one step.

        Args:
            snapshot: Its id, or the beginning of it, or ``last-good``.
            downstream: The step, with all that was derived from it.
            dry_run: Only find out what would change.

        Raises:
            UsageError: There is no such snapshot or step, it is what is current, or it holds results that are gone
                or revoked.
        """
        return return_to(self._open(), snapshot, step=step, downstream=downstream, dry_run=dry_run)

    def accept(self, step: str, *, reason: str | None = None, dry_run: bool = False) -> AcceptReport:
        """Take a step's current result over for the key that it has now, since you know that an edit changed nothing.

        Args:
            reason: For the record, beside who you are and when.
            dry_run: Only find out what differs between the two keys.

        Raises:
            UsageError: It can't be accepted; the message says why.
        """
        opened = self._open()
        opened.check_step(step)
        plan, by = opened.plan(), this_user()
        return accept(plan, step, opened.identity, opened.world, opened.project, by=by, reason=reason, dry_run=dry_run)

    def can_resume(self) -> bool:
        """Did the last run leave something to do?"""
        try:
            self._open().parent()
        except UsageError:
            return False
        return True

    def history(self) -> list[str]:
        """Ids of the runs, newest first."""
        opened = self._open()
        return [run.start.run_id for run in opened.runs.of_pipeline(self.name, opened.project.environment)]

    def checkpoints(self) -> list[Checkpoint]:
        """What can be gone back to, newest first: each snapshot with its run, progress and size."""
        opened = self._open()
        runs = {run.start.run_id: run for run in opened.runs.of_pipeline(self.name, opened.project.environment)}
        snapshots = snapshots_of(opened.world, opened.project, self.name)
        return list(checkpoints(snapshots, runs, opened.world.results))

    def _declare(self, name: str, layer: str, fields: Mapping[str, Any], **transform: Any) -> None:
        chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}
        retry = chosen.get("retry")
        if isinstance(retry, Retry):
            chosen["retry"] = _as_data(retry)
        self._steps.append({"name": name, "layer": layer, **transform, **chosen})

    def _source(self) -> PipelineSource:
        project = Project.at(os.environ.get("ODA_PROJECT") or self._file.parent)
        bind_store_client(project)
        return PipelineSource(project, self._file, self)

    def _open(
        self,
        overrides: Overrides | None = None,
        selected: tuple[str, ...] | None = None,
        forced: tuple[str, ...] = (),
        skip: tuple[str, ...] = (),
        *,
        settles: bool = True,
    ) -> PipelineRun:
        """The pipeline, after rollbacks that were begun or due are finished where it ``settles`` them."""
        source, overrides = self._source(), overrides or Overrides()
        opened = PipelineRun(source.project, source, source.identified(overrides), overrides, selected, forced, skip)
        if settles:
            finished_by(opened.rollbacks, _log.warning)
        return opened


def _positional(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in kinds and name != "context"
    ]


def _as_data(retry: Retry) -> dict[str, Any]:
    """A policy as YAML would say it, but for classes and functions, which stand for themselves."""
    data = retry.model_dump(exclude_unset=True)
    if "on" in data:
        data["on"] = list(data["on"])
    if "params" in data:
        data["params"] = {name: list(values) for name, values in data["params"].items()}
    return data
