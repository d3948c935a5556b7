"""Real exceptions, raised by the libraries themselves, are transient or permanent as the table says."""

from __future__ import annotations

import contextlib
import functools
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from odibi_assets.execute import transient
from odibi_assets.execute.transient import is_transient

from ..servers.postgres import postgres
from .provoked import PERMANENT, TRANSIENT, Place, raised
from .rude_servers import RudeServers


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RudeServers]:
    with contextlib.closing(RudeServers(tmp_path_factory.mktemp("servers"))) as found:
        yield found


@pytest.fixture(scope="module")
def started() -> Iterator[contextlib.ExitStack]:
    """Closes at the end what a test of the module started."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def database(started: contextlib.ExitStack) -> Any:
    return functools.cache(lambda: started.enter_context(postgres()))


@pytest.fixture(scope="module")
def jvm(started: contextlib.ExitStack) -> Any:
    @functools.cache
    def gateway() -> JavaGateway:
        if shutil.which("java") is None:
            pytest.skip("Java is not installed.")
        port = launch_gateway(die_on_exit=True)
        found = JavaGateway(gateway_parameters=GatewayParameters(port=port))
        started.callback(found.shutdown)
        return found

    return gateway


@pytest.fixture
def place(tmp_path: Path, servers: RudeServers, database: Any, jvm: Any) -> Place:
    return Place(tmp_path, servers, database, jvm)


@pytest.mark.parametrize("name", TRANSIENT)
def test_an_error_of_the_moment_is_transient(name: str, place: Place) -> None:
    error = raised(TRANSIENT[name], place)
    assert is_transient(error), f"{type(error)}: {error}"


@pytest.mark.parametrize("name", PERMANENT)
def test_an_error_that_stays_is_permanent(name: str, place: Place) -> None:
    error = raised(PERMANENT[name], place)
    assert not is_transient(error), f"{type(error)}: {error}"


def test_every_class_that_is_named_exists() -> None:
    """A name with a slip of the pen would be no error that anybody sees."""
    for name in transient._TRANSIENT_NAMES | transient._PERMANENT_NAMES | transient._CANCELS:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), BaseException), name
