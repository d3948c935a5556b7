"""A process that has libraries imported and forks itself for each request; JSON lines both ways."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class WarmProcess:
    """The asking side: starts a script that calls ``serve``."""

    def __init__(self, script: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def ask(self, request: dict[str, Any]) -> int:
        """Have a fork answer a request; returns its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def serve(answer: Callable[[dict[str, Any]], int]) -> None:
    """The answering side: fork for each request, whose answer is the fork's exit status.

    A request with ``kill_after_s`` is killed then, with all that it started, unless it is done.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os._exit(answer(request))
        print(os.waitstatus_to_exitcode(_ended(pid, request.get("kill_after_s"))), flush=True)


def _ended(pid: int, kill_after_s: float | None) -> int:
    """The wait status of a fork, which leads a group of its own."""
    if kill_after_s is not None:
        deadline = time.monotonic() + kill_after_s
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]
