"""The pipeline that ships, at several sizes, as whole processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Cost, Row, alternated, least, process, ratio

CHECKOUT = Path(__file__).resolve().parents[1]
WORK = CHECKOUT / "benchmarks" / ".work"
ODA = str(Path(sys.executable).with_name("oda"))
DEFS = CHECKOUT / "odibi_assets" / "defs" / "flights"
ROWS = 336_776
_RESTED_S = 3  # the cache of file digests trusts files that have rested for two seconds


def project(times: int) -> Path:
    """A project folder with the flights pipeline and its tables, written `times` over."""
    root = WORK / f"times{times}"
    data = root / "data" / "nycflights13"
    if not (data / ".written").exists():
        subprocess.run([sys.executable, str(DEFS / "write_tables.py"), str(data), str(times)], check=True)
        (data / ".written").touch()
    for name in ("defs.yaml", "flights_with_weather.sql"):
        shutil.copy(DEFS / name, root / name.replace("defs.yaml", "flights.yaml"))
    return root


def cold(root: Path) -> Cost:
    for name in (".oda", "dagster_home"):
        shutil.rmtree(root / name, ignore_errors=True)
    return reused(root)


def reused(root: Path) -> Cost:
    return process([ODA, "-C", str(root), "run", "flights.yaml"], root)


def plain(root: Path) -> Cost:
    out = root / "plain"
    shutil.rmtree(out, ignore_errors=True)
    return process([sys.executable, str(CHECKOUT / "benchmarks" / "plain_flights.py"), str(root), str(out)], root)


def import_dagster(root: Path) -> Cost:
    return process([sys.executable, "-c", "import dagster"], root)


def rows(runs: int) -> Iterator[Row]:
    """Cold against a plain process, its memory, and reused against ``import dagster``."""
    small, large = project(1), project(6)
    ours, theirs = alternated(runs, lambda: cold(large), lambda: plain(large))
    yield ratio("flights, 2 million rows, cold, against a plain process", ours, theirs, "1.25")
    yield Row(
        "its peak memory", f"{ours.peak_mb:.0f} MB", f"{theirs.peak_mb:.0f} MB", ours.peak_mb / theirs.peak_mb, "1.3"
    )
    time.sleep(_RESTED_S)
    reused(large)
    cold(small)
    time.sleep(_RESTED_S)
    reused(small)
    for root, size in ((small, "337 thousand"), (large, "2 million")):
        ours, theirs = alternated(
            runs, lambda root=root: reused(root), lambda root=root: import_dagster(root), take=least
        )  # type: ignore[misc]
        yield ratio(f"everything reused, {size} rows, against import dagster", ours, theirs, "0.25")


def scaling() -> Iterator[Row]:
    """Seconds per million rows, cold, and seconds reused, at one, six and thirty times the data."""
    first: tuple[float, float] | None = None
    for times in (1, 6, 30):
        root = project(times)
        million = times * ROWS / 1e6
        spent = cold(root).seconds
        time.sleep(_RESTED_S)
        reused(root)
        again = reused(root).seconds
        first = first or (spent / million, again)
        size = f"{million:.1f} million rows"
        yield Row(
            f"flights, {size}, cold, seconds per million rows, against 0.3 million",
            f"{spent / million:.2f} s",
            f"{first[0]:.2f} s",
            spent / million / first[0],
            "1",
        )
        yield Row(
            f"flights, {size}, reused, against 0.3 million",
            f"{again:.2f} s",
            f"{first[1]:.2f} s",
            again / first[1],
            "flat",
        )
