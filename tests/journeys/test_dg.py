"""The checkout is a Dagster project: `dg` and `dagster` load it as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def command(*arguments: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))},
        "DAGSTER_HOME": str(home),
        "ODA_STORE": str(home / "store"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(BIN.parent),
    }
    return subprocess.run(
        [str(BIN / arguments[0]), *arguments[1:]], cwd=folder, env=env, capture_output=True, text=True, timeout=180
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("dg", "check", "defs"), "loaded successfully"),
        (("dg", "check", "yaml"), "validated successfully"),
        (("dg", "list", "components"), "odibi_assets"),
        (("dagster", "definitions", "validate", "-w", "workspace.yaml"), "odibi-assets"),
    ],
    ids=" ".join,
)
def test_the_project_is_loaded(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    answer = command(*arguments, folder=CHECKOUT, home=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert word in answer.stdout + answer.stderr


def test_a_wrong_field_is_reported_with_its_place(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "odibi_assets"):
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    defs = project / "odibi_assets" / "defs" / "flights" / "defs.yaml"
    defs.write_text(defs.read_text().replace("checkpoint: {mode: layer}", "checkpoint: {mode: layr}"))
    answer = command("dg", "check", "yaml", folder=project, home=tmp_path)
    assert answer.returncode != 0
    assert "defs.yaml:7" in answer.stdout + answer.stderr
