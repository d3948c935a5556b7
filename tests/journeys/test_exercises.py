"""The exercises of the docs, each typed into an empty folder word for word, and what must be true beside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from page import File, steps

EXERCISES = Path(__file__).parents[2] / "docs" / "exercises"


@dataclass(frozen=True)
class Shell:
    folder: Path

    def type(self, line: str) -> tuple[int, str]:
        """Run a line; returns its status and what it printed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
        env = {"PATH": path, "HOME": str(self.folder.parent), "LANG": "C.UTF-8"}
        found = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        return found.returncode, found.stdout

    def json(self, line: str) -> Any:
        status, text = self.type(line)
        assert status == 0, text
        return json.loads(text)

    def do(self, exercise: str) -> None:
        for step in steps(EXERCISES / f"{exercise}.md"):
            if isinstance(step, File):
                step.write(self.folder)
                continue
            status, text = self.type(step.line)
            assert step.is_shown_right(text), f"$ {step.line}\n{text}"
            assert step.shown is not None or status == 0, f"$ {step.line}\n{text}"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "project").mkdir()
    return Shell(tmp_path / "project")


def test_every_exercise_is_done() -> None:
    assert {page.stem for page in EXERCISES.glob("*.md")} == {
        "broken-path", "second-run", "unreliable-source", "production"
    }  # fmt: skip


def test_a_broken_path_is_mended_and_the_first_two_steps_are_not_executed_again(shell: Shell) -> None:
    shell.do("broken-path")
    resumed, failed = shell.json("oda history shop.yaml --json")["runs"]
    assert resumed["parent_run_id"] == failed["run_id"]
    executed = shell.folder / ".oda" / "runs" / failed["run_id"] / resumed["run_id"] / "steps"
    assert {path.name for path in executed.iterdir()} == {"named_orders", "totals"}


def test_the_second_run_is_measured(shell: Shell) -> None:
    shell.do("second-run")


def test_an_unreliable_source_is_read_in_the_end(shell: Shell) -> None:
    shell.do("unreliable-source")


def test_the_production_set_up_fails_tells_resumes_and_recovers(shell: Shell) -> None:
    shell.do("production")
    assert [run["status"] for run in shell.json("oda history shop.yaml --json")["runs"]] == ["success", "failed"]
