"""What is settled is what the store gives back: same values, same types, same version (truth.md 3.3)."""

from __future__ import annotations

import datetime
import decimal
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import NotStorable
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.formats.frame import settle
from odibi_assets.keep.formats.kept import Kept

ENGINE = PandasEngine()


def column(values: Any, kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"c": pa.array(values, kind)})


def kept(table: pa.Table, folder: Path, *, shared: bool = True) -> tuple[Kept, pa.Table]:
    """The settled frame, and what the store gives back of it."""
    frame = settle(table, shared=shared)
    frame_format.write(frame.value, folder / "frame.parquet")
    return frame, frame_format.read(folder / "frame.parquet")


def assert_fixed_point(frame: Kept, back: pa.Table) -> None:
    assert back.schema.equals(frame.value.schema, check_metadata=True)
    assert repr(back.to_pylist()) == repr(frame.value.to_pylist())
    assert frame_version(back).digest == frame.version
    again = settle(back, shared=False)
    assert again.version == frame.version
    assert again.changes == ()


DAY = datetime.date(2013, 1, 31)
MOMENT = datetime.datetime(2013, 1, 31, 12, 30, 15, 250_000)
WHOLE_SECOND = MOMENT.replace(microsecond=0)
CLOCK = datetime.time(12, 30, 15)
DURATION = datetime.timedelta(days=-3, milliseconds=7)
PARIS = "Europe/Paris"
STRUCT = pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))])
MAP = pa.map_(pa.string(), pa.int64())
COLORS = pa.array(["red", "green", "unused"])

UNCHANGED: dict[str, pa.Table] = {
    **{str(kind): column([0, 1, None, 100], kind) for kind in (
        pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "int64 at its ends": column([-(2**63), 2**63 - 1]),
    "uint64 at its end": column([2**64 - 1], pa.uint64()),
    **{f"{kind} with NaN, infinities, zeros": column([1.5, None, math.nan, math.inf, -math.inf, 0.0, -0.0], kind)
       for kind in (pa.float16(), pa.float32(), pa.float64())},
    "bool": column([True, None, False]),
    "string": column(["", "a", None, "ä\u0000\U0001f600", " "]),
    "large_string": column(["", "a", None], pa.large_string()),
    "binary": column([b"", b"\x00\xff", None]),
    "large_binary": column([b"", None], pa.large_binary()),
    "fixed size binary": column([b"ab", None], pa.binary(2)),
    "null": column([None, None]),
    "date32": column([DAY, None, datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    **{f"timestamp {unit} {zone}": column([WHOLE_SECOND, None], pa.timestamp(unit, zone))
       for unit in ("ms", "us", "ns") for zone in (None, "UTC", PARIS, "+05:30")},
    "timestamp ns at its ends": column([-(2**63) + 1, 2**63 - 1], pa.timestamp("ns")),
    "time32 ms": column([CLOCK, None], pa.time32("ms")),
    "time64 us": column([CLOCK, None], pa.time64("us")),
    "time64 ns": column([CLOCK, None], pa.time64("ns")),
    **{f"duration {unit}": column([datetime.timedelta(seconds=-3), None], pa.duration(unit))
       for unit in ("s", "ms", "us", "ns")},
    "decimal128": column([decimal.Decimal("1.50"), None, decimal.Decimal("-9" * 1 + "9.99")], pa.decimal128(10, 2)),
    "decimal128 at its widest": column([decimal.Decimal("9" * 38)], pa.decimal128(38, 0)),
    "decimal256": column([decimal.Decimal("1.5"), None], pa.decimal256(60, 2)),
    "category": pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int32()), COLORS)}),
    "ordered category": pa.table(
        {"c": pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int32()), COLORS, ordered=True)}),
    "list": column([[1, None], None, []], pa.list_(pa.int64())),
    "large_list": column([[1, None], None, []], pa.large_list(pa.int64())),
    "fixed size list": column([[1, 2], None], pa.list_(pa.int32(), 2)),
    "list of lists": column([[["a"], None, []], None], pa.list_(pa.list_(pa.string()))),
    "list of nulls": column([[None], []], pa.list_(pa.null())),
    "struct": column([{"x": 1, "y": ["a", None]}, None, {"x": None, "y": None}], STRUCT),
    "list of structs": column([[{"x": 1, "y": []}], None, []], pa.list_(STRUCT)),
    "map": column([[("a", 1), ("b", None)], None, []], MAP),
    "list of maps": column([[[("a", 1)]], None], pa.list_(MAP)),
    "struct with a map": column([{"m": [("a", 1)]}, None], pa.struct([("m", MAP)])),
    "name with a dot": pa.table({"a.b": [1]}),
    "empty name": pa.table({"": [1]}),
    "no columns": pa.table({}),
}  # fmt: skip

