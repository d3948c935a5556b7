"""Derived files of this machine: written aside and renamed; one that can't be written costs time, nothing else."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from odibi_assets.identify.observing import unobserved


def write_local(path: Path, text: str) -> bool:
    """Write a file whole or not at all; says whether it did."""
    with contextlib.suppress(OSError), unobserved():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        os.replace(temporary, path)
        return True
    return False
