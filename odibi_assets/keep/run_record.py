"""The records of runs: what was planned, and what became of each step.

One small object per step, so that whoever finishes a layer can tell, and so that a re-execution
knows what the run before it produced. All runs that re-execute one another share a folder, named
by the first of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from odibi_assets.keep import canonical_json
from odibi_assets.keep.process import may_be_alive, this_process
from odibi_assets.keep.result import Absent, ResultReference
from odibi_assets.keep.store import Store

Record = TypeVar("Record")
FINISHED = frozenset({"computed", "cached"})


@dataclass(frozen=True)
class RunStart:
    """What a run set out to do.

    Attributes:
        steps: The steps of the plan, in order → their layer.
        hits: Steps of the plan that were reused before the run began, and are not in Dagster's run.
        absent: Steps of which the plan knew that they have no result, without failing; not among ``steps``.
        skipped: Steps that the plan passes over → why; not among ``steps``.
        skip: Those of them that were asked for; a re-execution passes over them too.
        overrides: What ``--set`` changed.
        process: Host, process id and its start, of the process that began it.
        user: Who began it, and where: ``ann@laptop``.
    """

    run_id: str
    root_run_id: str
    parent_run_id: str | None
    pipeline: str
    environment: str
    store_id: str
    started_at: str
    steps: Mapping[str, str]
    hits: Mapping[str, ResultReference] = field(default_factory=dict)
    absent: Mapping[str, Absent] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    process: str = ""
    user: str = ""

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["steps"] = [list(step) for step in self.steps.items()]
        data["hits"] = {name: reference.to_json() for name, reference in self.hits.items()}
        data["absent"] = {name: asdict(absent) for name, absent in self.absent.items()}
        data["skip"] = list(self.skip)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunStart:
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fields["absent"] = {name: Absent(**absent) for name, absent in data.get("absent", {}).items()}
        fields["skip"] = tuple(data.get("skip", ()))
        fields["steps"] = dict(data["steps"])
        fields["hits"] = {name: ResultReference.from_json(reference) for name, reference in data["hits"].items()}
        return cls(**fields)


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt at a step that another one followed.

    Attributes:
        attempt: The first is 1.
        wait_s: Seconds from its end until the next; None where it is not known.
    """

    attempt: int
    error: str
    wait_s: float | None = None


