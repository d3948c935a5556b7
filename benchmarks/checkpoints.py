"""What each checkpoint mode costs: 50 steps with real frames, against the same on a store that drops its writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Cost, Row, alternated, process, put_aside, ratio

CHECKOUT = Path(__file__).resolve().parents[1]
WORK = CHECKOUT / "benchmarks" / ".work"
ODA = [str(Path(sys.executable).with_name("oda"))]
DROPPING_ODA = [sys.executable, str(Path(__file__).with_name("dropping_oda.py"))]

STEPS, LAYERS, ROWS = 50, 5, 200_000
MODES = ("{mode: auto}", "{mode: layer}", "{mode: interval, seconds: 1}", "{mode: manual}")

MADE = f"""
import numpy as np
import pandas as pd


def made(seed):
    dice = np.random.default_rng(seed)
    return pd.DataFrame({{
        "id": np.arange({ROWS}), "key": dice.integers(0, 1000, {ROWS}), "value": dice.normal(size={ROWS}),
        "word": dice.choice(["alpha", "beta", "gamma", "delta"], {ROWS}),
    }})


def work(frame, amount):
    total = frame.groupby(["key", "word"])["value"].transform("sum")
    rank = frame.groupby("word")["value"].rank()
    found = frame.assign(value=frame["value"] + total / amount, key=(frame["key"] + rank.astype(int)) % 1000)
    return found.sort_values(["key", "id"], ignore_index=True)
"""


def write_project(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    width = STEPS // LAYERS
    functions, steps = [MADE], []
    for i in range(STEPS):
        layer, above = i // width, i - width
        if layer == 0:
            functions.append(f"def s{i}():\n    return made({i})\n")
            steps.append(f"  - {{name: s{i}, layer: l0, python: 'steps:s{i}'}}")
        else:
            functions.append(f"def s{i}(s{above}):\n    return work(s{above}, {i})\n")
            steps.append(f"  - {{name: s{i}, layer: l{layer}, inputs: [s{above}], python: 'steps:s{i}'}}")
    (root / "steps.py").write_text("\n\n".join(functions))
    layers = ", ".join(f"l{i}" for i in range(LAYERS))
    for mode in MODES:
        text = f"name: frames\ncheckpoint: {mode}\nlayers: [{layers}]\nsteps:\n" + "\n".join(steps) + "\n"
        (root / f"{_name(mode)}.yaml").write_text(text)


def _name(mode: str) -> str:
    return mode.strip("{}").split(",")[0].removeprefix("mode: ")


def cold(root: Path, command: list[str], mode: str) -> Cost:
    put_aside(root / ".oda", root / "dagster_home")
    return process([*command, "-C", str(root), "run", f"{_name(mode)}.yaml"], root)


def rows(runs: int) -> Iterator[Row]:
    """A line for each mode."""
    root = WORK / "checkpoints"
    write_project(root)
    for mode in MODES:
        ours, dropped = alternated(
            runs, lambda mode=mode: cold(root, ODA, mode), lambda mode=mode: cold(root, DROPPING_ODA, mode)
        )
        yield ratio(
            f"{STEPS} steps of {ROWS:,} rows, checkpoint {_name(mode)}, against dropped writes", ours, dropped, "1.10"
        )
