"""What a plan that imports nothing must still see: edits that keep size and time, and a store that is not as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import ProjectFolder


def edited(name: str, old: str, new: str) -> Callable[[ProjectFolder], None]:
    """An edit that keeps the file's size and time, as `cp -p` may."""

    def change(project: ProjectFolder) -> None:
        path, before = project.root / name, (project.root / name).stat()
        assert len(old) == len(new)
        project.edit(name, old, new)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def record_of(project: ProjectFolder, step: str) -> Path:
    key = project.plan()[step]["key"].removeprefix("b3:")
    return project.root / ".oda/results" / key[:2] / key / "1"


def flip_record(project: ProjectFolder) -> None:
    path = record_of(project, "kept")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"generation":1', b'"generation":2'))


def exchange_records(project: ProjectFolder) -> None:
    record_of(project, "kept").write_bytes(record_of(project, "added").read_bytes())


def lose_blobs(project: ProjectFolder) -> None:
    for path in (project.root / ".oda/blobs").rglob("*"):
        if path.is_file():
            path.unlink()


CHANGES: dict[str, tuple[Callable[[ProjectFolder], None], dict[str, str]]] = {
    "nothing": (lambda project: None, {"rows": "hit", "kept": "hit", "added": "hit"}),
    "the pipeline's file": (edited("pipe.yaml", "p: 1", "p: 2"), {"rows": "hit", "kept": "hit", "added": "miss"}),
    "a module": (edited("steps.py", "> 1", "> 2"), {"rows": "hit", "kept": "miss", "added": "unknown"}),
    "a data file": (edited("rows.csv", "3", "4"), {"rows": "miss", "kept": "unknown", "added": "unknown"}),
    "a damaged record": (flip_record, {"rows": "hit", "kept": "miss", "added": "unknown"}),
    "the record of another step": (exchange_records, {"rows": "hit", "kept": "miss", "added": "unknown"}),
    "no stored data": (lose_blobs, {"rows": "miss", "kept": "unknown", "added": "unknown"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_plan_after_a_reused_run_sees(what: str, project: ProjectFolder) -> None:
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: rows, layer: bronze, read: {format: csv, path: rows.csv}}
          - {name: kept, layer: silver, inputs: [rows], python: "steps:kept"}
          - {name: added, layer: gold, inputs: [kept], python: "steps:added", params: {p: 1}}
        """,
    )
    project.write(
        "steps.py",
        """
        def kept(rows):
            return rows[rows["n"] > 1]

        def added(kept, *, p):
            return kept.assign(n=kept["n"] + p)
        """,
    )
    project.write("rows.csv", "n\n1\n2\n3\n")
    project.run()
    assert set(project.outcomes().values()) == {"cached"}
    change, expected = CHANGES[what]
    change(project)
    assert {name: step["outcome"] for name, step in project.plan().items()} == expected
