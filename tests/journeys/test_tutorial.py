"""The tutorial of the README, as a newcomer does it: in an empty folder, at a terminal, word for word."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from page import Command, File, steps
from terminal import Terminal

README = Path(__file__).parents[2] / "README.md"
HEADING = "Your first pipeline in ten minutes"
WIDE = (240, 100)


def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    env = {"PATH": path, "HOME": str(tmp_path.parent), "LANG": "C.UTF-8"}
    told = list(steps(README, HEADING))
    assert sum(isinstance(step, Command) for step in told) >= 10
    for step in told:
        if isinstance(step, File):
            step.write(tmp_path)
            continue
        terminal = Terminal(["-c", step.line], env, program=Path("/bin/bash"), folder=tmp_path, size=WIDE)
        status = terminal.wait()
        assert step.is_shown_right(terminal.text), f"$ {step.line}\n{terminal.text}"
        assert step.shown is not None or status == 0, f"$ {step.line}\n{terminal.text}"
