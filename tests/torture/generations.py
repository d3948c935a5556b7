"""Of which generation a stored result is, read from all that it holds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from odibi_assets.keep.formats.known import FORMATS, read_output
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results


def generation_of(result: Result, results: Results, folder: Path) -> int:
    """
    Raises:
        DamagedObject: Some of it is missing or damaged.
        AssertionError: Its outputs are of several generations.
    """
    found = {_generation(read_output(output, results), folder) for output in result.outputs.values()}
    assert len(found) == 1, f"{result.key.step} is of generations {found}"
    return found.pop()


def _generation(kept: Any, folder: Path) -> int:
    if kept.format == "parquet":
        column = set(kept.value.column("generation").to_pylist())
        assert len(column) == 1, column
        return int(column.pop())
    if kept.format == "folder":
        path = FORMATS[kept.format].as_path(kept, folder)
        try:
            return int((path / "generation").read_text())
        finally:
            shutil.rmtree(path, ignore_errors=True)
    value = FORMATS[kept.format].hand_over(kept, folder)
    return int(value["generation"]) if isinstance(value, dict) else int(value[0])
