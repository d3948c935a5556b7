"""A writer is killed at each of its system calls, from the first byte to the head; nothing partial is ever seen.

The writer is a fork of this process that counts its calls and kills itself at the n-th; n goes up
until a writer gets through. A file that is written counts twice: with nothing and with half of it
written. What a reader finds then must be what was current before or what was to be, whole and
verified, and writing again must succeed.
"""

from __future__ import annotations

import builtins
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from killed import Countdown, in_fork

from odibi_assets.execute.commit import Computed, commit
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.formats.frame import read, settle
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import RunEnd, Runs, RunStart, StepRecord
from odibi_assets.keep.snapshot import Snapshots

AT = "2026-01-01T00:00:00+00:00"
COUNTED = ("open", "write", "replace", "link", "fsync", "unlink", "mkdir", "rename")


def computed(value: int) -> Computed:
    frame = settle(pa.table({"a": list(range(value, value + 100))}), shared=False)
    key = Key("step", params={"value": Item(Digest.of_struct("param", value), "param", shown=str(value))})
    return Computed("pipe", key, {"result": frame}, AT, "run", 0.1, "no result yet")


def write(root: Path, value: int) -> None:
    """All that a step's success writes: blob, result, run record, snapshot, head."""
    results = open_results(root)
    result = commit(computed(value), results)
    runs = Runs(results.store)
    runs.begin(RunStart("run", "run", None, "pipe", "default", results.store_id, AT, {"step": "bronze"}))
    runs.note("run", "run", StepRecord("step", "computed", 0.1, 1, reference=result.reference))
    Snapshots(results.store, "default", "pipe").publish({"step": result.reference}, run_id="run", at=AT)


def seen(root: Path) -> list[int] | None:
    """What a reader finds: the first value of the current table, verified; None before the first publication."""
    results = open_results(root)
    snapshot = Snapshots(results.store, "default", "pipe").current()
    if snapshot is None:
        return None
    result = results.get(snapshot.steps["step"])
    assert result is not None
    assert results.is_whole(result)
    values: list[int] = read(results.open_blob(result.output.blobs[0])).column("a").to_pylist()
    return values


