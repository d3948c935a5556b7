"""A terminal in which one command runs; its screen can be read while it does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

COLUMNS, LINES = 100, 30
ODA = Path(sys.executable).with_name("oda")


class Terminal:
    """A pseudo-terminal, and what a user sees on it.

    Args:
        arguments: Of `oda`, unless another program is named.
        env: Variables beside those of this process; only these, if a folder is named.
        size: Columns and lines.

    Attributes:
        received: Every byte that the command wrote.
    """

    def __init__(
        self,
        arguments: list[str],
        env: dict[str, str],
        *,
        program: Path = ODA,
        folder: Path | None = None,
        size: tuple[int, int] = (COLUMNS, LINES),
    ) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.received = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        left_out = ("NO_COLOR", "COLUMNS", "LINES")
        inherited = {} if folder else {name: value for name, value in os.environ.items() if name not in left_out}
        self.process = subprocess.Popen(
            [str(program), *arguments],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**inherited, "TERM": "xterm-256color", **env},
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """The screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait_for(self, condition: Callable[[str], bool], *, seconds: float = 60) -> str:
        """The first screen that fulfils a condition."""
        until = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < until, self.text
            assert self._receive() or condition(self.text), self.text
        return self.text

    def wait(self) -> int:
        """Read to the end; returns the exit status."""
        while self._receive():
            pass
        return self.process.wait(timeout=60)

    def close(self) -> None:
        """End the command, if a failed test left it running."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _receive(self) -> bool:
        """Take what has come within a moment; False at the end."""
        ready, _, _ = select.select([self._ours], [], [], 0.2)
        if not ready:
            return True
        data = b""
        with contextlib.suppress(OSError):  # Linux says so when the other side is closed.
            data = os.read(self._ours, 65536)
        self.received += data
        self._stream.feed(data)
        return bool(data)
