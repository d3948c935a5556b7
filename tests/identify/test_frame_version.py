"""What a consumer can see of a frame counts for its version; how it lies in memory does not."""

from __future__ import annotations

import datetime
import decimal
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi_assets.errors import NotStorable
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.keep.formats.frame import read, settle, write

NAN, UTC = float("nan"), datetime.UTC


def as_table(value: Any) -> pa.Table:
    """A table, or a frame as it is kept when a step returns it."""
    if isinstance(value, pd.DataFrame):
        return settle(pa.Table.from_pandas(value), shared=True).value
    return value if isinstance(value, pa.Table) else pa.table(value)


def version(value: Any) -> str:
    return frame_version(as_table(value)).digest.hex


def test_the_version_of_a_frame_is_what_it_ever_was() -> None:
    table = pa.table({"id": pa.array([1, None, 3]), "name": pa.array(["a", "", None]), "x": pa.array([0.5, -0.0, NAN])})
    assert version(table) == "2eace3bb690508c0efbdfb7c83c22823c3eeb862d4089b1083d4b090145b47f4"


CATEGORIES = pd.CategoricalDtype(["a", "b", "c"])
MATTERS: dict[str, tuple[Any, Any]] = {
    "a value": ({"a": [1, 2]}, {"a": [1, 3]}),
    "the order of rows": ({"a": [1, 2]}, {"a": [2, 1]}),
    "rows that pair differently": ({"a": [1, 2], "b": ["x", "y"]}, {"a": [1, 2], "b": ["y", "x"]}),
    "a row more": ({"a": [1, 2]}, {"a": [1, 2, 2]}),
    "the order of columns": ({"a": [1], "b": [1]}, {"b": [1], "a": [1]}),
    "a column's name": ({"a": [1]}, {"b": [1]}),
    "exchanged names": ({"a": [1], "b": [2]}, {"b": [1], "a": [2]}),
    "a column more": ({"a": [1]}, {"a": [1], "b": [None]}),
    "a type": ({"a": pa.array([1], pa.int64())}, {"a": pa.array([1], pa.int32())}),
    "signedness": ({"a": pa.array([1], pa.int64())}, {"a": pa.array([1], pa.uint64())}),
    "float against integer": ({"a": [1.0]}, {"a": [1]}),
    "text against bytes": ({"a": ["x"]}, {"a": [b"x"]}),
    "large text": ({"a": pa.array(["x"])}, {"a": pa.array(["x"], pa.large_string())}),
    "a null against zero": ({"a": pa.array([None], pa.int64())}, {"a": [0]}),
    "a null against an empty text": ({"a": pa.array([None], pa.string())}, {"a": [""]}),
    "a null against NaN": ({"a": pa.array([None], pa.float64())}, {"a": [NAN]}),
    "a null against an empty list": (
        {"a": pa.array([None], pa.list_(pa.int64()))},
        {"a": pa.array([[]], pa.list_(pa.int64()))},
    ),
    "where a null is": ({"a": [None, 1, 1]}, {"a": [1, None, 1]}),
    "nulls in text": ({"a": ["x", None, ""]}, {"a": ["x", "", None]}),
    "negative zero": ({"a": [0.0]}, {"a": [-0.0]}),
    "where a text ends": ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
    "where a list ends": ({"a": [[1], [2, 3]]}, {"a": [[1, 2], [3]]}),
    "which list is empty": ({"a": [[], [1]]}, {"a": [[1], []]}),
    "a truth": ({"a": [True, False]}, {"a": [False, True]}),
    "a struct's field": ({"a": [{"x": 1}]}, {"a": [{"y": 1}]}),
    "a struct's null": ({"a": [{"x": None}]}, {"a": pa.array([None], pa.struct([("x", pa.null())]))}),
    "a decimal's scale": (
        {"a": pa.array([decimal.Decimal(1)], pa.decimal128(5, 1))},
        {"a": pa.array([decimal.Decimal(1)], pa.decimal128(5, 2))},
    ),
    "a time's unit": ({"a": pa.array([1000], pa.timestamp("us"))}, {"a": pa.array([1000], pa.timestamp("ns"))}),
    "a time zone": (
        {"a": pa.array([1], pa.timestamp("us", "UTC"))},
        {"a": pa.array([1], pa.timestamp("us", "Europe/Paris"))},
    ),
    "no time zone": ({"a": pa.array([1], pa.timestamp("us", "UTC"))}, {"a": pa.array([1], pa.timestamp("us"))}),
    "the order of categories": (
        pd.DataFrame({"a": pd.Categorical(["a"], ["a", "b"])}),
        pd.DataFrame({"a": pd.Categorical(["a"], ["b", "a"])}),
    ),
    "a category that is not used": (
        pd.DataFrame({"a": pd.Categorical(["a"], ["a", "b"])}),
        pd.DataFrame({"a": pd.Categorical(["a"], ["a"])}),
    ),
    "whether categories are ordered": (
        pd.DataFrame({"a": pd.Categorical(["a"], ["a", "b"])}),
        pd.DataFrame({"a": pd.Categorical(["a"], ["a", "b"], ordered=True)}),
    ),
    "a category against its text": (pd.DataFrame({"a": ["a"]}, dtype="category"), pd.DataFrame({"a": ["a"]})),
    "an index": (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]}, index=[5, 6])),
    "an index's values": (pd.DataFrame({"a": [1, 2]}, index=[5, 7]), pd.DataFrame({"a": [1, 2]}, index=[5, 6])),
    "an index's name": (
        pd.DataFrame({"a": [1]}, index=pd.Index([5], name="x")),
        pd.DataFrame({"a": [1]}, index=pd.Index([5], name="y")),
    ),
    "a range that does not start at zero": (
        pd.DataFrame({"a": [1]}, index=pd.RangeIndex(1, 2)),
        pd.DataFrame({"a": [1]}, index=pd.RangeIndex(0, 1)),
    ),
    "an index against a column": (
        pd.DataFrame({"a": [1], "b": [2]}),
        pd.DataFrame({"a": [1], "b": [2]}).set_index("b"),
    ),
    "a pandas type that allows nulls": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, dtype="Int64")),
    "a name of the columns": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}).rename_axis(columns="kind")),
}


