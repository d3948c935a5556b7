"""Values handed on in memory, up to a limit."""

from __future__ import annotations

import pyarrow as pa

from odibi_assets.execute.value_memory import ValueMemory
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.frame import settle
from odibi_assets.keep.formats.kept import Kept


def version(number: int) -> Digest:
    return Digest.of_struct("version", number)


def frame(rows: int) -> Kept:
    return settle(pa.table({"a": list(range(rows))}), shared=False)


def test_the_table_used_longest_ago_goes_first_and_its_commit_is_waited_for() -> None:
    waited: list[Digest] = []
    table = frame(100)
    memory = ValueMemory(waited.append, limit_bytes=2 * table.size_bytes)
    memory.put(version(1), None, table)
    memory.put(version(2), None, table)
    assert memory.get(version(1), None) is not None
    memory.put(version(3), None, table)
    assert memory.get(version(2), None) is None
    assert memory.get(version(1), None) is not None
    assert waited == [version(2)]


def test_one_table_is_kept_however_large() -> None:
    memory = ValueMemory(lambda version: None, limit_bytes=1)
    memory.put(version(1), None, frame(100))
    assert memory.get(version(1), None) is not None


def test_a_dropped_table_is_gone() -> None:
    memory = ValueMemory(lambda version: None)
    memory.put(version(1), None, frame(1))
    memory.drop(version(1))
    assert memory.get(version(1), None) is None
