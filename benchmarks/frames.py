"""One frame, in this process: its digest, and its way into the store against pyarrow's own Parquet write."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import Row

from odibi_assets.identify.bag_digest import bag_digest
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.keep.formats.frame import FrameFormat, settle
from odibi_assets.keep.results import open_results

ROWS = 5_000_000


def mixed_frame(rows: int = ROWS) -> pa.Table:
    """Integers, floats, timestamps, texts, nulls."""
    random = np.random.default_rng(7)
    names = np.array([f"customer {i}" for i in range(2000)])
    text = pa.DictionaryArray.from_arrays(random.integers(0, 2000, rows).astype("int32"), pa.array(names)).cast(
        pa.string()
    )
    nulls = random.random(rows) < 0.05
    return pa.table(
        {
            "id": np.arange(rows),
            "small": random.integers(0, 1000, rows).astype("int32"),
            "price": random.normal(size=rows),
            "rate": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "at": pa.array(1_357_000_000_000 + np.arange(rows) * 60_000, pa.timestamp("ms")),
            "name": pa.array(text.to_numpy(zero_copy_only=False), pa.string(), mask=nulls),
            "count": pa.array(random.integers(0, 50, rows), pa.int64(), mask=random.random(rows) < 0.2),
        }
    )


def best(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of several: what the work costs where nothing else is in the way."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def digest_rate(table: pa.Table) -> float:
    """GB of Arrow memory digested in a second, one thread."""
    cores = pa.cpu_count()
    pa.set_cpu_count(1)
    try:
        return float(table.nbytes / best(lambda: frame_version(table, threads=1)) / 1e9)
    finally:
        pa.set_cpu_count(cores)


def bag_seconds(table: pa.Table, times: int = 3) -> tuple[float, float]:
    """The bag digest, and what a sort by one column takes, which is the least that comparing in order would."""
    return best(lambda: bag_digest(table), times), best(lambda: table.sort_by("price"), times)


def write_seconds(table: pa.Table, runs: int = 5) -> tuple[float, float]:
    """Settle, digest and store, and pyarrow's write with the same codec; medians, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        results = open_results(Path(folder) / "store")
        format = FrameFormat()
        ours, theirs = [], []
        for i in range(runs):
            # Another first value each time: a blob that is there already would not be moved into place.
            changed = table.set_column(0, "id", pa.array(np.arange(table.num_rows) + i))
            started = time.perf_counter()
            kept = settle(changed, shared=False)
            format.write(kept, results)
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            pq.write_table(changed, Path(folder) / f"plain{i}.parquet", compression="zstd")  # a new file, as ours is
            theirs.append(time.perf_counter() - started)
    return statistics.median(ours), statistics.median(theirs)


def rows(runs: int) -> Iterator[Row]:
    """The digest's rate, and encoding, digesting and writing against pyarrow's own Parquet write."""
    table = mixed_frame()
    rate = digest_rate(table)
    yield Row(
        f"digest of 5 million rows ({table.nbytes / 1e6:.0f} MB), one thread",
        f"{rate:.2f} GB/s",
        "–",
        rate,
        "1.5 GB/s or more",
    )
    bag, scan = bag_seconds(table)
    yield Row(
        "bag digest of it, against sorting its rows by one column", f"{bag:.2f} s", f"{scan:.2f} s", bag / scan, "–"
    )
    ours, theirs = write_seconds(table, runs)
    yield Row(
        "encode, digest and write it, against pyarrow's write", f"{ours:.2f} s", f"{theirs:.2f} s", ours / theirs, "1.3"
    )
