"""Collection in real stores: what goes, in which order, beside whom, killed anywhere, and without locks."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kept import computed, key, line, load, store, table
from killed import die_at, in_fork

from odibi_assets.declare.policies import Retention
from odibi_assets.errors import DamagedObject, ResultGone, StoreAway, UnknownLayout
from odibi_assets.execute.commit import commit
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.pin import pinned
from odibi_assets.keep.process import this_process
from odibi_assets.keep.result import Acceptance, Result
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.run_record import RunEnd, Runs, RunStart, StepRecord
from odibi_assets.keep.sweep import Collected, collect

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
AT = (NOW - HOUR).isoformat()
NOTHING = Retention(results=0, snapshots=1, grace_days=0)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return open_results(tmp_path / "store")


def publish(results: Results, *made: Result, at: str = AT) -> None:
    line(results).publish({result.key.step: result.reference for result in made}, run_id=None, at=at)


def gc(results: Results, retention: Retention = NOTHING, *, now: datetime.datetime = NOW, dry_run: bool = False) -> Any:
    return collect(results, lambda pipeline: retention, now=now, dry_run=dry_run)


def names(results: Results) -> set[str]:
    return {name for kind in ("results", "blobs", "snapshots", "runs", "revoked") for name in results.store.list(kind)}


def make_history(results: Results) -> Result:
    """Three results of one step, each current in its turn; returns the last."""
    for value in (1, 2, 3):
        made = store(results, key(n=value), table(value))
        publish(results, made)
    return made


# What goes.


def test_what_nothing_keeps_goes_and_what_is_current_stays_readable(results: Results) -> None:
    last = make_history(results)
    collected = gc(results)
    assert len(collected.garbage.results) == len(collected.garbage.blobs) == len(collected.garbage.snapshots) == 2
    assert collected.garbage.freed_bytes > 0
    assert list(results.all()) == [last]
    assert load(results, last).to_pylist() == [{"n": 3}]
    assert [snapshot.sequence for snapshot in line(results).history()] == [3]
    assert list(results.damage()) == []


def test_a_dry_run_says_what_would_go_and_deletes_nothing(results: Results) -> None:
    make_history(results)
    before = names(results)
    dry = gc(results, dry_run=True)
    assert names(results) == before
    assert dry == gc(results)
    assert names(results) < before


def test_collecting_again_finds_nothing(results: Results) -> None:
    make_history(results)
    gc(results)
    again = gc(results).garbage
    assert (again.results, again.blobs, again.snapshots, again.runs) == ((), (), (), ())


def test_a_blob_that_a_kept_result_shares_stays(results: Results) -> None:
    old, new = store(results, key(n=1), table(1)), store(results, key(n=2), table(1))
    publish(results, new)
    assert old.output == new.output
    assert gc(results).garbage.blobs == ()
    assert load(results, new).to_pylist() == [{"n": 1}]


def test_what_a_killed_writer_left_between_blob_and_result_goes(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"orphan")
    results.put_blob(file)
    assert gc(results, Retention()).garbage.freed_bytes == 6
    assert list(results.store.list("blobs")) == []


def test_a_revoked_result_goes_with_its_revocation_and_its_number_is_used_again(results: Results) -> None:
    made = store(results, key(), table(1))
    results.revoke(made.key.digest(), 1, why="invalidated", at=AT)
    gc(results, Retention())
    assert names(results) == set()
    assert store(results, key(), table(2)).generation == 1


def test_what_is_noted_of_a_result_goes_with_its_record(results: Results) -> None:
    made = store(results, key(n=1), table(1))
    taken = Acceptance("ann@laptop", AT, (made.id,))
    kept = results.commit(replace(made, key=key(n=2), accepted=taken))
    gone = results.commit(replace(made, key=key(n=3), accepted=taken))
    for each in (kept, gone):
        results.mark_nondeterministic(each, other=Digest.of_bytes(b"other"), at=AT)
    publish(results, kept)
    assert len(gc(results).garbage.notes) == 2
    assert list(results.all()) == [kept]
    assert results.is_nondeterministic(kept)
    assert list(results.accepted_from(made.key.digest())) == [kept]
    assert len([*results.store.list("nondeterministic"), *results.store.list("accepted")]) == 2


def test_a_damaged_record_goes_and_one_of_another_version_stops_everything(results: Results) -> None:
    make_history(results)
    results.store.put(f"results/ab/{'ab' * 32}/1", b"{")
    assert f"results/ab/{'ab' * 32}/1" in gc(results, Retention()).garbage.results
    results.store.put(f"results/ab/{'ab' * 32}/1", b'{"v": 99}')
    before = names(results)
    with pytest.raises(UnknownLayout):
        gc(results)
    assert names(results) == before


def test_parts_of_a_kept_snapshot_stay(results: Results) -> None:
    steps = {f"step{i}": store(results, key(f"step{i}"), table(i)).reference for i in range(70)}
    line(results).publish(steps, run_id=None, at=AT)
    changed = store(results, key("step7", again=True), table(100)).reference
    line(results).publish({"step7": changed}, run_id=None, at=AT)
    gc(results)
    current = line(results).current()
    assert current is not None
    assert dict(current.steps) == {**steps, "step7": changed}
    assert list(results.damage()) == []


def test_temporary_files_and_damaged_blobs_of_dead_processes_go_when_they_rested(results: Results) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    folder = Path(results.store.name) / "tmp"
    folder.mkdir(exist_ok=True)
    files = {name: folder / name for name in (f"{child.pid}-a", f"{child.pid}-b.damaged", f"{os.getpid()}-c")}
    for path in files.values():
        path.write_bytes(b"x")
        os.utime(path, (NOW.timestamp() - 7200,) * 2)
    fresh = folder / f"{child.pid}-d"
    fresh.write_bytes(b"x")
    os.utime(fresh, (NOW.timestamp() - 60,) * 2)
    assert len(gc(results).garbage.temporary) == 2
    assert {path.name for path in folder.iterdir()} == {f"{os.getpid()}-c", fresh.name}


def test_a_pin_keeps_a_result_until_its_process_is_gone(results: Results) -> None:
    made = store(results, key(), table(1))

    def pin_and_die() -> None:
        held = pinned(results.store, [(made.key.digest(), 1)], at=AT)
        held.__enter__()
        os.kill(os.getpid(), signal.SIGKILL)

    with pinned(results.store, [(made.key.digest(), 1)], at=AT):
        assert gc(results).garbage.results == ()
    assert list(results.store.list("pins")) == []
    process = multiprocessing.get_context("fork").Process(target=pin_and_die)
    process.start()
    process.join()
    assert len(list(results.store.list("pins"))) == 1
    collected = gc(results).garbage
    assert len(collected.pins) == len(collected.results) == 1
    assert list(results.store.list("pins")) == []


def test_a_run_keeps_its_results_until_it_ends_and_its_records_while_it_can_be_resumed(results: Results) -> None:
    made = store(results, key(), table(1))
    runs = Runs(results.store)
    start = RunStart(
        "r", "r", None, "flights", "default", results.store_id, AT, {"clean": "silver"}, process=this_process()
    )
    runs.begin(start)
    runs.note("r", "r", StepRecord("clean", "computed", 1.0, 1, reference=made.reference))
    later = NOW + datetime.timedelta(days=30)
    assert gc(results, now=later).garbage.results == ()
    runs.finish("r", "r", RunEnd("failed", 1.0))
    collected = gc(results, now=later).garbage
    assert (len(collected.results), collected.runs) == (1, ())
    assert runs.get("r", "r") is not None
    runs.finish("r", "r", RunEnd("success", 1.0))
    assert len(gc(results, now=later).garbage.runs) == 1
    assert list(results.store.list("runs")) == []


def test_what_was_collected_can_not_become_current(results: Results) -> None:
    made = store(results, key(), table(1))
    gc(results)
    with pytest.raises(ResultGone, match="clean.*collected"):
        publish(results, made)
    assert line(results).current() is None


# Killed.


def test_killed_at_any_delete_it_leaves_a_store_that_verifies_and_the_next_takes_the_rest(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    made = open_results(origin)
    make_history(made)
    last = [store(made, key(f"step{i}"), table(i)) for i in range(3)]
    publish(made, *last)
    revoked = store(made, key("revoked"), table(9))
    made.revoke(revoked.key.digest(), 1, why="invalidated", at=AT)
    run = RunStart("r", "r", None, "flights", "default", made.store_id, AT, {"clean": "silver"})
    Runs(made.store).begin(run)
    Runs(made.store).note("r", "r", StepRecord("clean", "computed", 1.0, 1))
    Runs(made.store).finish("r", "r", RunEnd("success", 1.0))
    later = NOW + datetime.timedelta(days=1)
    untouched = tmp_path / "untouched"
    shutil.copytree(origin, untouched)
    deletes = len(names(made)) - len(names_after(untouched, later))
    for number in range(1, deletes + 2):
        root = tmp_path / str(number)
        shutil.copytree(origin, root)

        def killed(number: int = number, root: Path = root) -> None:
            die_at(number, "unlink")
            gc(open_results(root), now=later)

        status = in_fork(killed)
        assert status == (-signal.SIGKILL if number <= deletes else 0)
        results = open_results(root)
        assert list(results.damage()) == []
        current = line(results).current()
        assert current is not None
        for reference in current.steps.values():
            found = results.get(reference)
            assert found is not None
            load(results, found)
        for snapshot in line(results).history():
            assert all(results.get(reference) is not None for reference in snapshot.steps.values())
        gc(results, now=later)
        assert names(results) == names(open_results(untouched))
        shutil.rmtree(root)
    assert deletes > 10


def names_after(root: Path, now: datetime.datetime) -> set[str]:
    gc(open_results(root), now=now)
    return names(open_results(root))


# Beside others.

SECONDS = 4.0


def until(deadline: float, work: Callable[[int], None]) -> None:
    number = 0
    while time.monotonic() < deadline or number < 3:
        work(number)
        number += 1


def write_on(root: Path, step: str, deadline: float) -> None:
    """Compute or reuse one of a few results, whose data others share, and make it current: A → B → A."""
    results = open_results(root)

    def work(number: int) -> None:
        value = number % 3
        wanted = computed(key(step, n=value), table(value))
        while True:
            present = next(results.candidates(wanted.key.digest()), None)
            result = present if present is not None and results.is_whole(present) else commit(wanted, results)
            try:
                publish(results, result)
                return
            except ResultGone:
                continue

    until(deadline, work)


def read_on(root: Path, deadline: float) -> None:
    """Read all that is current; what is missing must have been replaced meanwhile."""
    results = open_results(root)

    def work(number: int) -> None:
        snapshot = line(results).current()
        for step, reference in snapshot.steps.items() if snapshot is not None else ():
            result = results.get(reference)
            try:
                if result is None:
                    raise DamagedObject(f"no record of {step}")
                load(results, result)
            except (DamagedObject, FileNotFoundError):
                now = line(results).current()
                assert now is not None
                assert now.steps[step] != reference, f"{step} is current and can't be read"

    until(deadline, work)


def collect_on(root: Path, deadline: float) -> None:
    results = open_results(root)

    def work(number: int) -> None:
        gc(results)
        time.sleep(0.05)

    until(deadline, work)


def test_writers_readers_and_collections_beside_each_other_are_never_wrong(tmp_path: Path) -> None:
    root = tmp_path / "store"
    results = open_results(root)
    context = multiprocessing.get_context("fork")
    deadline = time.monotonic() + SECONDS
    processes = [
        *(context.Process(target=write_on, args=(root, f"step{i}", deadline)) for i in range(3)),
        *(context.Process(target=read_on, args=(root, deadline)) for _ in range(2)),
        *(context.Process(target=collect_on, args=(root, deadline)) for _ in range(2)),
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)
    assert list(results.damage()) == []
    current = line(results).current()
    assert current is not None
    assert set(current.steps) == {"step0", "step1", "step2"}
    assert current.sequence > 10
    gc(results)
    for reference in current.steps.values():
        found = results.get(reference)
        assert found is not None
        assert load(results, found).num_rows == 1
    assert len(list(results.all())) == 3
    assert list(results.damage()) == []


def test_a_commit_in_progress_keeps_collection_waiting(results: Results) -> None:
    folder = FolderStore(Path(results.store.name))
    context = multiprocessing.get_context("fork")
    with folder.together():
        process = context.Process(target=gc, args=(results,))
        process.start()
        process.join(0.3)
        assert process.is_alive()
    process.join()
    assert process.exitcode == 0


def test_writers_that_keep_coming_do_not_starve_collection(results: Results) -> None:
    context = multiprocessing.get_context("fork")
    deadline = time.monotonic() + 60
    writers = [context.Process(target=hold_on, args=(Path(results.store.name), deadline)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(5):
        gc(results)
    assert time.monotonic() < deadline
    for writer in writers:
        writer.kill()
        writer.join()


def hold_on(root: Path, deadline: float) -> None:
    while time.monotonic() < deadline:
        with FolderStore(root).together():
            time.sleep(0.005)


# Where no lock is to be had.


class Unlocked:
    """The objects of a folder, without its locks: as a bucket has them."""

    def __init__(self, root: Path) -> None:
        self._folder = FolderStore(root)
        methods = ("get", "size", "put", "create", "swap", "put_file", "fetch", "list", "delete", "forget", "temporary")
        for method in methods:
            setattr(self, method, getattr(self._folder, method))

    keeps_back, is_shared = False, True

    @property
    def name(self) -> str:
        return self._folder.name


@pytest.fixture
def unlocked(tmp_path: Path) -> Results:
    return Results(Unlocked(tmp_path / "bucket"))  # type: ignore[arg-type]


def collected_at(results: Results, hours: float) -> Collected:
    found: Collected = gc(results, now=NOW + hours * HOUR)
    return found


def test_without_locks_results_are_revoked_and_gone_an_hour_later_their_data_after_them(unlocked: Results) -> None:
    make_history(unlocked)
    first = collected_at(unlocked, 0)
    assert first.garbage.results == first.garbage.blobs == first.garbage.snapshots == ()
    assert first.noted == 4
    assert unlocked.is_revoked(key(n=1).digest(), 1)
    assert collected_at(unlocked, 0.9).garbage.results == ()
    assert len(collected_at(unlocked, 1).garbage.results) == 2
    assert len(list(unlocked.store.list("blobs"))) == 3
    collected_at(unlocked, 1)
    assert len(collected_at(unlocked, 2.1).garbage.blobs) == 2
    collected_at(unlocked, 4)
    assert [result.key for result in unlocked.all()] == [key(n=3)]
    assert list(unlocked.store.list("revoked")) == list(unlocked.store.list("condemned")) == []
    assert list(unlocked.damage()) == []


def test_a_store_that_is_away_is_not_collected_from_copies(unlocked: Results) -> None:
    make_history(unlocked)
    before = names(unlocked)
    unlocked.store.keeps_back = True  # type: ignore[misc]
    assert gc(unlocked, dry_run=True).garbage.results
    with pytest.raises(StoreAway, match="Nothing was collected"):
        gc(unlocked)
    assert names(unlocked) == before


def test_without_locks_a_result_that_became_current_in_that_hour_stays(unlocked: Results) -> None:
    make_history(unlocked)
    first = next(result for result in unlocked.all() if result.key == key(n=1))
    collected_at(unlocked, 0)
    publish(unlocked, first)
    collected_at(unlocked, 2)
    collected_at(unlocked, 4)
    assert load(unlocked, first).to_pylist() == [{"n": 1}]
    current = line(unlocked).current()
    assert current is not None
    assert current.steps["clean"] == first.reference


def test_without_locks_data_that_a_commit_relies_on_in_that_hour_stays(unlocked: Results, tmp_path: Path) -> None:
    commit(computed(key(n=1), table(7)), unlocked)
    only = next(iter(unlocked.all()))
    unlocked.store.delete(f"results/{only.key.digest().hex[:2]}/{only.key.digest().hex}/1")
    collected_at(unlocked, 0)
    assert len(list(unlocked.store.list("condemned"))) == 1
    again = tmp_path / "again"
    shutil.copyfile(unlocked.open_blob(only.output.blobs[0]), again)
    unlocked.put_blob(again)
    assert collected_at(unlocked, 2).garbage.blobs == ()
    assert unlocked.is_whole(only)


def test_without_locks_a_part_of_a_snapshot_that_is_written_again_stays(unlocked: Results) -> None:
    steps = {f"step{i}": store(unlocked, key(f"step{i}"), table(i)).reference for i in range(70)}
    line(unlocked).publish(steps, run_id=None, at=AT)
    changed = store(unlocked, key("step7", again=True), table(100)).reference
    line(unlocked).publish({"step7": changed}, run_id=None, at=AT)
    collected_at(unlocked, 0)
    line(unlocked).publish(steps, run_id=None, at=AT)
    collected_at(unlocked, 2)
    current = line(unlocked).current()
    assert current is not None
    assert dict(current.steps) == steps
