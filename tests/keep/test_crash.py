"""A writer is killed at each of its system calls, from the first byte to the head; nothing partial is ever seen.

The writer is a fork of this process that counts its calls and kills itself at the n-th; n goes up
until a writer gets through. What a reader then finds is checked by another fork.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from odibi_assets.execute.commit import Computed, commit
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.keep.formats.frame import read, settle
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Runs, RunStart, StepRecord
from odibi_assets.keep.snapshot import Snapshots

AT = "2026-01-01T00:00:00+00:00"
COUNTED = ("open", "write", "replace", "link", "fsync", "unlink", "mkdir", "rename")


def computed(value: int) -> Computed:
    frame = settle(pa.table({"a": list(range(value, value + 100))}), shared=False)
    key = Key("step", params={"value": Item(Digest.of_struct("param", value), "param", shown=str(value))})
    return Computed("pipe", key, frame, AT, "run", 0.1, "no result yet")


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


def in_fork(work: Callable[[], None]) -> int:
    """The exit status of a fork that does the work; negative where a signal ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at(number: int) -> None:
    """Have this process kill itself at its n-th counted call, before the call is made."""
    count = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    import builtins

    for name in COUNTED:
        setattr(os, name, counted(getattr(os, name)))
    builtins.open = counted(builtins.open)


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