@dataclass(frozen=True)
class StepRecord:
    """What became of one step in one run.

    Attributes:
        outcome: ``computed``, ``cached``, ``failed``, ``skipped`` or ``absent``.
        seconds: Of the last attempt.
        cause: The error at the end of the exception's chain, where that is another than ``error``.
        will_retry: It failed, and another attempt is due.
        is_absence: It has no result, and that is no failure: it is absent, or skipped since an input is.
        retries: The attempts that failed and were followed by another, or will be.
        params: Those whose value depends on the attempt, as they were in the one that succeeded.
    """

    step: str
    outcome: str
    seconds: float
    attempts: int
    reason: str = ""
    error: str | None = None
    reference: ResultReference | None = None
    cause: str | None = None
    will_retry: bool = False
    is_absence: bool = False
    retries: tuple[FailedAttempt, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_failed(self) -> bool:
        """Did it fail for good? Another attempt may be due."""
        return self.outcome == "failed" and not self.will_retry

    def to_json(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data["reference"] = self.reference.to_json() if self.reference else None
        data["retries"] = [asdict(failed) for failed in self.retries]
        data["params"] = dict(self.params)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StepRecord:
        fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fields["retries"] = tuple(FailedAttempt(**failed) for failed in data.get("retries", ()))
        if fields["reference"] is not None:
            fields["reference"] = ResultReference.from_json(fields["reference"])
        return cls(**fields)


@dataclass(frozen=True)
class RunEnd:
    """How a run ended: ``success``, ``failed`` or ``canceled``."""

    status: str
    seconds: float
    snapshot: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunEnd:
        return cls(data["status"], data["seconds"], data["snapshot"])


@dataclass(frozen=True)
class Undone:
    """What became of undoing a step.

    Attributes:
        effect: What was known of its side effect: ``done``, or ``unknown`` where the step, or an earlier undo of it,
            ended in between.
        error: What the undo raised; None where the step is undone.
    """

    step: str
    effect: Literal["done", "unknown"]
    error: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Undone:
        return cls(data["step"], data["effect"], data["error"])


@dataclass(frozen=True)
class RolledBack:
    """How a run was rolled back.

    Attributes:
        undone: In the order in which the undos ran.
        moved: Steps whose current result is what it was before the run.
        snapshot: What is current since.
    """

    at: str
    undone: tuple[Undone, ...] = ()
    moved: tuple[str, ...] = ()
    snapshot: str | None = None

    @property
    def failed(self) -> tuple[Undone, ...]:
        """The undos that raised."""
        return tuple(undone for undone in self.undone if undone.error is not None)

    def described(self, run_id: str) -> str:
        """For people."""
        undone = [each.step for each in self.undone if each.error is None]
        parts = [f"undone: {', '.join(undone)}" if undone else "nothing was undone"]
        if self.moved:
            parts.append(f"current again what was before it: {', '.join(self.moved)}")
        failed = "".join(f"\n  Step {each.step} could not be undone: {each.error}" for each in self.failed)
        again = f"\n  oda rollback {run_id} tries that again." if failed else ""
        return f"Run {run_id} was rolled back ({'; '.join(parts)}).{failed}{again}"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RolledBack:
        undone = tuple(Undone.from_json(each) for each in data["undone"])
        return cls(data["at"], undone, tuple(data["moved"]), data["snapshot"])


@dataclass(frozen=True)
class Run:
    """Everything recorded of one run."""

    start: RunStart
    records: Mapping[str, StepRecord]
    end: RunEnd | None
    rolled_back: RolledBack | None = None

    @property
    def status(self) -> str | None:
        """How it ended, as far as the records tell; None while that is open."""
        if self.end is not None:
            return self.end.status
        outcomes = {record.outcome for record in self.records.values()}
        if "failed" in outcomes:
            return "failed"
        return "success" if set(self.start.steps) <= self.finished.keys() | self.absences.keys() else None

    @property
    def is_running(self) -> bool:
        """Has it not ended, and is the process that began it still there?"""
        return self.end is None and may_be_alive(self.start.process)

    @property
    def outcomes(self) -> Mapping[str, str]:
        """What became of every listed step; one that was never reached is ``skipped``."""
        found = dict.fromkeys([*self.start.steps, *self.start.skipped], "skipped")
        found |= {name: absent.outcome for name, absent in self.start.absent.items()}
        found |= dict.fromkeys(self.start.hits, "cached")
        return found | {name: record.outcome for name, record in self.records.items()}

    @property
    def absences(self) -> Mapping[str, Absent]:
        """Steps that have no result in this run, without that being a failure."""
        records = [record for record in self.records.values() if record.is_absence]
        return {**self.start.absent, **{record.step: Absent(record.outcome, record.reason) for record in records}}

    @property
    def finished(self) -> Mapping[str, ResultReference]:
        """Steps with a result in this run, the reused ones included."""
        found = dict(self.start.hits)
        for name, record in self.records.items():
            if record.outcome in FINISHED and record.reference is not None:
                found[name] = record.reference
        return found


class Runs:
    """The run records of one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def begin(self, start: RunStart) -> RunStart:
        """Record a run's plan, once; returns the one that counts."""
        name = f"{_folder(start.root_run_id, start.run_id)}/start"
        self.store.create(name, canonical_json.dump(start.to_json()))
        return self.start(start.root_run_id, start.run_id) or start

    def start(self, root_run_id: str, run_id: str) -> RunStart | None:
        return self._load(f"{_folder(root_run_id, run_id)}/start", RunStart.from_json)

    def note(self, root_run_id: str, run_id: str, record: StepRecord) -> None:
        """Record what became of a step; a later attempt takes the place of an earlier one."""
        self.store.put(f"{_folder(root_run_id, run_id)}/steps/{record.step}", canonical_json.dump(record.to_json()))

    def finish(self, root_run_id: str, run_id: str, end: RunEnd) -> None:
        self.store.put(f"{_folder(root_run_id, run_id)}/end", canonical_json.dump(asdict(end)))

    def note_rollback(self, root_run_id: str, run_id: str, rolled_back: RolledBack) -> None:
        """Record that a run was rolled back; a later rollback of what an earlier one left takes its place."""
        self.store.put(f"{_folder(root_run_id, run_id)}/rollback", canonical_json.dump(asdict(rolled_back)))

    def claim(self, root_run_id: str, run_id: str, event: str) -> bool:
        """Take on to tell of an event of a run; of all that would, one succeeds."""
        claim = {"by": this_process()}
        return self.store.create(f"{_folder(root_run_id, run_id)}/alerts/{event}", canonical_json.dump(claim))

    def record(self, root_run_id: str, run_id: str, step: str) -> StepRecord | None:
        return self._load(f"{_folder(root_run_id, run_id)}/steps/{step}", StepRecord.from_json)

    def get(self, root_run_id: str, run_id: str) -> Run | None:
        """Everything recorded of a run; None if there is nothing."""
        start = self.start(root_run_id, run_id)
        if start is None:
            return None
        records = {}
        for name in self.store.list(f"{_folder(root_run_id, run_id)}/steps"):
            record = self._load(name, StepRecord.from_json)
            if record is not None:
                records[record.step] = record
        folder = _folder(root_run_id, run_id)
        end = self._load(f"{folder}/end", RunEnd.from_json)
        return Run(start, records, end, self._load(f"{folder}/rollback", RolledBack.from_json))

    def find(self, run_id: str) -> Run | None:
        """The run with an id, or with a unique beginning of one."""
        matches = {(root, run) for root, run in self._ids() if run.startswith(run_id)}
        if len(matches) != 1:
            matches = {pair for pair in matches if pair[1] == run_id}
        return self.get(*matches.pop()) if len(matches) == 1 else None

    def of_pipeline(self, pipeline: str, environment: str) -> list[Run]:
        """The runs of a pipeline in an environment, newest first."""
        own = [r for r in self.all() if r.start.pipeline == pipeline and r.start.environment == environment]
        return sorted(own, key=lambda run: run.start.started_at, reverse=True)

    def all(self) -> Iterator[Run]:
        """Every run whose start can be read."""
        for root, id in self._ids():
            run = self.get(root, id)
            if run is not None:
                yield run

    def chain(self, root_run_id: str, run_id: str) -> Iterator[Run]:
        """A run, the run it re-executes, and so on."""
        current: str | None = run_id
        seen: set[str] = set()
        while current is not None and current not in seen:
            seen.add(current)
            run = self.get(root_run_id, current)
            if run is None:
                return
            yield run
            current = run.start.parent_run_id

    def finished_by(self, root_run_id: str, run_id: str) -> dict[str, ResultReference]:
        """Steps that a run finished, or a run that it re-executes, each with the latest result."""
        found: dict[str, ResultReference] = {}
        for run in self.chain(root_run_id, run_id):
            found = {**run.finished, **found}
        return found

    def absent_in(self, root_run_id: str, run_id: str) -> dict[str, Absent]:
        """Steps that were absent when a run, or a run that it re-executes, last came to them."""
        found: dict[str, Absent] = {}
        settled: set[str] = set()
        for run in self.chain(root_run_id, run_id):
            found |= {name: absent for name, absent in run.absences.items() if name not in settled}
            settled |= run.finished.keys() | run.absences.keys()
        return found

    def attempts(self, root_run_id: str) -> int:
        """How many runs there are in a line of re-executions, the first included."""
        return sum(name.endswith("/start") for name in self.store.list(f"runs/{root_run_id}"))

    def _ids(self) -> Iterator[tuple[str, str]]:
        for name in self.store.list("runs"):
            parts = name.split("/")
            if parts[-1] == "start" and len(parts) == 4:
                yield parts[1], parts[2]

    def _load(self, name: str, parse: Callable[[dict[str, Any]], Record]) -> Record | None:
        """What a record says; an unreadable one counts as none."""
        data = self.store.get(name)
        if data is None:
            return None
        with contextlib.suppress(*canonical_json.UNREADABLE):
            return parse(canonical_json.load(data, name))
        return None


def _folder(root_run_id: str, run_id: str) -> str:
    return f"runs/{root_run_id}/{run_id}"
