"""First-party modules are loaded from the bytes of their source, never from cached bytecode.

CPython trusts a ``.pyc`` whose source has the same size and second of change, so an edit can keep
running old code (truth.md 1.2). This loader compiles the bytes it reads and remembers them, so
that what is identified is what runs.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.machinery
import os
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party
from odibi_assets.identify.import_path import put_on_path
from odibi_assets.identify.observing import unobserved

__all__ = [
    "IMPORTED",
    "LOADED",
    "LoadedSource",
    "SourceLoader",
    "changed_since_load",
    "install",
    "loaded_files",
    "loaded_otherwise",
    "package_folders",
    "put_on_path",
    "source_of",
]


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

    def exec_module(self, module: types.ModuleType) -> None:
        _note_import(module.__name__)
        executing = _executing()
        executing.append(module.__name__)
        try:
            super().exec_module(module)
        finally:
            executing.pop()


class _FirstPartyFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        with unobserved():
            spec = _found_by_others(fullname, path, target)
            if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
                return spec
            if spec.origin is None or not is_first_party(spec.origin):
                return spec
            spec.loader = SourceLoader(fullname, spec.origin)
            spec.cached = None
        return spec


def _found_by_others(
    fullname: str, path: Sequence[str] | None, target: types.ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    """What Python would find without us; an editable install may have a finder of its own."""
    for finder in sys.meta_path:
        if finder is not _FINDER:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
    return None


LOADED: dict[str, LoadedSource] = {}
IMPORTED: dict[str, set[str]] = {}
"""First-party module → those that it imported when it was loaded, by whatever means."""

_FINDER = _FirstPartyFinder()
_LOCAL = threading.local()
_import_module = importlib.import_module


def install() -> None:
    """Load every first-party module from here on through ``SourceLoader``; keep the source of those that are loaded."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
        importlib.import_module = _noted_import_module
        for module in loaded_otherwise():
            source_of(module)


@functools.wraps(_import_module)
def _noted_import_module(name: str, package: str | None = None) -> types.ModuleType:
    module = _import_module(name, package)
    _note_import(module.__name__)
    return module


def _note_import(name: str) -> None:
    """No import statement names a module that is loaded by a computed name."""
    if executing := _executing():
        IMPORTED.setdefault(executing[-1], set()).add(name)


def _executing() -> list[str]:
    """First-party modules that this thread is loading, the innermost last."""
    if not hasattr(_LOCAL, "executing"):
        _LOCAL.executing = []
    found: list[str] = _LOCAL.executing
    return found


def loaded_otherwise() -> Iterator[types.ModuleType]:
    """First-party modules that were loaded before ``install``: bytecode may have run that their source is not."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        loader = getattr(module, "__loader__", None)
        if type(loader) is importlib.machinery.SourceFileLoader and isinstance(path, str) and is_first_party(path):
            yield module


def loaded_files() -> Iterator[Path]:
    """Files of all first-party modules that are loaded, whatever loaded them: source, bytecode, compiled, archives."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and is_first_party(path):
            yield Path(getattr(getattr(module, "__loader__", None), "archive", path))
    yield from map(Path, LOADED)


def package_folders() -> Iterator[Path]:
    """Where the loaded first-party packages look for their modules; a namespace package may have several places."""
    for module in list(sys.modules.values()):
        for folder in list(getattr(module, "__path__", None) or ()):
            if isinstance(folder, str) and is_first_party(os.path.join(folder, "__init__.py")):
                yield Path(folder)


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
