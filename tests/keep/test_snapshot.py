"""What is current: published by merging, moved by comparison, kept as a history."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.snapshot import Snapshots

AT = "2026-01-01T00:00:00+00:00"


def reference(number: int) -> ResultReference:
    return ResultReference(Digest.of_struct("key", number), 1, Digest.of_struct("version", number), number)


def line(root: Path, environment: str = "default") -> Snapshots:
    return Snapshots(FolderStore(root), environment, "pipe")


def objects(root: Path) -> set[str]:
    return set(FolderStore(root).list("snapshots"))


def test_nothing_is_current_before_the_first_publication(tmp_path: Path) -> None:
    assert line(tmp_path).current() is None
    assert list(line(tmp_path).history()) == []


def test_a_publication_is_merged_into_what_is_current(tmp_path: Path) -> None:
    line(tmp_path).publish({"a": reference(1)}, run_id="first", at=AT)
    line(tmp_path).publish({"b": reference(2)}, run_id="second", at=AT)
    current = line(tmp_path).current()
    assert current is not None
    assert dict(current.steps) == {"a": reference(1), "b": reference(2)}
    assert [snapshot.run_id for snapshot in line(tmp_path).history()] == ["second", "first"]


def test_nothing_moves_where_nothing_changes(tmp_path: Path) -> None:
    first = line(tmp_path).publish({"a": reference(1)}, run_id="first", at=AT)
    before = objects(tmp_path)
    assert line(tmp_path).publish({"a": reference(1)}, run_id="second", at=AT).id == first.id
    assert objects(tmp_path) == before


def test_steps_that_the_pipeline_no_longer_has_are_dropped(tmp_path: Path) -> None:
    line(tmp_path).publish({"a": reference(1), "old": reference(2)}, run_id=None, at=AT)
    line(tmp_path).publish({"a": reference(3)}, run_id=None, at=AT, keep_only=frozenset({"a"}))
    current = line(tmp_path).current()
    assert current is not None
    assert dict(current.steps) == {"a": reference(3)}


def test_environments_are_lines_of_their_own(tmp_path: Path) -> None:
    line(tmp_path, "prod").publish({"a": reference(1)}, run_id=None, at=AT)
    line(tmp_path, "dev").publish({"a": reference(2)}, run_id=None, at=AT)
    prod = line(tmp_path, "prod").current()
    assert prod is not None
    assert prod.steps["a"] == reference(1)
    assert len(list(line(tmp_path, "dev").history())) == 1


def _publish(root: Path, numbers: list[int]) -> None:
    for number in numbers:
        line(root).publish({f"step{number}": reference(number)}, run_id=None, at=AT)


def test_publishers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    parts = [list(range(start, 40, 4)) for start in range(4)]
    processes = [context.Process(target=_publish, args=(tmp_path, part)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    current = line(tmp_path).current()
    assert current is not None
    assert dict(current.steps) == {f"step{number}": reference(number) for number in range(40)}
    assert current.sequence == 40


def test_one_step_of_a_thousand_rewrites_little(tmp_path: Path) -> None:
    line(tmp_path).publish({f"step{number}": reference(number) for number in range(1000)}, run_id=None, at=AT)
    before = objects(tmp_path)
    assert len(before) == 17
    line(tmp_path).publish({"step7": reference(5000)}, run_id=None, at=AT)
    assert len(objects(tmp_path) - before) == 2
    current = line(tmp_path).current()
    assert current is not None
    assert len(current.steps) == 1000
    assert current.steps["step7"] == reference(5000)


def test_a_damaged_head_falls_back_to_the_newest_snapshot_and_can_be_moved_again(tmp_path: Path) -> None:
    line(tmp_path).publish({"a": reference(1)}, run_id=None, at=AT)
    newest = line(tmp_path).publish({"a": reference(2)}, run_id=None, at=AT)
    (tmp_path / "heads" / "default" / "pipe").write_bytes(b"\x00garbage")
    current = line(tmp_path).current()
    assert current is not None
    assert current.id == newest.id
    line(tmp_path).publish({"a": reference(3)}, run_id=None, at=AT)
    assert [snapshot.sequence for snapshot in line(tmp_path).history()] == [3, 2, 1]


def test_a_damaged_snapshot_falls_back_to_the_one_before(tmp_path: Path) -> None:
    first = line(tmp_path).publish({"a": reference(1)}, run_id=None, at=AT)
    second = line(tmp_path).publish({"a": reference(2)}, run_id=None, at=AT)
    (tmp_path / "snapshots" / "pipe" / second.id.hex).write_bytes(b"{}")
    current = line(tmp_path).current()
    assert current is not None
    assert current.id == first.id