def kill_at(number: int) -> None:
    """Have this process kill itself at its n-th counted call, before the call is made."""
    countdown = Countdown(number)

    def opened(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            file = real(*args, **kwargs)
            return HalfWritten(file, countdown.tick) if "b" in str(args[1:2]) else file

        return call

    def written(table: pa.Table, path: Path, **options: Any) -> None:
        """What Arrow writes by itself, half and whole."""
        real_write(table, path, **options)
        whole = path.read_bytes()
        os.truncate(path, len(whole) // 2)
        countdown.tick()
        path.write_bytes(whole)
        countdown.tick()

    real_write = frame_format.pq.write_table
    frame_format.pq.write_table = written
    for name in COUNTED:
        setattr(os, name, countdown.counted(getattr(os, name)))
    builtins.open = countdown.counted(opened(builtins.open))


class HalfWritten:
    """A file whose writes reach the disk in two halves."""

    def __init__(self, file: Any, between: Callable[[], None]) -> None:
        self.file, self.between = file, between

    def write(self, data: bytes) -> None:
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            self.file.write(half)
            self.file.flush()
            self.between()

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def killed_writes(root: Path, value: int, expected_before: list[int] | None) -> int:
    """Kill a writer at each of its calls; returns how many there were."""
    after = list(range(value, value + 100))
    for number in range(1, 500):

        def killed(number: int = number) -> None:
            kill_at(number)
            write(root, value)

        status = in_fork(killed)
        found = seen(root)
        if status == 0:
            assert found == after
            return number - 1
        assert status == -signal.SIGKILL
        assert found in (expected_before, after)
    raise AssertionError("the writer never got through")


def test_a_writer_killed_at_any_call_leaves_nothing_before_its_first_publication(tmp_path: Path) -> None:
    calls = killed_writes(tmp_path / "store", 0, None)
    assert calls > 30


def test_a_writer_killed_at_any_call_leaves_what_was_current(tmp_path: Path) -> None:
    root = tmp_path / "store"
    write(root, 0)
    calls = killed_writes(root, 1000, list(range(100)))
    assert calls > 20
    snapshots = Snapshots(open_results(root).store, "default", "pipe")
    assert [snapshot.sequence for snapshot in snapshots.history()] == [2, 1]


def test_what_a_killed_writer_left_is_no_obstacle_to_the_next(tmp_path: Path) -> None:
    root = tmp_path / "store"

    def killed() -> None:
        kill_at(15)
        write(root, 0)

    assert in_fork(killed) == -signal.SIGKILL
    write(root, 0)
    assert seen(root) == list(range(100))
    assert list(open_results(root).damage()) == []


def write_layer(root: Path, values: Mapping[str, int]) -> None:
    """All that a run of several steps writes: every result, then one publication."""
    results = open_results(root)
    runs = Runs(results.store)
    steps = dict.fromkeys(values, "bronze")
    runs.begin(RunStart("run", "run", None, "pipe", "default", results.store_id, AT, steps))
    references = {}
    for name, value in values.items():
        references[name] = commit(
            replace(computed(value), key=replace(computed(value).key, step=name)), results
        ).reference
        runs.note("run", "run", StepRecord(name, "computed", 0.1, 1, reference=references[name]))
    Snapshots(results.store, "default", "pipe").publish(references, run_id="run", at=AT)
    runs.finish("run", "run", RunEnd("success", 0.1))


def layer_seen(root: Path) -> dict[str, int] | None:
    """What is current, each table read, verified and whole; None before the first publication."""
    results = open_results(root)
    snapshot = Snapshots(results.store, "default", "pipe").current()
    if snapshot is None:
        return None
    found = {}
    for name, reference in snapshot.steps.items():
        result = results.get(reference)
        assert result is not None
        assert results.is_whole(result)
        table = read(results.open_blob(result.output.blobs[0]))
        assert frame_version(table).digest == reference.version
        assert table.num_rows == 100
        found[name] = table.column("a")[0].as_py()
    return found


BEFORE, AFTER = {"a": 0, "b": 1000}, {"a": 2000, "b": 3000}


@pytest.mark.parametrize("before", [None, BEFORE], ids=["an empty store", "a store with results"])
def test_a_layer_is_seen_whole_or_not_at_all_and_writing_it_again_gives_the_same(
    tmp_path: Path, before: dict[str, int] | None
) -> None:
    origin = tmp_path / "origin"
    if before is not None:
        write_layer(origin, before)
    seen_states = []
    for number in range(1, 500):
        root = tmp_path / str(number)
        if before is not None:
            shutil.copytree(origin, root)

        def killed(number: int = number, root: Path = root) -> None:
            kill_at(number)
            write_layer(root, AFTER)

        status = in_fork(killed)
        assert status in (0, -signal.SIGKILL)
        found = layer_seen(root)
        assert found in (before, AFTER)
        seen_states.append(found == AFTER)
        results = open_results(root)
        assert list(results.damage()) == []
        for result in results.all():
            assert results.is_whole(result)
        run = Runs(results.store).get("run", "run")
        for reference in run.finished.values() if run is not None else ():
            assert results.get(reference) is not None
        assert in_fork(lambda root=root: write_layer(root, AFTER)) == 0  # type: ignore[misc]
        assert layer_seen(root) == AFTER
        assert {result.generation for result in results.all()} == {1}
        history = Snapshots(results.store, "default", "pipe").history()
        assert [snapshot.sequence for snapshot in history] == ([1] if before is None else [2, 1])
        assert list(results.damage()) == []
        if status == 0:
            break
        shutil.rmtree(root)
    else:
        raise AssertionError("the writer never got through")
    assert seen_states == sorted(seen_states)
    assert seen_states.count(True) > 1
    assert seen_states.count(False) > 40


def test_a_writer_killed_while_it_replaces_a_damaged_blob_leaves_a_miss_or_the_blob(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    write_layer(origin, BEFORE)
    (blob,) = (path for path in (origin / "blobs").rglob("*/*") if path.stat().st_size and read_first(path) == 0)
    os.truncate(blob, blob.stat().st_size - 1)
    states = set()
    for number in range(1, 500):
        root = tmp_path / str(number)
        shutil.copytree(origin, root)

        def killed(number: int = number, root: Path = root) -> None:
            kill_at(number)
            write_layer(root, BEFORE)

        status = in_fork(killed)
        results = open_results(root)
        for result in results.all():
            whole = results.is_whole(result)
            if result.key.step == "a":
                states.add(whole)
            if whole:
                assert frame_version(read(results.open_blob(result.output.blobs[0]))).digest == result.output.version
        write_layer(root, BEFORE)
        assert layer_seen(root) == BEFORE
        assert list(results.damage()) == []
        shutil.rmtree(root)
        if status == 0:
            break
    assert states == {True, False}


def read_first(path: Path) -> int:
    value: int = read(path).column("a")[0].as_py()
    return value
