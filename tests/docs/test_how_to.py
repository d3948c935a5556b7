"""Pages of the docs that tell a story: their files are written, their commands run, their output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from page import Command, File, steps
from project_folder import Answer, ProjectFolder

CHECKOUT = Path(__file__).parents[2]
# These tell of a bucket and of servers; their command lines are parsed by test_pages.py.
NO_STORIES = {"buckets", "dagster"}
STORIES = [page for page in sorted(CHECKOUT.glob("docs/how-to/*.md")) if page.stem not in NO_STORIES]


@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.stem)
def test_a_page_tells_what_happens(page: Path, project: ProjectFolder) -> None:
    for step in steps(page):
        if isinstance(step, File):
            step.write(project.root)
        else:
            answer = typed(step, project)
            assert step.is_shown_right(answer.text), f"$ {step.line}\n{answer.text}"
            assert step.shown is not None or answer.status == 0, f"$ {step.line}\n{answer.text}"


def typed(command: Command, project: ProjectFolder) -> Answer:
    """Run a line: `oda` in the warm process, anything else in a shell."""
    words = shlex.split(command.typed, comments=True)
    env = dict(word.split("=", 1) for word in words[: number_of_variables(words)])
    words = words[len(env) :]
    if words[0] == "oda":
        answer = ProjectFolder(project.root, project.zygote, env).oda(*words[1:])
        if command.into is not None:
            (project.root / command.into).write_text(answer.stdout)
        return answer
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "PYTEST_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    found = subprocess.run(
        ["bash", "-c", command.line], cwd=project.root, env={**kept, "PATH": path}, capture_output=True, text=True
    )
    return Answer(found.returncode, found.stdout, found.stderr)


def number_of_variables(words: list[str]) -> int:
    return next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word))
