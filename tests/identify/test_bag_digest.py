"""Frames with the same rows in any order have one bag digest, others have not (truth.md 3.1)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_frame_version import EVERY_TYPE, MATTERS, as_table, tables

from odibi_assets.errors import NotStorable
from odibi_assets.identify.bag_digest import bag_digest


def shuffled(table: pa.Table, seed: int = 3) -> pa.Table:
    indices = list(range(table.num_rows))
    random.Random(seed).shuffle(indices)
    return table.take(pa.array(indices, pa.int64()))


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_neither_order_nor_chunks_nor_offsets_count(kind: str) -> None:
    array = EVERY_TYPE[kind]
    table = pa.table({"x": array, "i": range(4)})
    around = pa.concat_tables([table, table, table]).slice(4, 4)
    for other in (shuffled(table), shuffled(around), pa.concat_tables([table.slice(2), table.slice(0, 2)])):
        assert bag_digest(other) == bag_digest(table)
    assert bag_digest(table.slice(0, 3)) != bag_digest(table)


@pytest.mark.parametrize("kind", [kind for kind in EVERY_TYPE if kind != "null"])
def test_each_value_counts(kind: str) -> None:
    array = EVERY_TYPE[kind]
    found = {bag_digest(pa.table({"x": array.take(pa.array([i]))})).hex for i in range(4)}
    assert len(found) == len(set(map(repr, array.to_pylist())))


@pytest.mark.parametrize("case", MATTERS, ids=list(MATTERS))
def test_what_counts_for_a_version_counts_but_for_the_order(case: str) -> None:
    one, other = map(as_table, MATTERS[case])
    rows = [sorted(map(repr, table.to_pylist())) for table in (one, other)]
    is_same = rows[0] == rows[1] and one.schema.equals(other.schema, check_metadata=True)
    dictionaries = any(pa.types.is_dictionary(kind) for kind in one.schema.types)
    assert (bag_digest(one) == bag_digest(other)) == (is_same and not dictionaries)


def test_rows_that_swap_a_value_are_others() -> None:
    one = pa.table({"n": [1, 2], "t": ["a", "b"]})
    other = pa.table({"n": [1, 2], "t": ["b", "a"]})
    assert bag_digest(one) != bag_digest(other)


def test_a_row_that_stands_twice_does_not_vanish() -> None:
    digests = {bag_digest(pa.table({"n": pa.array([7] * count, pa.int64())})) for count in range(6)}
    assert len(digests) == 6


def test_values_that_move_from_one_column_or_text_to_the_next_are_others() -> None:
    assert bag_digest(pa.table({"a": ["xy"], "b": ["z"]})) != bag_digest(pa.table({"a": ["x"], "b": ["yz"]}))
    assert bag_digest(pa.table({"a": ["x" * 8, ""]})) != bag_digest(pa.table({"a": ["x" * 7, "x"]}))
    assert bag_digest(pa.table({"a": ["x"]})) != bag_digest(pa.table({"a": ["x\0"]}))


def test_nan_is_one_value_and_zero_has_a_sign() -> None:
    bits = [np.array([pattern], np.uint64).view(np.float64) for pattern in (0x7FF8000000000000, 0xFFF8000000000001)]
    assert bag_digest(pa.table({"a": bits[0]})) == bag_digest(pa.table({"a": bits[1]}))
    assert bag_digest(pa.table({"a": [0.0]})) != bag_digest(pa.table({"a": [-0.0]}))


def test_a_key_gives_digests_of_its_own() -> None:
    table = pa.table({"a": [1]})
    assert bag_digest(table, key=b"1" * 16) != bag_digest(table)


def test_more_rows_than_one_block() -> None:
    table = pa.table({"n": np.arange(150_000), "t": [str(i) for i in range(150_000)]})
    assert bag_digest(shuffled(table)) == bag_digest(table)
    other = table.set_column(0, "n", pa.array(np.where(np.arange(150_000) == 140_000, 0, np.arange(150_000))))
    assert bag_digest(other) != bag_digest(table)


def test_an_empty_frame_has_a_bag_with_its_types() -> None:
    assert bag_digest(pa.table({"a": pa.array([], pa.int64())})) != bag_digest(pa.table({"a": pa.array([], pa.int8())}))
    assert bag_digest(pa.table({})) == bag_digest(pa.table({}))


def test_a_type_without_a_canonical_form_is_refused_by_the_columns_name() -> None:
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(NotStorable, match="Column 'odd'"):
        bag_digest(pa.table({"odd": union}))


def rows_of(table: pa.Table) -> list[Any]:
    return sorted(map(repr, table.to_pylist()))


@given(tables(), tables(), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_frames_of_one_bag_have_the_same_rows(one: pa.Table, other: pa.Table, seed: int) -> None:
    assert bag_digest(shuffled(one, seed)) == bag_digest(one)
    if one.schema == other.schema:
        assert (bag_digest(one) == bag_digest(other)) == (rows_of(one) == rows_of(other))
