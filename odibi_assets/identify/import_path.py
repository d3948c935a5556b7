"""The import path: what a pipeline puts on it, and what it was before."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_STARTED: list[tuple[str, ...]] = []


def put_on_path(*folders: Path) -> None:
    """Put folders on the import path, the first of them foremost."""
    if not _STARTED:
        _STARTED.append(tuple(sys.path))
    for folder in reversed(folders):
        text = str(folder)
        if text in sys.path:
            sys.path.remove(text)
        sys.path.insert(0, text)
    importlib.invalidate_caches()


def as_started() -> tuple[str, ...]:
    """The import path without what pipelines put on it: the same in a process that imports nothing of theirs.

    The first entry is left out: it is where the program lies that was started, ``oda`` or another.
    """
    return (_STARTED[0] if _STARTED else tuple(sys.path))[1:]


def first_party_folders() -> Iterator[Path]:
    """Those of its folders that hold neither the standard library nor installed distributions."""
    paths = sysconfig.get_paths()
    libraries = (paths["stdlib"], paths["platstdlib"])
    for entry in as_started():
        if entry and not entry.startswith(libraries) and Path(entry).name not in ("site-packages", "dist-packages"):
            yield Path(entry)
