"""Digests of files, with a cache that spares reading what surely did not change (truth.md 4.2)."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from odibi_assets.errors import OdibiAssetsError, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.local_file import write_local
from odibi_assets.identify.observing import unobserved

_VERSION = 1
_SETTLED_S = 2.0
_NETWORK_FILE_SYSTEMS = frozenset("nfs nfs4 cifs smb3 smbfs fuse.sshfs 9p ceph glusterfs lustre afs".split())


def match(root: Path, pattern: str) -> list[Path]:
    """Files below the root that a path, folder or glob names, in the order of their names.

    A folder stands for all files below it but those that begin with ``.`` or ``_``, as Spark and
    Hive leave them.

    Raises:
        UsageError: There is none.
    """
    with unobserved():
        found = [root / pattern] if os.path.isfile(root / pattern) else _matches(root, pattern)
    if not found:
        raise UsageError(f"No file matches {pattern!r} below the project root: expected at least one.")
    for path in found:
        if not path.resolve().is_relative_to(root.resolve()):
            raise UsageError(
                f"{pattern!r} leads to {path.resolve()}, outside the project root: expected a file below it."
            )
    return found


def _matches(root: Path, pattern: str) -> list[Path]:
    if os.path.isdir(root / pattern):
        return sorted(_below(root / pattern))
    names = glob.glob(pattern, root_dir=root, recursive=True)
    return sorted(root / name for name in names if os.path.isfile(root / name))


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (Path(parent, name) for name in files if not name.startswith((".", "_")))


def partition_of(path: Path, root: Path) -> list[tuple[str, str]]:
    """The columns that the folders of a file stand for, as Hive names them.

    >>> partition_of(Path("/p/sales/year=2013/month=01/a.csv"), Path("/p"))
    [('year', '2013'), ('month', '01')]
    """
    found = []
    for folder in path.relative_to(root).parts[:-1]:
        key, equals, value = folder.partition("=")
        if key and equals:
            found.append((key, urllib.parse.unquote(value)))
    return found


@dataclass
class FileDigests:
    """Digests of file contents, remembered by device, inode, size and both times.

    An entry is trusted only if both times were at least two seconds old when the file was hashed,
    and never on a network file system.

    Attributes:
        cache: File that keeps the entries; None to keep none.
        now: The clock, in seconds since the epoch.
    """

    cache: Path | None = None
    now: Callable[[], float] = time.time
    _entries: dict[str, object] = field(default_factory=dict)
    _loaded: bool = False
    _changed: bool = False

    def digest(self, path: Path) -> Digest:
        """Digest of a file's content.

        Raises:
            OdibiAssetsError: It kept changing while it was read.
        """
        self._load()
        with unobserved():
            for _ in range(3):
                before = signature(path)
                key = f"{before[0]}:{before[1]}"
                entry = self._entries.get(key)
                if isinstance(entry, list) and len(entry) == 2 and entry[0] == before[2:]:
                    return Digest(str(entry[1]))
                found = Digest.of_file(path)
                if signature(path) == before:
                    self._remember(path, key, before, found)
                    return found
        raise OdibiAssetsError(
            f"{path} changed each time it was read: expected a file that rests. Run again when it is written."
        )

    def save(self) -> None:
        """Write what was learnt; a cache that can't be written costs time, nothing else."""
        if self.cache is None or not self._changed:
            return
        if write_local(self.cache, json.dumps({"v": _VERSION, "files": self._entries})):
            self._changed = False

    def _load(self) -> None:
        if self._loaded or self.cache is None:
            return
        self._loaded = True
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), unobserved():
            data = json.loads(self.cache.read_text())
            if data["v"] == _VERSION:
                self._entries = dict(data["files"])

    def _remember(self, path: Path, key: str, found: list[int], digest: Digest) -> None:
        newest = max(found[3], found[4]) / 1e9
        if self.now() - newest >= _SETTLED_S and not on_network(path):
            self._entries[key] = [found[2:], digest.hex]
            self._changed = True


def signature(path: Path) -> list[int]:
    """Device, inode, size, and times of content and of status in nanoseconds."""
    found = os.stat(path)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def on_network(path: Path) -> bool:
    """Does a file lie on a file system whose times another machine keeps?"""
    best, kind = "", ""
    with contextlib.suppress(OSError):
        for mount, found in _mounts():
            if (str(path) + os.sep).startswith(mount.rstrip(os.sep) + os.sep) and len(mount) >= len(best):
                best, kind = mount, found
    return kind in _NETWORK_FILE_SYSTEMS


def _mounts() -> Iterable[tuple[str, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        parts = line.split()
        yield parts[1], parts[2]
