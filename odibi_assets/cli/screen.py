"""The terminal while a live view is on it: whatever else is printed, by steps or by Dagster, appears above the view.

Dagster sends the standard streams of a process to files while a step runs, and shows them by
processes of its own. So the view writes to a copy of the terminal, and the streams lead to a pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text


@contextlib.contextmanager
def screen() -> Iterator[Console]:
    """A console on the terminal; what is printed otherwise goes through it, line by line."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    reading, writing = os.pipe()
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as terminal:
        console = Console(file=terminal)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        ended = threading.Event()
        thread = threading.Thread(target=_print_above, args=(console, reading, ended), daemon=True)
        thread.start()
        try:
            yield console
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            ended.set()
            thread.join()
            os.close(reading)


def _print_above(console: Console, reading: int, ended: threading.Event) -> None:
    """Print what comes through the pipe, until it has ended: processes of the run may hold it open for longer."""
    rest = b""
    while True:
        last = ended.is_set()
        ready, _, _ = select.select([reading], [], [], 0.05)
        data = os.read(reading, 65536) if ready else b""
        *lines, rest = (rest + data).split(b"\n")
        if not data and (last or ready):
            lines, rest = ([*lines, rest] if rest else lines), b""
        for line in lines:
            console.print(Text.from_ansi(line.decode(errors="replace").rstrip("\r")), soft_wrap=True)
        if not data and (last or ready):
            return
