"""pandas: one process's memory."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from odibi_assets.engines.duckdb_sql import relation_over
from odibi_assets.engines.engine import SourceFile
from odibi_assets.errors import NotStorable, StepError
from odibi_assets.keep.formats.frame import without_unnamed_index
from odibi_assets.keep.formats.plain import described
from odibi_assets.keep.movement import moved

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class PandasEngine:
    """Frames as ``pandas.DataFrame``, or as the Arrow, Polars or DuckDB type that a function asks for."""

    def read(self, format: str, files: Sequence[SourceFile], options: Mapping[str, Any]) -> pa.Table:
        import pandas as pd

        frames = []
        partitions = _partition_columns(files)
        sizes = [file.path.stat().st_size for file in files]
        before, total = itertools.accumulate(sizes, initial=0), sum(sizes)
        for i, (file, done) in enumerate(zip(files, before, strict=False)):
            moved("read", done, total)
            try:
                frame = _read_one(format, file.path, options)
            except ImportError as error:
                raise StepError(f"{file.name} can't be read as {format}: {error}") from error
            except Exception as error:  # whatever a reader raises on a file that it can't read
                raise StepError(f"{file.name} can't be read as {format}: {type(error).__name__}: {error}") from error
            for name, values in partitions.items():
                if name in frame.columns:
                    raise StepError(f"{file.name} has a column {name!r}, as its folders have: rename one of the two.")
                frame[name] = pd.Series([values[i]] * len(frame), index=frame.index, dtype=_dtype(values))
            frames.append(frame)
        return self.take(frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True))

    def hand_over(self, table: pa.Table, handed_as: str) -> Any:
        if handed_as == "pyarrow.Table":
            return table
        if handed_as in ("polars.DataFrame", "polars.LazyFrame"):
            import polars

            frame: Any = polars.from_arrow(without_unnamed_index(table))
            return frame.lazy() if handed_as == "polars.LazyFrame" else frame
        if handed_as == "duckdb.DuckDBPyRelation":
            return relation_over(table)
        pandas_frame = table.to_pandas()
        read_only = any(_is_read_only(pandas_frame[name]) for name in pandas_frame)
        return pandas_frame.copy() if read_only else pandas_frame

    def take(self, value: Any) -> pa.Table:
        import pandas as pd

        if isinstance(value, pa.Table):
            return value
        if isinstance(value, pd.DataFrame):
            return _from_pandas(value)
        kind = _kind(value)
        if kind == "polars.LazyFrame":
            value, kind = value.collect(), "polars.DataFrame"
        if kind == "polars.DataFrame":
            return value.to_arrow()
        if kind == "duckdb.DuckDBPyRelation":
            return value.to_arrow_table()
        hint = (
            " Use .to_frame()."
            if isinstance(value, pd.Series)
            else " Did it forget to return one?"
            if value is None
            else ""
        )
        raise NotStorable(f"It returned {described(value)}: expected a pandas.DataFrame or a pyarrow.Table.{hint}")

    def is_frame(self, value: Any) -> bool:
        return _kind(value) in _FRAME_KINDS

    def write(self, table: pa.Table, format: str, path: Path) -> None:
        import pandas as pd

        frame = without_unnamed_index(table).to_pandas()
        if format == "csv":
            frame.to_csv(path, index=False)
        elif format == "parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(without_unnamed_index(table), path)
        elif format == "excel":
            with pd.ExcelWriter(path, engine="openpyxl") as writer:
                frame.to_excel(writer, index=False)
        else:
            frame.to_json(path, orient="records", date_format="iso", lines=format == "jsonl")


def _read_one(format: str, path: Path, options: Mapping[str, Any]) -> Any:
    import pandas as pd

    if format == "parquet":
        # pyarrow would make columns of every folder above the file that has a ``=`` in its name.
        return pd.read_parquet(path, **{"partitioning": None, **options})
    if format == "json":
        return pd.read_json(path, **options)
    if format == "jsonl":
        return pd.read_json(path, **{"lines": True, **options})
    if format == "excel":
        found = pd.read_excel(path, **options)
        if isinstance(found, dict):
            raise ValueError("sheet_name names several sheets: expected one, since a step has one frame")
        return found
    return pd.read_csv(path, **options)


def _partition_columns(files: Sequence[SourceFile]) -> dict[str, list[Any]]:
    """Name → the value of each file; whole numbers where all of them are."""
    names = dict.fromkeys(name for file in files for name in file.partition)
    columns: dict[str, list[Any]] = {}
    for name in names:
        missing = next((file for file in files if name not in file.partition), None)
        if missing is not None:
            raise StepError(
                f"{missing.path} lies in no folder {name}=…, as other files of the step do: expected one for each."
            )
        texts = [file.partition[name] for file in files]
        known = [text for text in texts if text != _HIVE_NULL]
        is_number = bool(known) and all(re.fullmatch(r"-?\d{1,18}", text) for text in known)
        convert = int if is_number else str
        columns[name] = [None if text == _HIVE_NULL else convert(text) for text in texts]
    return columns


def _dtype(values: Sequence[Any]) -> str:
    numbers = any(isinstance(value, int) for value in values)
    return ("Int64" if None in values else "int64") if numbers else "object"


_FRAME_KINDS = frozenset(
    ["pandas.DataFrame", "pyarrow.Table", "polars.DataFrame", "polars.LazyFrame", "duckdb.DuckDBPyRelation"]
)


def _kind(value: Any) -> str:
    """The type as it is called in annotations."""
    for kind in type(value).__mro__:
        name = f"{kind.__module__.partition('.')[0].lstrip('_')}.{kind.__name__}"
        if name in _FRAME_KINDS:
            return name
    return ""


def _from_pandas(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
        text = " ".join(str(part) for part in error.args)
        column = re.search(r"Conversion failed for column (\S+)", text)
        named = f"The column {column.group(1)!r}" if column else "The frame"
        raise NotStorable(f"{named} can't be kept: {text}. Give each column values of one type.") from error


def _is_read_only(column: Any) -> bool:
    """Does a column lie in Arrow's own memory, where writing to it is refused?"""
    flags = getattr(getattr(column, "values", None), "flags", None)
    return flags is not None and not flags.writeable
