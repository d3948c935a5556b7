"""What collection keeps, and why: a pure decision over what a store holds.

A result is kept for the first of these reasons that applies; everything else is garbage:

| reason | the result |
|---|---|
| current | a head's snapshot names it |
| snapshot | a kept snapshot names it |
| pinned | a run in progress has it, or a pin names it |
| recent | is one of the newest ``retention.results`` of its step, and not revoked |
| young | was computed within ``retention.grace_days``, and is not revoked |

A snapshot is kept if it is one of the newest ``retention.snapshots`` of its line, or was current at
some time within the grace period or since a run in progress of its pipeline began: who reads may
have looked at the head then. A run's records are kept while it is in progress, within the grace
period, where a kept snapshot or result is its work, where it can be resumed and no later run of
its pipeline succeeded, and where a kept run re-executes it.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from odibi_assets.declare.policies import Retention
from odibi_assets.keep.result import Blob, Result, ResultId, ResultReference
from odibi_assets.keep.run_record import Run
from odibi_assets.keep.snapshot import Snapshot


@dataclass(frozen=True)
class Stored:
    """What collection looks at of a result.

    Attributes:
        produced_at: When it was computed, or accepted.
    """

    id: ResultId
    pipeline: str
    step: str
    produced_at: str
    run_id: str
    is_revoked: bool
    blobs: tuple[Blob, ...]

    @classmethod
    def of(cls, result: Result, *, is_revoked: bool) -> Stored:
        return cls(
            result.id,
            result.pipeline,
            result.key.step,
            result.recorded_at,
            result.run_id,
            is_revoked,
            result.blobs,
        )

    @property
    def size_bytes(self) -> int:
        return sum(blob.size_bytes for blob in self.blobs)


@dataclass(frozen=True)
class Line:
    """One pipeline in one environment: its snapshots, the current one first."""

    environment: str
    pipeline: str
    snapshots: Iterable[Snapshot]


@dataclass(frozen=True)
class Holdings:
    """What a store holds.

    Attributes:
        running: Ids of the runs in progress.
        pins: Results that something relies on by a pin.
    """

    results: tuple[Stored, ...]
    lines: tuple[Line, ...] = ()
    runs: tuple[Run, ...] = ()
    running: frozenset[str] = frozenset()
    pins: frozenset[ResultId] = frozenset()


@dataclass(frozen=True)
class Kept:
    """What stays: results with the reason, snapshots of each line, runs by id."""

    results: Mapping[ResultId, str]
    snapshots: tuple[tuple[Line, tuple[Snapshot, ...]], ...]
    runs: frozenset[str]


def what_is_kept(holdings: Holdings, retention: Callable[[str], Retention], now: datetime.datetime) -> Kept:
    """Decide what stays; see the table above.

    Args:
        retention: A pipeline's name → what it declares.
    """
    snapshots = tuple((line, tuple(_snapshots(line, holdings, retention, now))) for line in holdings.lines)
    reasons: dict[ResultId, str] = {}
    for _, (current, *_) in (pair for pair in snapshots if pair[1]):
        _note(reasons, current.steps.values(), "current")
    for _, kept in snapshots:
        for snapshot in kept:
            _note(reasons, snapshot.steps.values(), "snapshot")
    for run in _chains(holdings, holdings.running):
        _note(reasons, run.finished.values(), "pinned")
    for id in holdings.pins:
        reasons.setdefault(id, "pinned")
    for stored in _recent(holdings.results, retention):
        reasons.setdefault(stored.id, "recent")
    for stored in holdings.results:
        if not stored.is_revoked and _moment(stored.produced_at) >= now - _grace(retention(stored.pipeline)):
            reasons.setdefault(stored.id, "young")
    return Kept(reasons, snapshots, _runs(holdings, reasons, snapshots, retention, now))


def _note(reasons: dict[ResultId, str], references: Iterable[ResultReference], reason: str) -> None:
    for reference in references:
        reasons.setdefault(reference.id, reason)


def _snapshots(
    line: Line, holdings: Holdings, retention: Callable[[str], Retention], now: datetime.datetime
) -> Iterator[Snapshot]:
    policy = retention(line.pipeline)
    began = [
        _moment(run.start.started_at)
        for run in holdings.runs
        if run.start.run_id in holdings.running and run.start.pipeline == line.pipeline
    ]
    since = min([now - _grace(policy), *began])
    replaced_at: datetime.datetime | None = None
    for number, snapshot in enumerate(line.snapshots):
        if number >= policy.snapshots and replaced_at is not None and replaced_at < since:
            return
        yield snapshot
        replaced_at = _moment(snapshot.published_at)


def _recent(results: Iterable[Stored], retention: Callable[[str], Retention]) -> Iterator[Stored]:
    steps: dict[tuple[str, str], list[Stored]] = {}
    for stored in results:
        if not stored.is_revoked:
            steps.setdefault((stored.pipeline, stored.step), []).append(stored)
    for (pipeline, _), found in steps.items():
        newest_first = sorted(found, key=lambda stored: _moment(stored.produced_at), reverse=True)
        yield from newest_first[: retention(pipeline).results]


def _runs(
    holdings: Holdings,
    kept: Mapping[ResultId, str],
    snapshots: Iterable[tuple[Line, tuple[Snapshot, ...]]],
    retention: Callable[[str], Retention],
    now: datetime.datetime,
) -> frozenset[str]:
    authors = {snapshot.run_id for _, found in snapshots for snapshot in found}
    authors |= {stored.run_id for stored in holdings.results if stored.id in kept}
    resumed = {run.start.parent_run_id for run in holdings.runs}
    last_success: dict[tuple[str, str], str] = {}
    for run in holdings.runs:
        if run.status == "success":
            line = (run.start.pipeline, run.start.environment)
            last_success[line] = max(last_success.get(line, ""), run.start.started_at)
    wanted = set(holdings.running)
    for run in holdings.runs:
        start = run.start
        is_young = _moment(start.started_at) >= now - _grace(retention(start.pipeline))
        is_open = run.status != "success" and start.run_id not in resumed
        is_last = start.started_at > last_success.get((start.pipeline, start.environment), "")
        if is_young or start.run_id in authors or (is_open and is_last):
            wanted.add(start.run_id)
    return frozenset(run.start.run_id for run in _chains(holdings, wanted))


def _chains(holdings: Holdings, ids: Iterable[str]) -> Iterator[Run]:
    """The runs with these ids, the runs that they re-execute, and so on."""
    by_id = {run.start.run_id: run for run in holdings.runs}
    waiting, seen = [*ids], set()
    while waiting:
        id = waiting.pop()
        run = by_id.get(id)
        if run is not None and id not in seen:
            seen.add(id)
            yield run
            if run.start.parent_run_id is not None:
                waiting.append(run.start.parent_run_id)


def _grace(policy: Retention) -> datetime.timedelta:
    return datetime.timedelta(days=policy.grace_days)


def _moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)