@pytest.mark.parametrize("case", MATTERS, ids=list(MATTERS))
def test_what_a_consumer_can_see_changes_the_version(case: str) -> None:
    one, other = MATTERS[case]
    assert version(one) != version(other)


def chunked(table: pa.Table, *cuts: int) -> pa.Table:
    ends = [0, *cuts, table.num_rows]
    return pa.concat_tables([table.slice(start, end - start) for start, end in zip(ends, ends[1:], strict=False)])


EVERY_TYPE: dict[str, pa.Array] = {
    "int": pa.array([1, None, 3, -4]),
    "bool": pa.array([True, None, False, True]),
    "float": pa.array([1.5, None, NAN, -0.0]),
    "half": pa.array([np.float16(1), None, np.float16(2), np.float16(3)], pa.float16()),
    "text": pa.array(["a", None, "", "ccc"]),
    "large_text": pa.array(["a", None, "", "ccc"], pa.large_string()),
    "bytes": pa.array([b"a", None, b"", b"\x00\xff"]),
    "fixed_bytes": pa.array([b"ab", None, b"cd", b"ef"], pa.binary(2)),
    "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(0), decimal.Decimal(-3)], pa.decimal128(9, 2)),
    "wide_decimal": pa.array(
        [decimal.Decimal("1e40"), None, decimal.Decimal(0), decimal.Decimal(-3)], pa.decimal256(60, 2)
    ),
    "large_bytes": pa.array([b"a", None, b"", b"c"], pa.large_binary()),
    "large_list": pa.array([[1, None], None, [], [2]], pa.large_list(pa.int64())),
    "seconds": pa.array([1, None, 3, 4], pa.timestamp("s")),
    "short_time": pa.array([1, None, 3, 4], pa.time32("ms")),
    "unsigned": pa.array([1, None, 3, 2**64 - 1], pa.uint64()),
    "ordered_category": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1, 0], pa.int32()), pa.array(["b", "a"]), ordered=True
    ),
    "date": pa.array([datetime.date(2013, 1, 1), None, datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)]),
    "timestamp": pa.array([1, None, 3, 4], pa.timestamp("us", "Europe/Paris")),
    "time": pa.array([1, None, 3, 4], pa.time64("us")),
    "duration": pa.array([1, None, 3, 4], pa.duration("us")),
    "list": pa.array([[1, None], None, [], [2]]),
    "fixed_list": pa.array([[1, 2], None, [3, None], [4, 5]], pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, {"a": 2, "b": None}]),
    "nested": pa.array([[{"a": [1, 2]}], None, [{"a": None}, None], []]),
    "map": pa.array([[("a", 1)], None, [], [("b", None), ("c", 3)]], pa.map_(pa.string(), pa.int64())),
    "category": pa.array(["a", None, "b", "a"]).dictionary_encode(),
    "null": pa.array([None] * 4),
}


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_the_version_of_each_type_is_what_it_ever_was(kind: str) -> None:
    """Another digest recomputes everything that anybody kept: raise ``KEY_SCHEMA`` if it has to be."""
    golden = json.loads(Path(__file__).with_name("golden_versions.json").read_text())
    assert version(pa.table({"x": EVERY_TYPE[kind]})) == golden[kind]


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_chunks_and_offsets_do_not_count(kind: str) -> None:
    array = EVERY_TYPE[kind]
    table = pa.table({"x": array})
    padded = pa.concat_arrays([array, array]).slice(4, 4)
    assert padded.offset == 4 or kind == "null"
    for other in (chunked(table, 1), chunked(table, 1, 1, 3), chunked(table, 0, 4), pa.table({"x": padded})):
        assert version(other) == version(table)


@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_a_slice_is_what_its_rows_are(kind: str) -> None:
    array = EVERY_TYPE[kind]
    copied = array.take(pa.array([1, 2]))
    assert version(pa.table({"x": array.slice(1, 2)})) == version(pa.table({"x": copied}))
    assert version(pa.table({"x": array.slice(0, 2)})) != version(pa.table({"x": copied})) or kind == "null"


