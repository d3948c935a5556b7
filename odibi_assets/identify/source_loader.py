"""First-party modules are loaded from the bytes of their source, never from cached bytecode.

CPython trusts a ``.pyc`` whose source has the same size and second of change, so an edit can keep
running old code (truth.md 1.2). This loader compiles the bytes it reads and remembers them, so
that what is identified is what runs.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party
from odibi_assets.identify.observed_inputs import unobserved


@dataclass(frozen=True)
class LoadedSource:
    """A module as it was loaded."""

    module: str
    path: str
    data: bytes

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self.data)


class SourceLoader(importlib.machinery.SourceFileLoader):
    """Compiles the bytes that it reads, whatever bytecode lies around."""

    def get_code(self, fullname: str) -> types.CodeType:
        with unobserved():
            data = self.get_data(self.path)
        LOADED[self.path] = LoadedSource(fullname, self.path, data)
        code: types.CodeType = self.source_to_code(data, self.path)
        return code


class _FirstPartyFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        with unobserved():
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
                return None
            if spec.origin is None or not is_first_party(spec.origin):
                return None
            spec.loader = SourceLoader(fullname, spec.origin)
            spec.cached = None
        return spec


LOADED: dict[str, LoadedSource] = {}
_FINDER = _FirstPartyFinder()


def install() -> None:
    """Load every first-party module from here on through ``SourceLoader``."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def put_on_path(*folders: Path) -> None:
    """Put folders on the import path, the first of them foremost."""
    for folder in reversed(folders):
        text = str(folder)
        if text in sys.path:
            sys.path.remove(text)
        sys.path.insert(0, text)
    importlib.invalidate_caches()


def source_of(module: types.ModuleType) -> LoadedSource | None:
    """The source that a module was loaded from; read now where another loader loaded it."""
    path = getattr(module, "__file__", None)
    if not path or not path.endswith(".py"):
        return None
    if path not in LOADED:
        with contextlib.suppress(OSError), unobserved():
            LOADED[path] = LoadedSource(module.__name__, path, Path(path).read_bytes())
    return LOADED.get(path)


def changed_since_load() -> Iterator[str]:
    """Paths of loaded first-party files whose bytes are no longer those that were loaded."""
    for path, source in list(LOADED.items()):
        with unobserved():
            try:
                same = os.path.getsize(path) == len(source.data) and Path(path).read_bytes() == source.data
            except OSError:
                same = False
        if not same:
            yield path
