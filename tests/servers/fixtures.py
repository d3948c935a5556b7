"""One server of each kind for the whole test session, started by whoever asks first."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from .azurite import Azurite
from .fake_gcs import FakeGCS
from .seaweedfs import SeaweedFS
from .unsteady import UnsteadyWay


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    found = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    found.server.start()
    yield found
    found.server.stop(by=signal.SIGKILL)  # It takes its time to say goodbye.


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    found = Azurite(tmp_path_factory.mktemp("azurite"))
    found.server.start()
    yield found
    found.server.stop()


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGCS]:
    found = FakeGCS(tmp_path_factory.mktemp("fake-gcs"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def way(seaweedfs: SeaweedFS) -> Iterator[UnsteadyWay]:
    """A way to the S3 server that a test may make unsteady."""
    found = UnsteadyWay(seaweedfs.port)
    yield found
    found.close()
