"""Faults of a store in a folder, injected into one process at a chosen operation."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATIONS = ("get", "size", "put", "create", "swap", "put_file", "fetch", "list", "delete")


@dataclass(frozen=True)
class Fault:
    """
    Attributes:
        at: The operation it happens to, counted from 1.
        lasts: It happens to all that follow too.
        kind: ``error`` (before the operation), ``lost reply`` (after it was done) or ``slow``.
        errno: Of the error.
        counted: A file that is told how many operations there were.
    """

    at: int
    kind: str
    errno: int = 0
    lasts: bool = False
    counted: str | None = None


def install(fault: Fault) -> None:
    """Have the fault happen in this process."""
    from odibi_assets.keep.folder_store import FolderStore

    count = 0

    def faulty(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def operation(self: FolderStore, *arguments: Any, **named: Any) -> Any:
            nonlocal count
            if not self.durable:  # It holds copies of what lies elsewhere, and is not the store.
                return real(self, *arguments, **named)
            count += 1
            if fault.counted is not None:
                Path(fault.counted).write_text(str(count))
            happens = count == fault.at or (fault.lasts and count > fault.at)
            if happens and fault.kind == "slow":
                time.sleep(0.05)
            with self._reported(name, str(arguments[0])):
                if happens and fault.kind == "error":
                    raise OSError(fault.errno, os.strerror(fault.errno))
            done = real(self, *arguments, **named)
            with self._reported(name, str(arguments[0])):
                if happens and fault.kind == "lost reply":
                    raise OSError(fault.errno, os.strerror(fault.errno))
            return done

        return operation

    for name in OPERATIONS:
        setattr(FolderStore, name, faulty(name, getattr(FolderStore, name)))
