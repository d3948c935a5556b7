"""Frames handed on in memory, up to a limit."""

from __future__ import annotations

import pyarrow as pa

from odibi_assets.execute.frame_memory import FrameMemory
from odibi_assets.identify.digest import Digest


def version(number: int) -> Digest:
    return Digest.of_struct("version", number)


def test_the_table_used_longest_ago_goes_first_and_its_commit_is_waited_for() -> None:
    waited: list[Digest] = []
    table = pa.table({"a": list(range(100))})
    memory = FrameMemory(waited.append, limit_bytes=2 * table.nbytes)
    memory.put(version(1), table)
    memory.put(version(2), table)
    assert memory.get(version(1)) is not None
    memory.put(version(3), table)
    assert memory.get(version(2)) is None
    assert memory.get(version(1)) is not None
    assert waited == [version(2)]


def test_one_table_is_kept_however_large() -> None:
    memory = FrameMemory(lambda version: None, limit_bytes=1)
    memory.put(version(1), pa.table({"a": list(range(100))}))
    assert memory.get(version(1)) is not None


def test_a_dropped_table_is_gone() -> None:
    memory = FrameMemory(lambda version: None)
    memory.put(version(1), pa.table({"a": [1]}))
    memory.drop(version(1))
    assert memory.get(version(1)) is None
