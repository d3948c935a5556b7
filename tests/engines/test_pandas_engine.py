"""Frames handed over and taken back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from odibi_assets.engines.engine import SourceFile
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import NotStorable, StepError
from odibi_assets.identify.file_digest import partition_of

ENGINE = PandasEngine()


def sources(folder: Path, *names: str) -> list[SourceFile]:
    return [SourceFile(folder / name, dict(partition_of(folder / name, folder))) for name in names]


def test_a_taker_may_change_its_frame_freely() -> None:
    table = pa.table({"a": [1, 2, 3]})
    frame = ENGINE.hand_over(table, "pandas.DataFrame")
    frame.loc[0, "a"] = 99
    frame["a"] += 1
    assert table.to_pydict() == {"a": [1, 2, 3]}


def test_several_files_are_joined_in_order(tmp_path: Path) -> None:
    for name, value in (("b.csv", 2), ("a.csv", 1)):
        (tmp_path / name).write_text(f"v\n{value}\n")
    table = ENGINE.read("csv", sources(tmp_path, "a.csv", "b.csv"), {})
    assert table.to_pydict() == {"v": [1, 2]}


def test_options_are_those_of_pandas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("v;w\n1;x\n")
    assert ENGINE.read("csv", sources(tmp_path, "a.csv"), {"sep": ";", "usecols": ["w"]}).to_pydict() == {"w": ["x"]}


def test_parquet_is_read(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    assert ENGINE.read("parquet", sources(tmp_path, "a.parquet"), {}).column("a").to_pylist() == [1, 2]


def test_a_file_that_can_not_be_parsed_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text('a,b\n1,2\n3,4,5,6\n"')
    with pytest.raises(StepError, match=r"bad\.csv can't be read as csv"):
        ENGINE.read("csv", sources(tmp_path, "bad.csv"), {})


@pytest.mark.parametrize(("value", "words"), [(None, "nothing"), (pd.Series([1]), "to_frame"), ([1], "builtins.list")])
def test_what_is_no_frame_is_refused(value: object, words: str) -> None:
    with pytest.raises(NotStorable, match=words):
        ENGINE.take(value)


def test_a_column_of_mixed_types_is_named() -> None:
    with pytest.raises(NotStorable, match="'mixed'"):
        ENGINE.take(pd.DataFrame({"fine": [1, 2], "mixed": ["x", 1]}))


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
WRITERS = {
    "csv": lambda path: FRAME.to_csv(path, index=False),
    "parquet": FRAME.to_parquet,
    "json": lambda path: FRAME.to_json(path, orient="records"),
    "jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "excel": lambda path: FRAME.to_excel(path, index=False, engine="openpyxl"),
}


@pytest.mark.parametrize("format", WRITERS)
def test_every_format_is_read(tmp_path: Path, format: str) -> None:
    name = "a.xlsx" if format == "excel" else f"a.{format}"
    WRITERS[format](tmp_path / name)
    assert ENGINE.read(format, sources(tmp_path, name), {}).to_pydict() == {"a": [1, 2], "b": ["x", None]}


@pytest.mark.parametrize("format", WRITERS)
def test_a_copy_is_what_a_reader_finds(tmp_path: Path, format: str) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    name = "a.xlsx" if format == "excel" else f"a.{format}"
    ENGINE.write(table, format, tmp_path / name)
    assert ENGINE.read(format, sources(tmp_path, name), {}).to_pydict() == table.to_pydict()


def test_folders_named_key_value_become_columns(tmp_path: Path) -> None:
    names = ["year=2013/kind=a%20b/x.csv", "year=2014/kind=__HIVE_DEFAULT_PARTITION__/x.csv"]
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"v\n{i}\n")
    table = ENGINE.read("csv", sources(tmp_path, *names), {})
    assert table.to_pydict() == {"v": [0, 1], "year": [2013, 2014], "kind": ["a b", None]}


def test_folders_above_a_parquet_file_are_told_apart_from_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a=7").mkdir()
    FRAME.to_parquet(tmp_path / "a=7/x.parquet")
    assert ENGINE.read("parquet", [SourceFile(tmp_path / "a=7/x.parquet")], {}).column("a").to_pylist() == [1, 2]
    with pytest.raises(StepError, match="has a column 'a', as its folders have"):
        ENGINE.read("parquet", sources(tmp_path, "a=7/x.parquet"), {})


def test_a_file_in_no_such_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"b\.csv lies in no folder year=…"):
        ENGINE.read("csv", [SourceFile(tmp_path / "a.csv", {"year": "1"}), SourceFile(tmp_path / "b.csv")], {})


@pytest.mark.parametrize("kind", ["polars.DataFrame", "polars.LazyFrame", "duckdb.DuckDBPyRelation", "pyarrow.Table"])
def test_every_kind_of_frame_is_handed_over_and_taken_back(kind: str) -> None:
    table = pa.table({"a": [1, 2, None], "b": ["x", "y", None]})
    value = ENGINE.hand_over(table, kind)
    assert f"{type(value).__module__.split('.')[0]}.{type(value).__name__}" == kind.replace("pyarrow.", "pyarrow.")
    assert ENGINE.is_frame(value)
    assert ENGINE.take(value).to_pydict() == table.to_pydict()


def test_a_relation_sees_no_files(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    relation = ENGINE.hand_over(pa.table({"a": [1]}), "duckdb.DuckDBPyRelation")
    with pytest.raises(Exception, match="disabled"):
        relation.query("t", f"select * from '{tmp_path}/secret.csv'").fetchall()