CHANGED: dict[str, tuple[pa.Table, pa.DataType, list[Any]]] = {
    "timestamp s": (column([WHOLE_SECOND, None], pa.timestamp("s")), pa.timestamp("ms"), [WHOLE_SECOND, None]),
    "timestamp s with zone": (
        column([0, None], pa.timestamp("s", "UTC")), pa.timestamp("ms", "UTC"),
        [datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), None]),
    "time32 s": (column([CLOCK, None], pa.time32("s")), pa.time32("ms"), [CLOCK, None]),
    "date64": (column([DAY, None], pa.date64()), pa.timestamp("ms"), [datetime.datetime(2013, 1, 31), None]),
    "string_view": (column(["a", None], pa.string_view()), pa.string(), ["a", None]),
    "binary_view": (column([b"a", None], pa.binary_view()), pa.binary(), [b"a", None]),
    "category of integers": (
        pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), pa.array([7, 8]))}),
        pa.int64(), [8, None, 7]),
    "category of times in seconds": (
        pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([WHOLE_SECOND], pa.timestamp("s")))}),
        pa.timestamp("ms"), [WHOLE_SECOND]),
    "category with short indices": (
        pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([1, None], pa.int8()), COLORS)}),
        pa.dictionary(pa.int32(), pa.string()), ["green", None]),
    "category of large strings": (
        pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([1, None]), COLORS.cast(pa.large_string()))}),
        pa.dictionary(pa.int32(), pa.string()), ["green", None]),
    "list of timestamps s": (
        column([[WHOLE_SECOND, None], None], pa.list_(pa.timestamp("s"))),
        pa.list_(pa.timestamp("ms")), [[WHOLE_SECOND, None], None]),
    "large_list of timestamps s": (
        column([[WHOLE_SECOND]], pa.large_list(pa.timestamp("s"))),
        pa.large_list(pa.timestamp("ms")), [[WHOLE_SECOND]]),
    "struct of a list of times s": (
        column([{"t": [CLOCK]}, None], pa.struct([("t", pa.list_(pa.time32("s")))])),
        pa.struct([("t", pa.list_(pa.time32("ms")))]), [{"t": [CLOCK]}, None]),
}  # fmt: skip

