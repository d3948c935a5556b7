"""Fixtures that more than one room uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "docs")]

from direct_run import DirectRuns  # noqa: E402
from project_folder import ProjectFolder, Zygote  # noqa: E402
from servers.fixtures import azurite, fake_gcs, seaweedfs, way  # noqa: E402, F401


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """A warm process that runs `oda` commands."""
    process = Zygote()
    yield process
    process.close()


@pytest.fixture(scope="session")
def direct_runs() -> Iterator[DirectRuns]:
    """A warm process that runs pipelines without Dagster."""
    process = DirectRuns()
    yield process
    process.close()


@pytest.fixture
def project(tmp_path: Path, zygote: Zygote) -> ProjectFolder:
    """An empty project folder."""
    return ProjectFolder(tmp_path, zygote)
