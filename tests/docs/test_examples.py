"""Examples in the docstrings of public names run, in a process of their own, on sample data."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import odibi_assets

FLIGHTS = "carrier,distance\nAA,1400\nB6,187\nAA,1005\n"


def examples() -> dict[str, str]:
    """Name, also of a method, → the code below "Example::" in its docstring."""
    found = {}
    for name in odibi_assets.__all__:
        public = getattr(odibi_assets, name)
        for member, each in [("", public), *vars(public).items()]:
            text = inspect.getdoc(each) if member == "" or inspect.isfunction(each) else None
            block = re.search(r"^Example::\n\n((?:    .*\n|\n)+)", f"{text}\n", re.MULTILINE)
            if block:
                found[f"{name}.{member}".rstrip(".")] = textwrap.dedent(block[1]).strip() + "\n"
    return found


EXAMPLES = examples()


def test_what_is_first_reached_for_has_an_example() -> None:
    assert {"Pipeline", "DefinitionError", "StepContext"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "flights.csv").write_text(FLIGHTS)
    (tmp_path / "example.py").write_text(EXAMPLES[name])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "PYTHON"))}
    ran = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
