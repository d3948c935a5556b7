"""Measuring whole processes: wall time and peak memory, two sides taken in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        peak_mb: The most memory that it held at once.
    """

    seconds: float
    peak_mb: float
    output: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the table; ``target`` is the most that the ratio or value may be."""

    what: str
    ours: str
    compared: str
    found: float
    target: str


def process(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run a process to its end; none of our own variables reach it unless they are given.

    Bytecode is kept from one run to the next, as it is for whoever installs us and Dagster.
    """
    left_out = ("ODA_", "DAGSTER_", "AWS_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    started = time.perf_counter()
    with subprocess.Popen(
        list(command), cwd=folder, env={**kept, **(env or {})}, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        output = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {running.returncode}")
    return Cost(time.perf_counter() - started, used.ru_maxrss / 1024, output)


def put_aside(*paths: Path) -> None:
    """Make room for a run on nothing. Deleting thousands of files would slow down whoever makes the next ones."""
    for path in paths:
        if path.exists():
            aside = path.parent / "aside"
            aside.mkdir(exist_ok=True)
            path.rename(aside / uuid.uuid4().hex)


def alternated(
    runs: int,
    first: Callable[[], Cost],
    second: Callable[[], Cost],
    *,
    take: Callable[[Iterable[Cost]], Cost] | None = None,
) -> tuple[Cost, Cost]:
    """Two measurements taken in turn, so that a busy moment meets both.

    Args:
        take: What stands for several; their median unless given.
    """
    pairs = [(first(), second()) for _ in range(runs)]
    take = take or median
    return take(one for one, _ in pairs), take(other for _, other in pairs)


def least(costs: Iterable[Cost]) -> Cost:
    """The quickest: of a short process, what it takes where nothing disturbs it."""
    return min(costs, key=lambda cost: cost.seconds)


def median(costs: Iterable[Cost]) -> Cost:
    found = list(costs)
    return Cost(statistics.median(cost.seconds for cost in found), statistics.median(cost.peak_mb for cost in found))


def ratio(what: str, ours: Cost, theirs: Cost, target: str) -> Row:
    """A line that compares wall times."""
    return Row(what, f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s", ours.seconds / theirs.seconds, target)
