"""Frames handed over and taken back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import NotStorable, StepError

ENGINE = PandasEngine()


def test_a_taker_may_change_its_frame_freely() -> None:
    table = pa.table({"a": [1, 2, 3]})
    frame = ENGINE.hand_over(table, "pandas.DataFrame")
    frame.loc[0, "a"] = 99
    frame["a"] += 1
    assert table.to_pydict() == {"a": [1, 2, 3]}


def test_several_files_are_joined_in_order(tmp_path: Path) -> None:
    for name, value in (("b.csv", 2), ("a.csv", 1)):
        (tmp_path / name).write_text(f"v\n{value}\n")
    table = ENGINE.read("csv", [tmp_path / "a.csv", tmp_path / "b.csv"], {})
    assert table.to_pydict() == {"v": [1, 2]}


def test_options_are_those_of_pandas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("v;w\n1;x\n")
    assert ENGINE.read("csv", [tmp_path / "a.csv"], {"sep": ";", "usecols": ["w"]}).to_pydict() == {"w": ["x"]}


def test_parquet_is_read(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    assert ENGINE.read("parquet", [tmp_path / "a.parquet"], {}).column("a").to_pylist() == [1, 2]


def test_a_file_that_can_not_be_parsed_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text('a,b\n1,2\n3,4,5,6\n"')
    with pytest.raises(StepError, match=r"bad\.csv can't be read as csv"):
        ENGINE.read("csv", [tmp_path / "bad.csv"], {})


@pytest.mark.parametrize(("value", "words"), [(None, "nothing"), (pd.Series([1]), "to_frame"), ([1], "builtins.list")])
def test_what_is_no_frame_is_refused(value: object, words: str) -> None:
    with pytest.raises(NotStorable, match=words):
        ENGINE.take(value)


def test_a_column_of_mixed_types_is_named() -> None:
    with pytest.raises(NotStorable, match="'mixed'"):
        ENGINE.take(pd.DataFrame({"fine": [1, 2], "mixed": ["x", 1]}))
