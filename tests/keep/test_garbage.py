"""What collection keeps, as a table: each row a store, a retention and what stays for which reason."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import pytest

from odibi_assets.declare.policies import Retention
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.garbage import Holdings, Kept, Line, Stored, what_is_kept
from odibi_assets.keep.result import Blob, ResultId, ResultReference
from odibi_assets.keep.run_record import Run, RunEnd, RunStart, StepRecord
from odibi_assets.keep.snapshot import Snapshot

NOW = datetime.datetime(2013, 1, 31, 12, tzinfo=datetime.UTC)
NOTHING = Retention(results=0, snapshots=1, grace_days=0)


def ago(days: float) -> str:
    return (NOW - datetime.timedelta(days=days)).isoformat()


def digest(text: str) -> Digest:
    return Digest.of_bytes(text.encode())


def reference(name: str) -> ResultReference:
    return ResultReference(digest(name), 1, digest(f"version of {name}"), 3)


def result(
    name: str, days: float = 30, *, step: str = "clean", revoked: bool = False, pipeline: str = "shop"
) -> Stored:
    blobs = (Blob(digest(f"blob of {name}"), 100),)
    return Stored((digest(name), 1), pipeline, step, ago(days), f"run of {name}", revoked, blobs)


def line(*snapshots: tuple[str, float], environment: str = "default", pipeline: str = "shop") -> Line:
    """Snapshots of one step, newest first, each with its result and how many days ago it was published."""
    made = [
        Snapshot(
            digest(f"{environment} {name} {days}"), None, 1, f"run of {name}", ago(days), {"clean": reference(name)}
        )
        for name, days in snapshots
    ]
    return Line(environment, pipeline, made)


def run(
    id: str,
    days: float,
    finished: str | None = None,
    *,
    status: str | None = None,
    parent: str | None = None,
    hits: Mapping[str, ResultReference] | None = None,
) -> Run:
    steps = {"clean": "silver", "report": "gold"}
    start = RunStart(id, parent or id, parent, "shop", "default", "store", ago(days), steps, hits=hits or {})
    done = {} if finished is None else {"clean": StepRecord("clean", "computed", 1.0, 1, reference=reference(finished))}
    return Run(start, done, RunEnd(status, 1.0) if status else None)


def kept(holdings: Holdings, retention: Retention | Mapping[str, Retention] = NOTHING) -> Kept:
    if isinstance(retention, Retention):
        return what_is_kept(holdings, lambda pipeline: retention, NOW)
    return what_is_kept(holdings, retention.__getitem__, NOW)


OLD = tuple(result(name, days) for name, days in (("a", 30), ("b", 20), ("c", 10)))
RESULTS: dict[str, tuple[Holdings, Retention, dict[str, str]]] = {
    "nothing names it": (Holdings(OLD), NOTHING, {}),
    "it is current": (Holdings(OLD, (line(("a", 30)),)), NOTHING, {"a": "current"}),
    "it is current in another environment": (
        Holdings(OLD, (line(("a", 30)), line(("b", 20), environment="prod"))),
        NOTHING,
        {"a": "current", "b": "current"},
    ),
    "it is current though it was revoked": (
        Holdings((result("a", revoked=True),), (line(("a", 30)),)),
        NOTHING,
        {"a": "current"},
    ),
    "one of the newest snapshots names it": (
        Holdings(OLD, (line(("c", 10), ("b", 20), ("a", 30)),)),
        Retention(results=0, snapshots=2, grace_days=0),
        {"c": "current", "b": "snapshot"},
    ),
    "it was current within the grace period": (
        Holdings(OLD, (line(("c", 3), ("b", 9), ("a", 30)),)),
        Retention(results=0, snapshots=1, grace_days=5),
        {"c": "current", "b": "snapshot"},
    ),
    "it was current when a run in progress began": (
        Holdings(OLD, (line(("c", 3), ("b", 9), ("a", 30)),), (run("r", 4),), frozenset({"r"})),
        NOTHING,
        {"c": "current", "b": "snapshot"},
    ),
    "it is one of the newest of its step": (
        Holdings(OLD), Retention(results=2, snapshots=1, grace_days=0), {"b": "recent", "c": "recent"}
    ),
    "each step has its newest": (
        Holdings((*OLD, result("d", 40, step="report"), result("e", 50, step="report"))),
        Retention(results=1, snapshots=1, grace_days=0),
        {"c": "recent", "d": "recent"},
    ),
    "a revoked one does not count among the newest": (
        Holdings((*OLD, result("d", 1, revoked=True))),
        Retention(results=1, snapshots=1, grace_days=0),
        {"c": "recent"},
    ),
    "it was computed within the grace period": (
        Holdings(OLD), Retention(results=0, snapshots=1, grace_days=20), {"b": "young", "c": "young"}
    ),
    "a revoked one is not spared by its youth": (
        Holdings((result("a", 1, revoked=True),)), Retention(results=5, snapshots=5, grace_days=7), {}
    ),
    "a run in progress computed it": (
        Holdings(OLD, runs=(run("r", 1, "a"),), running=frozenset({"r"})), NOTHING, {"a": "pinned"}
    ),
    "a run in progress reuses it": (
        Holdings(OLD, runs=(run("r", 1, hits={"clean": reference("a")}),), running=frozenset({"r"})),
        NOTHING,
        {"a": "pinned"},
    ),
    "the run that a run in progress re-executes computed it": (
        Holdings(
            OLD, runs=(run("r", 2, "a", status="failed"), run("s", 1, parent="r")), running=frozenset({"s"})
        ),
        NOTHING,
        {"a": "pinned"},
    ),
    "a run that has ended pins nothing": (Holdings(OLD, runs=(run("r", 1, "a", status="success"),)), NOTHING, {}),
    "a pin names it": (Holdings(OLD, pins=frozenset({(digest("b"), 1)})), NOTHING, {"b": "pinned"}),
    "it comes from the future": (Holdings((result("a", -1),)), NOTHING, {"a": "young"}),
}  # fmt: skip


@pytest.mark.parametrize("row", RESULTS)
def test_a_result_is_kept_for_the_first_reason_that_applies(row: str) -> None:
    holdings, retention, expected = RESULTS[row]
    ids: dict[ResultId, str] = {(digest(name), 1): reason for name, reason in expected.items()}
    assert kept(holdings, retention).results == ids


def test_each_pipeline_has_its_own_retention() -> None:
    other = tuple(result(name, days, pipeline="flights") for name, days in (("x", 30), ("y", 20)))
    found = kept(
        Holdings((*OLD, *other)),
        {"shop": NOTHING, "flights": Retention(results=1, snapshots=1, grace_days=0)},
    )
    assert found.results == {(digest("y"), 1): "recent"}


def test_a_history_is_not_read_beyond_what_is_kept() -> None:
    def endless() -> object:
        number = 0
        while True:
            assert number < 4, "read too far"
            yield line((f"{number}", 10.0 + number)).snapshots[0]  # type: ignore[index]
            number += 1

    holdings = Holdings((), (Line("default", "shop", endless()),))  # type: ignore[arg-type]
    ((_, snapshots),) = kept(holdings, Retention(results=0, snapshots=3, grace_days=1)).snapshots
    assert len(snapshots) == 3


RUNS: dict[str, tuple[tuple[Run, ...], set[str]]] = {
    "an old one that succeeded goes": ((run("a", 30, status="success"),), set()),
    "one within the grace period stays": ((run("a", 2, status="success"),), {"a"}),
    "a failed one that can be resumed stays": ((run("a", 30, status="failed"),), {"a"}),
    "one that was interrupted stays": ((run("a", 30),), {"a"}),
    "a failed one goes when a later one succeeded": (
        (run("a", 30, status="failed"), run("b", 20, status="success")), set()
    ),
    "a failed one that was resumed goes with its successor": (
        (run("a", 30, status="failed"), run("b", 20, status="success", parent="a")), set()
    ),
    "what a kept run re-executes stays": (
        (run("a", 30, status="failed"), run("b", 20, status="failed", parent="a")), {"a", "b"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNS)
def test_runs_that_can_be_resumed_or_asked_about_keep_their_records(row: str) -> None:
    runs, expected = RUNS[row]
    assert kept(Holdings((), runs=runs), Retention(results=0, snapshots=1, grace_days=7)).runs == expected


def test_the_run_that_made_what_is_current_keeps_its_records() -> None:
    holdings = Holdings(OLD, (line(("a", 30)),), (run("run of a", 30, status="success"),))
    assert kept(holdings).runs == {"run of a"}
