"""``oda`` on a store in a folder that drops what is written: names, sizes and small objects are kept in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from odibi_assets.cli.app import run_app
from odibi_assets.keep.folder_store import FolderStore

_objects: dict[str, bytes] = {}
_sizes: dict[str, int] = {}


def _put(self: FolderStore, name: str, data: bytes) -> None:
    _objects[name] = data


def _create(self: FolderStore, name: str, data: bytes) -> bool:
    return _objects.setdefault(name, data) is data


def _swap(self: FolderStore, name: str, expected: bytes | None, data: bytes) -> bool:
    if _objects.get(name) != expected:
        return False
    _objects[name] = data
    return True


def _put_file(self: FolderStore, name: str, source: Path) -> None:
    _sizes[name] = source.stat().st_size
    source.unlink()


def _size(self: FolderStore, name: str) -> int | None:
    return len(_objects[name]) if name in _objects else _sizes.get(name)


def _list(self: FolderStore, prefix: str) -> Iterator[str]:
    return iter(sorted(name for name in (*_objects, *_sizes) if name.startswith(prefix.rstrip("/") + "/")))


FolderStore.put, FolderStore.create, FolderStore.swap = _put, _create, _swap  # type: ignore[method-assign]
FolderStore.put_file, FolderStore.size, FolderStore.list = _put_file, _size, _list  # type: ignore[method-assign]
FolderStore.get = lambda self, name: _objects.get(name)  # type: ignore[method-assign]
FolderStore.delete = lambda self, name: _objects.pop(name, None)  # type: ignore[method-assign,assign,return-value]

if __name__ == "__main__":
    sys.exit(run_app(sys.argv[1:]))
