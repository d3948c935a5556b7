"""Fixtures of this room."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from child_processes import ChildProcesses  # noqa: E402


@pytest.fixture(scope="session")
def children() -> Iterator[ChildProcesses]:
    """A warm process that runs each probe in a fork of its own."""
    processes = ChildProcesses()
    yield processes
    processes.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder
