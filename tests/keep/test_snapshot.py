"""What is current: published by merging, moved by comparison, kept as a history."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from odibi_assets.errors import StoreError, UnknownLayout
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


def head(root: Path, environment: str = "default") -> Path:
    return root / "heads" / environment / "pipe"


def steps(root: Path, environment: str = "default") -> dict[str, ResultReference] | None:
    current = line(root, environment).current()
    return None if current is None else dict(current.steps)


def test_what_publish_returns_is_what_a_reader_finds(tmp_path: Path) -> None:
    line(tmp_path).publish({"b": reference(1)}, run_id="first", at=AT)
    published = line(tmp_path).publish({"a": reference(2)}, run_id="second", at=AT)
    found = line(tmp_path).current()
    assert found == published
    assert line(tmp_path).get(published.id) == published
    assert (published.run_id, published.published_at, published.sequence) == ("second", AT, 2)


def test_what_was_current_before_can_be_current_again(tmp_path: Path) -> None:
    for number in (1, 2, 1):
        line(tmp_path).publish({"a": reference(number)}, run_id=f"run {number}", at=AT)
    assert steps(tmp_path) == {"a": reference(1)}
    assert [snapshot.steps["a"] for snapshot in line(tmp_path).history()] == [reference(1), reference(2), reference(1)]


def test_dropping_a_step_moves_the_head_though_nothing_is_new(tmp_path: Path) -> None:
    line(tmp_path).publish({"a": reference(1), "old": reference(2)}, run_id=None, at=AT)
    line(tmp_path).publish({}, run_id=None, at=AT, keep_only=frozenset({"a"}))
    assert steps(tmp_path) == {"a": reference(1)}
    before = objects(tmp_path)
    line(tmp_path).publish({}, run_id=None, at=AT, keep_only=frozenset({"a", "b"}))
    assert objects(tmp_path) == before


def test_another_generation_of_the_same_version_is_another_publication(tmp_path: Path) -> None:
    first = reference(1)
    line(tmp_path).publish({"a": first}, run_id=None, at=AT)
    second = ResultReference(first.key, 2, first.version, first.row_count)
    line(tmp_path).publish({"a": second}, run_id=None, at=AT)
    assert steps(tmp_path) == {"a": second}


@pytest.mark.parametrize("count", [1, 64, 65, 66, 1000])
def test_any_number_of_steps_comes_back(tmp_path: Path, count: int) -> None:
    published = {f"step {number}": reference(number) for number in range(count)}
    line(tmp_path).publish(published, run_id=None, at=AT)
    assert steps(tmp_path) == published
    line(tmp_path).publish({}, run_id=None, at=AT, keep_only=frozenset({"step 0"}))
    assert steps(tmp_path) == {"step 0": reference(0)}


def test_environments_share_the_parts_that_are_equal(tmp_path: Path) -> None:
    published = {f"step{number}": reference(number) for number in range(1000)}
    line(tmp_path, "prod").publish(published, run_id=None, at=AT)
    before = objects(tmp_path)
    line(tmp_path, "dev").publish(published, run_id=None, at=AT)
    assert len(objects(tmp_path) - before) == 1


def _publish_layers(root: Path, number: int, names: frozenset[str]) -> None:
    for i in range(10):
        layer = {f"step{number}.{part}": reference(i) for part in range(30)}
        line(root).publish(layer, run_id=f"{number}/{i}", at=AT, keep_only=names)


def test_publishers_of_layers_lose_nothing_and_no_reader_sees_half_of_one(tmp_path: Path) -> None:
    names = frozenset(f"step{number}.{part}" for number in range(4) for part in range(30))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_publish_layers, args=(tmp_path, number, names)) for number in range(4)]
    for process in processes:
        process.start()
    halves = []
    while any(process.is_alive() for process in processes):
        found = steps(tmp_path) or {}
        for number in range(4):
            layer = {name: result for name, result in found.items() if name.startswith(f"step{number}.")}
            if len(layer) not in (0, 30) or len(set(layer.values())) > 1:
                halves.append(layer)
    assert [process.exitcode for process in processes] == [0] * 4
    assert halves == []
    assert steps(tmp_path) == {name: reference(9) for name in names}
    history = list(line(tmp_path).history())
    assert [snapshot.sequence for snapshot in history] == list(range(40, 0, -1))
    assert {snapshot.run_id for snapshot in history} == {f"{number}/{i}" for number in range(4) for i in range(10)}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b'{"v":1}', b'{"v":1,"snapshot":null}', b'{"v":1,"snapshot":7}', b'{"v":1,"snapshot":"b3:0"}',
     b'{"v":1,"snapshot":["b3"]}', b'{"v":1,"snapshot":"b3:' + b"0" * 64 + b'"}'],
    ids=range(9),
)  # fmt: skip
def test_any_damage_to_a_head_falls_back_and_the_next_publication_builds_on_it(tmp_path: Path, data: bytes) -> None:
    line(tmp_path).publish({"a": reference(1)}, run_id=None, at=AT)
    line(tmp_path).publish({"b": reference(2)}, run_id=None, at=AT)
    line(tmp_path, "prod").publish({"p": reference(9)}, run_id=None, at=AT)
    line(tmp_path, "prod").publish({"q": reference(9)}, run_id=None, at=AT)
    line(tmp_path, "prod").publish({"r": reference(9)}, run_id=None, at=AT)
    head(tmp_path).write_bytes(data)
    assert steps(tmp_path) == {"a": reference(1), "b": reference(2)}
    line(tmp_path).publish({"c": reference(3)}, run_id=None, at=AT)
    assert steps(tmp_path) == {"a": reference(1), "b": reference(2), "c": reference(3)}
    assert len(list(line(tmp_path).history())) == 3


def test_a_head_of_another_version_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    line(tmp_path).publish({"a": reference(1)}, run_id=None, at=AT)
    head(tmp_path).write_text(json.dumps({**json.loads(head(tmp_path).read_text()), "v": 2}))
    before = head(tmp_path).read_bytes()
    for use in (line(tmp_path).current, lambda: line(tmp_path).publish({"b": reference(2)}, run_id=None, at=AT)):
        with pytest.raises(UnknownLayout):
            use()
    assert head(tmp_path).read_bytes() == before


def test_a_store_that_fails_is_no_damaged_head(tmp_path: Path) -> None:
    """Else a passing fault would take back what others published."""
    line(tmp_path).publish({"a": reference(1)}, run_id=None, at=AT)
    newest = line(tmp_path).publish({"b": reference(2)}, run_id=None, at=AT)
    path = tmp_path / "snapshots" / "pipe" / newest.id.hex
    data = path.read_bytes()
    path.unlink()
    path.symlink_to(path)  # The kernel answers ELOOP to whoever opens it.
    before = head(tmp_path).read_bytes()
    with pytest.raises(StoreError):
        line(tmp_path).publish({"c": reference(3)}, run_id=None, at=AT)
    assert head(tmp_path).read_bytes() == before
    path.unlink()
    path.write_bytes(data)
    line(tmp_path).publish({"c": reference(3)}, run_id=None, at=AT)
    assert steps(tmp_path) == {"a": reference(1), "b": reference(2), "c": reference(3)}


def test_the_newest_good_snapshot_counts_however_many_after_it_are_damaged(tmp_path: Path) -> None:
    snapshots = [line(tmp_path).publish({"a": reference(number)}, run_id=None, at=AT) for number in range(6)]
    for damaged in snapshots[3:]:
        (tmp_path / "snapshots" / "pipe" / damaged.id.hex).write_bytes(b"")
    current = line(tmp_path).current()
    assert current == snapshots[2]


@pytest.mark.parametrize("damage", ["missing", "other bytes"])
def test_a_snapshot_with_a_damaged_part_is_damaged(tmp_path: Path, damage: str) -> None:
    published = {f"step{number}": reference(number) for number in range(100)}
    first = line(tmp_path).publish(published, run_id=None, at=AT)
    before = objects(tmp_path)
    second = line(tmp_path).publish({"step7": reference(5000)}, run_id=None, at=AT)
    (part,) = objects(tmp_path) - before - {f"snapshots/pipe/{second.id.hex}"}
    if damage == "missing":
        (tmp_path / part).unlink()
    else:
        (tmp_path / part).write_bytes((tmp_path / part).read_bytes().replace(b'"step7"', b'"step8"'))
    assert line(tmp_path).current() == first


def test_a_history_ends_where_it_is_damaged(tmp_path: Path) -> None:
    snapshots = [line(tmp_path).publish({"a": reference(number)}, run_id=None, at=AT) for number in range(4)]
    (tmp_path / "snapshots" / "pipe" / snapshots[1].id.hex).unlink()
    assert list(line(tmp_path).history()) == [snapshots[3], snapshots[2]]