REFUSED: dict[str, pa.Table] = {
    "timestamp s beyond ms": column([2**60], pa.timestamp("s")),
    "list of timestamps s beyond ms": column([[2**60]], pa.list_(pa.timestamp("s"))),
    "decimal of negative scale": column([decimal.Decimal("100")], pa.decimal128(5, -2)),
    "category of lists": pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[1]]))}),
    "category with null as a value": pa.table(
        {"c": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))}),
    "category with a value twice": pa.table(
        {"c": pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", "a"]))}),
    "struct without fields": column([{}], pa.struct([])),
    "months, days, nanoseconds": column([(1, 2, 3)], pa.month_day_nano_interval()),
    "union": pa.table({"c": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])}),
    "run-end encoded": pa.table({"c": pa.RunEndEncodedArray.from_arrays([2], [1])}),
    "extension": pa.table({"c": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHANGED)
@pytest.mark.parametrize("rows", ["all", "none"])
def test_a_supported_type_comes_back_as_it_was_returned(name: str, rows: str, tmp_path: Path) -> None:
    table = UNCHANGED[name] if rows == "all" else UNCHANGED[name].slice(0, 0)
    frame, back = kept(table, tmp_path)
    assert frame.changes == () or (rows == "none" and "category" in name)
    assert frame.value.schema == table.schema
    assert repr(frame.value.to_pylist()) == repr(table.to_pylist())
    assert_fixed_point(frame, back)


@pytest.mark.parametrize("name", CHANGED)
def test_a_type_that_changes_keeps_every_value_and_is_listed(name: str, tmp_path: Path) -> None:
    table, kind, values = CHANGED[name]
    frame, back = kept(table, tmp_path)
    assert frame.value.schema.field("c").type == kind
    assert frame.value.column("c").to_pylist() == values
    assert frame.changes == (f"c: {table.schema.field('c').type} became {kind}",)
    assert_fixed_point(frame, back)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_come_back_is_refused_with_its_column(name: str) -> None:
    table = REFUSED[name].rename_columns(["the column"])
    with pytest.raises(NotStorable, match="the column"):
        settle(table, shared=False)


def test_a_column_that_stands_twice_is_refused_with_its_name() -> None:
    with pytest.raises(NotStorable, match="'twice' stands twice"):
        settle(pa.Table.from_arrays([pa.array([1])] * 3, names=["twice", "once", "twice"]), shared=False)


def test_rows_without_columns_are_refused() -> None:
    with pytest.raises(NotStorable, match="3 rows and no columns"):
        settle(ENGINE.take(pd.DataFrame(index=range(3))), shared=True)


def test_where_a_frame_lies_in_memory_does_not_count(tmp_path: Path) -> None:
    whole = UNCHANGED["category"].append_column("n", pa.array([1, 2, 3])).append_column("s", pa.array(["a", None, "b"]))
    around = pa.concat_tables([whole, whole, whole]).slice(3, 3)
    chunks = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2)])
    versions = {settle(table, shared=shared).version for table in (whole, around, chunks) for shared in (0, 1)}  # type: ignore[arg-type]
    assert len(versions) == 1
    frame, back = kept(around, tmp_path)
    assert_fixed_point(frame, back)


def test_chunks_with_categories_of_their_own_are_one_frame(tmp_path: Path) -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "a"]).dictionary_encode()]
    frame, back = kept(pa.table({"c": pa.chunked_array(chunks)}), tmp_path)
    assert frame.value.column("c").to_pylist() == ["a", "b", "c", "a"]
    assert_fixed_point(frame, back)


def test_more_rows_and_categories_than_one_page_or_row_group_come_back(tmp_path: Path) -> None:
    names = pa.array([f"a long name of category {i}" for i in range(60_000)])
    indices = pa.array(np.arange(1_100_000, dtype="int32") % 60_000)
    frame, back = kept(pa.table({"c": pa.DictionaryArray.from_arrays(indices, names)}), tmp_path)
    assert frame_version(back).digest == frame.version
    assert back.schema == frame.value.schema


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("index", [pa.int8(), pa.int32()], ids=str)
def test_categories_of_no_rows_are_not_kept_and_that_is_listed(
    index: pa.DataType, shared: bool, tmp_path: Path
) -> None:
    category = pa.DictionaryArray.from_arrays(pa.array([], index), COLORS)
    frame, back = kept(pa.table({"c": category}), tmp_path, shared=shared)
    assert frame.changes[0] == "c: the categories are not kept, as there are no rows"
    assert len(frame.changes) == (1 if index == pa.int32() else 2)
    assert frame.value.schema.field("c").type == pa.dictionary(pa.int32(), pa.string())
    assert_fixed_point(frame, back)


@pytest.mark.parametrize("shared", [True, False])
def test_settling_a_settled_frame_changes_nothing(shared: bool) -> None:
    first = settle(CHANGED["timestamp s"][0], shared=shared)
    second = settle(first.value, shared=shared)
    assert (second.version, second.changes) == (first.version, ())


# pandas.