def test_an_empty_frame_has_a_version_with_its_types() -> None:
    no_chunks = pa.table({"a": pa.chunked_array([], pa.int64())})
    assert version(no_chunks) == version(pa.table({"a": pa.array([], pa.int64())}))
    assert version(no_chunks) != version(pa.table({"a": pa.array([], pa.string())}))
    assert version(pa.table({})) != version(no_chunks)


def with_bits(kind: pa.DataType, first: Any, second: Any) -> pa.Table:
    """Two values of which the first is null, with these bits under it."""
    data = pa.array([first, second], kind).buffers()[1]
    return pa.table({"a": pa.Array.from_buffers(kind, 2, [pa.py_buffer(b"\x02"), data])})


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.duration("s")],
    ids=str,
)
def test_what_lies_under_a_null_does_not_count(kind: pa.DataType) -> None:
    zero, one = (False, True) if kind == pa.bool_() else (0, 1)
    assert version(with_bits(kind, zero, one)) == version(with_bits(kind, one, one))
    assert version(with_bits(kind, one, zero)) != version(with_bits(kind, one, one))


def test_what_lies_under_a_null_in_nested_types_does_not_count() -> None:
    mask = pa.array([True, False])
    structs = [pa.StructArray.from_arrays([pa.array([x, 2])], ["a"], mask=mask) for x in (1, 9)]
    lists = [pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array([x, x, 3]), mask=mask) for x in (1, 9)]
    texts = [
        pa.Array.from_buffers(
            pa.string(), 2, [pa.py_buffer(b"\x02"), pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(x)]
        )
        for x in (b"ab", b"xb")
    ]
    for one, other in (structs, lists, texts):
        assert version({"a": one}) == version({"a": other})


def test_every_nan_is_one_value() -> None:
    bits = [
        np.array([pattern], dtype=np.uint64).view(np.float64) for pattern in (0x7FF8000000000000, 0xFFF8000000000001)
    ]
    assert version({"a": pa.array(bits[0])}) == version({"a": pa.array(bits[1])})


def test_the_digest_of_a_column_does_not_depend_on_the_others() -> None:
    one = frame_version(pa.table({"a": [1], "b": [2]})).columns
    other = frame_version(pa.table({"b": [2], "c": ["x"]})).columns
    assert one["b"] == other["b"]
    assert set(one) == {"a", "b"}


def test_a_type_without_a_canonical_form_is_refused_by_the_columns_name() -> None:
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(NotStorable, match="Column 'odd'"):
        frame_version(pa.table({"odd": union}))


def test_pandas_plain_index_is_no_data() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert version(frame) == version(pa.table({"a": [1, 2]}))
    assert version(frame) == version(frame.reset_index(drop=True)) == version(frame.copy())


COLUMNS = st.sampled_from(
    [
        (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.uint8(), st.integers(0, 255)),
        (pa.float64(), st.floats()),
        (pa.float32(), st.floats(width=32)),
        (pa.bool_(), st.booleans()),
        (pa.string(), st.text()),
        (pa.large_string(), st.text()),
        (pa.binary(), st.binary()),
        (pa.date32(), st.dates()),
        (pa.timestamp("us"), st.datetimes()),
        (pa.timestamp("s"), st.datetimes().map(lambda value: value.replace(microsecond=0))),
        (pa.timestamp("ns", "UTC"), st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))),
        (pa.time64("us"), st.times()),
        (pa.decimal128(12, 3), st.decimals(-1000, 1000, places=3)),
        (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-5, 5), max_size=3)),
        (
            pa.struct([("x", pa.int64()), ("y", pa.string())]),
            st.fixed_dictionaries({"x": st.integers(-5, 5), "y": st.text()}),
        ),
        (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "", "é"])),
        (pa.dictionary(pa.int16(), pa.int64()), st.integers(0, 3)),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    row_count = draw(st.integers(0, 6))
    columns = {}
    for i in range(draw(st.integers(1, 4))):
        kind, values = draw(COLUMNS)
        drawn = draw(st.lists(st.none() | values, min_size=row_count, max_size=row_count))
        columns[f"{draw(st.sampled_from(['a', 'Ä b', '']))}{i}"] = pa.array(drawn, kind)
    cut = draw(st.integers(0, row_count))
    return chunked(pa.table(columns), cut)


@given(tables())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_comes_back_with_the_same_version(table: pa.Table) -> None:
    frame = settle(table, shared=False)
    with tempfile.TemporaryDirectory() as folder:
        write(frame.value, Path(folder) / "x.parquet")
        back = read(Path(folder) / "x.parquet")
    assert frame_version(back).digest == frame.version
    assert settle(back, shared=False).version == frame.version


@given(tables(), tables())
@settings(max_examples=100, deadline=None)
def test_frames_of_one_version_are_equal(one: pa.Table, other: pa.Table) -> None:
    same = one.schema.equals(other.schema) and repr(one.to_pylist()) == repr(other.to_pylist())
    if version(one) == version(other):
        assert same
