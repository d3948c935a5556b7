"""Where two values differ is told by column and row, or by path, line and element, with what stood there."""

from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from odibi_assets.execute.differing import places
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import FORMATS

NAN = float("nan")


def kept(value: Any, format: str, folder: Path) -> Kept:
    if format == "parquet" and isinstance(value, dict):
        value = pa.table(value)
    return FORMATS[format].settle(value, shared=False, folder=folder)


@pytest.mark.parametrize(
    ("format", "before", "after", "told"),
    [
        ("parquet", {"n": [1, 2, 3]}, {"n": [1, 5, 3]}, ["column n, row 2: 2 → 5"]),
        ("parquet", {"n": [1, None]}, {"n": [1, 0]}, ["column n, row 2: null → 0"]),
        ("parquet", {"x": [0.0, NAN]}, {"x": [-0.0, NAN]}, ["column x, row 1: 0.0 → -0.0"]),
        ("parquet", {"x": [[1], [2]]}, {"x": [[1], [3]]}, ["column x, row 2: [2] → [3]"]),
        (
            "parquet",
            {"d": [decimal.Decimal("1.10")]},
            {"d": [decimal.Decimal("1.20")]},
            ["column d, row 1: Decimal('1.10') → Decimal('1.20')"],
        ),
        ("parquet", {"n": [1, 2]}, {"n": [1]}, ["rows: 2 → 1"]),
        ("parquet", {"a": [1]}, {"b": [1]}, ["columns: ['a'] → ['b']"]),
        (
            "parquet",
            {"a": pa.array([1], "int8")},
            {"a": pa.array([1], "int64")},
            ["the type of column a: int8 → int64"],
        ),
        ("parquet", {"n": list(range(9))}, {"n": [9] * 9}, [f"column n, row {i + 1}: {i} → 9" for i in range(5)]),
        ("json", {"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["value.a[1].b: 2 → 3"]),
        ("json", {"a": 1}, {"a": 1.0, "c": None}, ["value.a: 1 → 1.0", "value.c: (nothing) → null"]),
        ("json", {"a": 1, "b": 2}, {"b": 2, "a": 1}, ["the order of value: ['a', 'b'] → ['b', 'a']"]),
        ("text", "one\ntwo\n", "one\n2\n", ["line 2: 'two\\n' → '2\\n'"]),
        ("numpy", np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), ["array, element 3: 4 → 5"]),
        ("numpy", {"a": np.zeros(2)}, {"a": np.zeros(3)}, ["array a: float64 of shape (2,) → float64 of shape (3,)"]),
    ],
)
def test_the_first_places_that_differ_are_told(
    tmp_path: Path, format: str, before: Any, after: Any, told: list[str]
) -> None:
    pair = kept(before, format, tmp_path), kept(after, format, tmp_path)
    assert [str(place) for place in places(*pair)] == told


def test_a_row_beyond_the_first_part_of_a_large_frame_is_named(tmp_path: Path) -> None:
    numbers = np.arange(200_000)
    before = kept({"n": numbers.copy()}, "parquet", tmp_path)
    numbers[150_000] = -1
    (place,) = places(before, kept({"n": numbers}, "parquet", tmp_path))
    assert (place.row, place.before, place.after) == (150_001, "150000", "-1")


def test_bytes_and_files_differ_by_what_they_hold(tmp_path: Path) -> None:
    (one,) = places(kept(b"a", "bytes", tmp_path), kept(b"b", "bytes", tmp_path))
    assert one.column == "content"
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text(name * 2)
    (two,) = places(kept(tmp_path / "x", "folder", tmp_path / "t"), kept(tmp_path / "y", "folder", tmp_path / "t"))
    assert two.column == "file part"
    assert two.before.startswith("2 bytes, ")


def test_an_index_of_pandas_that_differs_alone_is_said_so(tmp_path: Path) -> None:
    def framed(step: int) -> Kept:
        return kept(
            pa.Table.from_pandas(pd.DataFrame({"n": [1, 2]}, index=pd.RangeIndex(0, 2 * step, step))),
            "parquet",
            tmp_path,
        )

    (place,) = places(framed(2), framed(3))
    assert place.column == "pandas' index or types"
