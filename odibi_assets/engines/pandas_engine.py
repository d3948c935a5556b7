"""pandas: one process's memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from odibi_assets.errors import NotStorable, StepError


class PandasEngine:
    """Frames as ``pandas.DataFrame``, or as ``pyarrow.Table`` where a function asks for it."""

    def read(self, format: str, paths: Sequence[Path], options: Mapping[str, Any]) -> pa.Table:
        import pandas as pd

        reader = {"csv": pd.read_csv, "parquet": pd.read_parquet}[format]
        frames = []
        for path in paths:
            try:
                frames.append(reader(path, **options))  # type: ignore[operator]
            except Exception as error:
                raise StepError(f"{path.name} can't be read as {format}: {type(error).__name__}: {error}") from error
        return self.take(frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True))

    def hand_over(self, table: pa.Table, handed_as: str) -> Any:
        if handed_as != "pandas.DataFrame":
            return table
        frame = table.to_pandas()
        read_only = any(_is_read_only(frame[name]) for name in frame)
        return frame.copy() if read_only else frame

    def take(self, value: Any) -> pa.Table:
        import pandas as pd

        if isinstance(value, pa.Table):
            return value
        if isinstance(value, pd.DataFrame):
            return _from_pandas(value)
        hint = (
            " Use .to_frame()."
            if isinstance(value, pd.Series)
            else " Did it forget to return one?"
            if value is None
            else ""
        )
        raise NotStorable(f"It returned {_described(value)}: expected a pandas.DataFrame or a pyarrow.Table.{hint}")


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


def _described(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"
