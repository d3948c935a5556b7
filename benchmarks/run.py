"""What is measured, side by side in one run; prints a table for docs/performance.md.

    python benchmarks/run.py [--runs 5] [--only flights small frames sql checkpoints bucket far scaling]

Whole processes, except for ``frames`` and ``sql``, which measure one frame and one statement. Each section has a
process of its own: what a parent holds counts in the peak memory of its children.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator

import bucket
import checkpoints
import far_bucket
import flights
import frames
import small_steps
import statements
from measure import Row

SECTIONS: dict[str, Callable[[int], Iterator[Row]]] = {
    "flights": flights.rows,
    "small": small_steps.rows,
    "frames": frames.rows,
    "sql": statements.rows,
    "checkpoints": checkpoints.rows,
    "bucket": bucket.rows,
    "far": far_bucket.rows,
    "scaling": lambda runs: flights.scaling(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.section:
        for row in SECTIONS[asked.section](asked.runs):
            print(f"| {row.what} | {row.ours} | {row.compared} | {row.found:.2f} | {row.target} |", flush=True)
        return
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    load = os.getloadavg()[0]
    print(f"{datetime.date.today()}, {machine}, load {load:.1f} at the start, medians of {asked.runs}\n")
    print("| measured | odibi-assets | compared | found | target |\n|---|---|---|---|---|")
    sys.stdout.flush()
    for section in asked.only:
        subprocess.run([sys.executable, __file__, "--section", section, "--runs", str(asked.runs)], check=True)


if __name__ == "__main__":
    main()
