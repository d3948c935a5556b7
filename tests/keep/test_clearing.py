"""Clearing a store: heads first, so that a reader sees all of what was current or that nothing is."""

from __future__ import annotations

import datetime
import shutil
import signal
from pathlib import Path

import pytest
from kept import key, line, load, store, table
from killed import die_at, in_fork

from odibi_assets.errors import UsageError
from odibi_assets.keep.clearing import clear
from odibi_assets.keep.process import this_process
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.run_record import Runs, RunStart

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def fill(root: Path) -> Results:
    results = open_results(root)
    for environment in ("default", "prod"):
        for value in (1, 2):
            made = [store(results, key(step, n=value), table(value)) for step in ("clean", "report")]
            references = {result.key.step: result.reference for result in made}
            line(results, environment).publish(references, run_id=None, at=NOW.isoformat())
    return results


def test_everything_goes_but_the_id_the_salt_and_the_records_of_runs(tmp_path: Path) -> None:
    results = fill(tmp_path)
    runs = Runs(results.store)
    runs.begin(RunStart("r", "r", None, "flights", "default", results.store_id, NOW.isoformat(), {}))
    garbage, heads = clear(results, None, now=NOW)
    assert sorted(heads) == ["heads/default/flights", "heads/prod/flights"]
    assert len(garbage.results) == 4
    for kind in ("heads", "snapshots", "results", "blobs"):
        assert list(results.store.list(kind)) == []
    assert open_results(tmp_path).format == results.format
    assert runs.get("r", "r") is not None


def test_what_another_pipeline_has_current_stays_with_its_data(tmp_path: Path) -> None:
    results = fill(tmp_path)
    shared = next(result for result in results.all() if result.key == key("clean", n=2))
    line(results, pipeline="twin").publish({"clean": shared.reference}, run_id=None, at=NOW.isoformat())
    clear(results, "flights", now=NOW)
    assert list(results.all()) == [shared]
    assert load(results, shared).to_pylist() == [{"n": 2}]
    assert list(results.damage()) == []


def test_a_store_with_a_run_in_progress_is_left_alone(tmp_path: Path) -> None:
    results = fill(tmp_path)
    start = RunStart(
        "r", "r", None, "flights", "default", results.store_id, NOW.isoformat(), {}, process=this_process()
    )
    Runs(results.store).begin(start)
    with pytest.raises(UsageError, match="run r of pipeline 'flights' is in progress"):
        clear(results, None, now=NOW)
    assert clear(results, "twin", now=NOW)[1] == ()
    assert len(list(results.all())) == 4


@pytest.mark.parametrize(("hours", "is_left_alone"), [(23, True), (25, False)])
def test_a_run_of_another_machine_counts_as_in_progress_for_a_day(
    tmp_path: Path, hours: int, is_left_alone: bool
) -> None:
    results = fill(tmp_path)
    began = (NOW - datetime.timedelta(hours=hours)).isoformat()
    start = RunStart("r", "r", None, "flights", "default", results.store_id, began, {}, process="elsewhere/1/1")
    Runs(results.store).begin(start)
    if is_left_alone:
        with pytest.raises(UsageError, match="in progress"):
            clear(results, None, now=NOW)
    else:
        assert len(clear(results, None, now=NOW)[0].results) == 4


def test_killed_at_any_delete_what_is_current_is_whole_and_clearing_again_finishes(tmp_path: Path) -> None:
    origin = fill(tmp_path / "origin")
    states = set()
    for number in range(1, 100):
        root = tmp_path / str(number)
        shutil.copytree(Path(origin.store.name), root)
        status = _cleared_in_fork(root, number)
        results = open_results(root)
        assert list(results.damage()) == []
        for environment in ("default", "prod"):
            snapshot = line(results, environment).current()
            states.add(snapshot is not None)
            for reference in snapshot.steps.values() if snapshot is not None else ():
                found = results.get(reference)
                assert found is not None
                load(results, found)
        clear(results, None, now=NOW)
        assert [name for kind in ("heads", "results", "blobs") for name in results.store.list(kind)] == []
        shutil.rmtree(root)
        if status == 0:
            break
    assert number > 10
    assert states == {True, False}


def _cleared_in_fork(root: Path, number: int) -> int:
    """Clear in a fork that kills itself before its n-th delete; returns its status."""

    def killed() -> None:
        die_at(number, "unlink")
        clear(open_results(root), None, now=NOW)

    status = in_fork(killed)
    assert status in (0, -signal.SIGKILL)
    return status