def frames() -> dict[str, pd.DataFrame]:
    zone = pd.date_range("2013-01-01", periods=3, tz=PARIS)
    return {
        "numbers": pd.DataFrame({"i": [1, 2, 3], "f": [0.5, np.nan, 1.5], "b": [True, False, True]}),
        "text": pd.DataFrame({"t": ["a", None, "c"]}),
        "numbers that may be missing": pd.DataFrame({"c": pd.Series([2**53 + 1, None], dtype="Int64")}),
        "truth that may be missing": pd.DataFrame({"c": pd.Series([True, None], dtype="boolean")}),
        "pandas strings": pd.DataFrame({"c": pd.Series(["a", None], dtype="string")}),
        "Arrow integers": pd.DataFrame({"c": pd.Series([2**53 + 1, None], dtype="int64[pyarrow]")}),
        "Arrow truth": pd.DataFrame({"c": pd.Series([True, None], dtype="bool[pyarrow]")}),
        "times": pd.DataFrame({"t": zone, "n": zone.tz_localize(None), "d": zone - zone[0]}),
        "categories": pd.DataFrame({"c": pd.Categorical(["b", None, "a"], ["c", "b", "a"], ordered=True)}),
        "named index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
        "unnamed index": pd.DataFrame({"a": [1, 2, 3]}).iloc[[2, 0]],
        "range from five": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 7)),
        "index of several": pd.DataFrame(
            {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["p", "q"])
        ),
        "columns of several": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", "1"), ("y", "2")])),
        "columns that are numbers": pd.DataFrame([[1, 2]], columns=[10, 20]),
        "named columns": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="which")),
        "nothing": pd.DataFrame(),
        "no rows": pd.DataFrame({"a": pd.Series([], dtype="int64"), "t": pd.Series([], dtype="object")}),
    }


@pytest.mark.parametrize("name", frames())
def test_a_pandas_frame_comes_back_with_its_index_and_types(name: str, tmp_path: Path) -> None:
    given = frames()[name]
    frame, back = kept(ENGINE.take(given), tmp_path)
    assert frame_version(back).digest == frame.version
    fresh, reused = (ENGINE.hand_over(table, "pandas.DataFrame") for table in (frame.value, back))
    pd.testing.assert_frame_equal(fresh, reused)
    pd.testing.assert_frame_equal(fresh, given)


def test_the_same_pandas_frame_has_the_same_version_however_it_was_made() -> None:
    made = pd.DataFrame({"a": [1, 2], "t": ["x", "y"]})
    filtered = pd.DataFrame({"a": [0, 1, 2], "t": ["", "x", "y"]}).query("a > 0").reset_index(drop=True)
    assert settle(ENGINE.take(made), shared=True).version == settle(ENGINE.take(filtered), shared=True).version


def test_an_index_is_part_of_the_version() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    others = [frame.set_axis([1, 0]), frame.set_axis(["x", "y"]), frame.rename_axis("row"), frame.set_axis([5, 6])]
    versions = {settle(ENGINE.take(each), shared=True).version for each in (frame, *others)}
    assert len(versions) == 5


def test_an_arrow_dtype_that_pandas_can_not_name_still_reaches_consumers(tmp_path: Path) -> None:
    given = pd.DataFrame({"c": pd.Series([[1, 2], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))})
    _, back = kept(ENGINE.take(given), tmp_path)
    handed = ENGINE.hand_over(back, "pandas.DataFrame")["c"].tolist()
    assert [None if value is None else list(value) for value in handed] == [[1, 2], None]


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "datetime64[ns]"])
def test_a_pandas_frame_that_is_changed_after_settling_changes_nothing(dtype: str, tmp_path: Path) -> None:
    array = np.array([1, 0, 1] * 1000).astype(dtype)
    given = pd.DataFrame({"c": array}, copy=False)
    frame, back = kept(ENGINE.take(given), tmp_path)
    before = frame.value.to_pylist()
    given.iloc[:, 0] = np.array([0, 1, 0] * 1000).astype(dtype)
    array[:] = np.array([0, 1, 0] * 1000).astype(dtype)
    assert frame.value.to_pylist() == before == back.to_pylist()
    assert frame_version(frame.value).digest == frame.version


