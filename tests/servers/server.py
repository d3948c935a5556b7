"""A server process of its own group, on free ports of loopback, that is gone after the tests."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / ".venv" / ".servers"
"""Where `make test` installs what does not come from PyPI."""

_given: set[int] = set()


def free_port() -> int:
    """A port of loopback on which nobody listens now, below those that the kernel gives to clients."""
    while True:
        port = random.randrange(12_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def missing(what: str) -> None:
    """Skip a test whose server is not installed; where nothing may be skipped, fail."""
    message = f"{what} is not installed: make test brings it."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Server:
    """A program that answers until it is stopped.

    Attributes:
        ready: Tries a real operation; raises while the server can't do it.
    """

    def __init__(self, command: Sequence[str], folder: Path, ready: Callable[[], object]) -> None:
        self.command, self.folder, self.ready = list(command), folder, ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        latest = time.monotonic() + seconds
        while True:
            try:
                self.ready()
                return
            except Exception as error:
                if self.process.poll() is not None or time.monotonic() > latest:
                    text = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                    self.stop()
                    raise AssertionError(f"{self.command[0]} did not get ready ({error!r}):\n{text}") from error
                time.sleep(0.1)

    def stop(self, *, by: signal.Signals = signal.SIGTERM) -> None:
        """End the whole process group."""
        if self.process is None:
            return
        for way in (by, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, way)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None