@pytest.mark.parametrize("name", ["numbers", "times", "text", "categories"])
def test_what_one_consumer_does_to_its_frame_reaches_no_other(name: str) -> None:
    frame = settle(ENGINE.take(frames()[name]), shared=True)
    first = ENGINE.hand_over(frame.value, "pandas.DataFrame")
    for label in first:
        first[label].array[0] = first[label].array[2]
        first[label] = first[label].iloc[::-1].array
    pd.testing.assert_frame_equal(ENGINE.hand_over(frame.value, "pandas.DataFrame"), frames()[name])
    assert frame_version(frame.value).digest == frame.version


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pd.period_range("2013", periods=2), id="periods"),
        pytest.param(pd.interval_range(0, 2), id="intervals"),
        pytest.param([1, "one"], id="numbers and text"),
        pytest.param([object(), object()], id="objects"),
        pytest.param(pd.arrays.SparseArray([0, 1]), id="sparse"),
        pytest.param([1 + 2j, 0j], id="complex"),
    ],
)
def test_what_pandas_holds_and_parquet_does_not_is_refused_with_its_column(values: Any) -> None:
    given = pd.DataFrame({"good": [1, 2], "offending": values})
    with pytest.raises(NotStorable, match="offending"):
        settle(ENGINE.take(given), shared=True)


# Random frames.

TYPES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 255)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes()),
    (
        pa.timestamp("s"),
        st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)).map(
            lambda d: d.replace(microsecond=0)
        ),
    ),
    (pa.time64("us"), st.times()),
    (pa.duration("us"), st.timedeltas(datetime.timedelta(-10_000), datetime.timedelta(10_000))),
    (pa.decimal128(12, 3), st.decimals(-(10**8), 10**8, places=3)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "c"])),
    (pa.dictionary(pa.int32(), pa.int64()), st.integers(0, 5)),
]


@st.composite
def nested(draw: st.DrawFn) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    plain = st.sampled_from(TYPES[:-2])
    kind, values = draw(plain)
    shape = draw(st.sampled_from(["plain", "plain", "list", "struct", "map"]))
    if shape == "list":
        return pa.list_(kind), st.lists(st.none() | values, max_size=3)
    if shape == "struct":
        other, other_values = draw(plain)
        fields = {"x": st.none() | values, "y": st.none() | other_values}
        return pa.struct([("x", kind), ("y", other)]), st.fixed_dictionaries(fields)
    if shape == "map":
        pairs = st.lists(
            st.tuples(st.text("abc", max_size=2), st.none() | values), max_size=3, unique_by=lambda p: p[0]
        )
        return pa.map_(pa.string(), kind), pairs
    return draw(st.sampled_from(TYPES))


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    row_count = draw(st.integers(0, 6))
    names = draw(st.lists(st.text("ab.é ", max_size=3), min_size=1, max_size=4, unique=True))
    columns = []
    for _ in names:
        kind, values = draw(nested())
        found = draw(st.lists(st.none() | values, min_size=row_count, max_size=row_count))
        columns.append(pa.array(found, kind))
    table = pa.Table.from_arrays(columns, names=names)
    cut = draw(st.integers(0, row_count))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)]) if draw(st.booleans()) else table.slice(cut)


@settings(max_examples=250, deadline=None)
@given(table=tables(), shared=st.booleans())
def test_any_frame_that_is_settled_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table, shared: bool
) -> None:
    frame, back = kept(table, tmp_path_factory.mktemp("frame"), shared=shared)
    assert frame.value.to_pylist() == table.to_pylist() == back.to_pylist()
    assert frame_version(back).digest == frame.version
    assert back.schema.equals(frame.value.schema, check_metadata=True)
    changed = {field.name for field in table.schema if frame.value.schema.field(field.name).type != field.type}
    listed = {change.partition(": ")[0] for change in frame.changes if "categories are not kept" not in change}
    assert listed == changed
