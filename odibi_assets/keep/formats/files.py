"""Files and folders that a step makes: captured by content, put back where they are asked for."""

from __future__ import annotations

import functools
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from odibi_assets.errors import NotStorable, StoreError
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes, put_written
from odibi_assets.keep.formats.plain import described
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results
from odibi_assets.keep.store import checked_name

_ALONE = ""
_PART_BYTES = 4 * 2**20


@dataclass(frozen=True)
class FileEntry:
    """One file of a tree: its content, and whether it may be executed."""

    digest: Digest
    size_bytes: int
    is_executable: bool


@dataclass(frozen=True)
class FileTree:
    """Files by their path below the tree's top; a file alone has the empty path.

    Attributes:
        folders: Folders without files in them.
        sources: Path → a local file with the bytes, verified when it is copied.
    """

    entries: Mapping[str, FileEntry]
    folders: tuple[str, ...] = ()
    suffix: str = ""
    sources: Mapping[str, Path] = field(default_factory=dict, compare=False)

    def version(self) -> Digest:
        parts = [(path, entry.digest, entry.is_executable) for path, entry in sorted(self.entries.items())]
        return Digest.of_struct("files", [parts, sorted(self.folders)])

    def to_json(self) -> dict[str, Any]:
        return {
            "files": [[path, str(e.digest), e.size_bytes, e.is_executable] for path, e in sorted(self.entries.items())],
            "folders": sorted(self.folders),
            "suffix": self.suffix,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], sources: Mapping[str, Path]) -> FileTree:
        entries = {path: FileEntry(Digest.parse(digest), size, runs) for path, digest, size, runs in data["files"]}
        for path in [*entries, *data["folders"]]:
            if path != _ALONE:
                checked_name(path)
        return cls(entries, tuple(data["folders"]), data["suffix"], sources)

    @property
    def is_file(self) -> bool:
        return set(self.entries) == {_ALONE}


def captured(path: Path, digest: Callable[[Path], Digest] = Digest.of_file) -> FileTree:
    """What a file or folder holds now.

    Args:
        digest: How a file's content is digested; one that remembers spares reading it.

    Raises:
        NotStorable: It is not there, or holds what is neither file nor folder.
    """
    files, folders = _found(path)
    entries = {name: _entry(file, digest) for name, file in files.items()}
    return FileTree(entries, folders, path.suffix if path.is_file() else "", files)


def _copied(path: Path, copy: Path) -> FileTree:
    """What a file or folder holds now, copied while it is digested: what is kept is what was read."""
    files, folders = _found(path)
    entries, sources = {}, {}
    for name, file in files.items():
        sources[name] = copy / name if name else copy
        sources[name].parent.mkdir(parents=True, exist_ok=True)
        entries[name] = _copy(file, sources[name])
    return FileTree(entries, folders, path.suffix if path.is_file() else "", sources)


def _found(path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The files of a tree by their path in it, and its folders that hold nothing."""
    if path.is_file():
        return {_ALONE: path}, ()
    if not path.is_dir():
        raise NotStorable(f"There is nothing at {path}: expected a file or folder that the step made.")
    files: dict[str, Path] = {}
    folders: list[str] = []
    for name, found in _walk(path, ""):
        if found.is_dir():
            folders.append(name)
        else:
            files[name] = found
    holding = {name.rpartition("/")[0] for name in [*files, *folders]}
    return files, tuple(sorted(name for name in folders if name not in holding))


def differs(tree: FileTree, path: Path) -> bool:
    """Is what stands at a path another thing than the tree?"""
    try:
        return captured(path).version() != tree.version()
    except (NotStorable, OSError):
        return True


def put_at(tree: FileTree, path: Path) -> None:
    """Make a path hold exactly the tree: written aside, then renamed; nothing is touched where it does.

    Raises:
        StoreError: A file to copy from is not what it was.
    """
    if not differs(tree, path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".{path.name}-{uuid.uuid4().hex[:12]}"
    try:
        if tree.is_file:
            _put(tree, _ALONE, aside)
        else:
            aside.mkdir()
            for name in tree.folders:
                (aside / name).mkdir(parents=True, exist_ok=True)
            for name in tree.entries:
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _put(tree, name, target)
        old = path.parent / f"{aside.name}-old"
        if path.is_dir() and not path.is_symlink():
            path.rename(old)
        elif not tree.is_file and path.exists():
            path.unlink()
        os.replace(aside, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def _put(tree: FileTree, name: str, target: Path) -> None:
    entry = tree.entries[name]
    if _copy(tree.sources[name], target).digest != entry.digest:
        raise StoreError(f"{tree.sources[name]} is not what it was when its step ended. Run the step again.")
    runs, mode = stat.S_IXUSR | stat.S_IXGRP, target.stat().st_mode
    target.chmod(
        mode | runs if entry.is_executable else mode & ~(runs | stat.S_IXOTH)
    )  # Files of equal content share one.


class FilesFormat:
    """A file, or a folder with all that is in it.

    The first blob lists the tree, the others are the files, each once.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        if not isinstance(value, (str, os.PathLike)):
            raise NotStorable(f"It returned {described(value)}: expected the path of a {self.name}.")
        path = Path(value)
        if path.is_file() != (self.name == "file") and path.exists():
            raise NotStorable(f"{path} is a {'file' if path.is_file() else 'folder'}: expected a {self.name}.")
        return self._kept(_copied(path, new_path(folder)) if shared else captured(path))

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        tree: FileTree = kept.value
        blobs: dict[Digest, Blob] = {}
        for name, entry in tree.entries.items():
            if entry.digest not in blobs:
                blobs[entry.digest] = put_written(functools.partial(_link, tree.sources[name]), results)
        listing = json.dumps(tree.to_json(), sort_keys=True).encode()
        return (put_bytes(listing, results), *blobs.values())

    def read(self, output: Output, results: Results) -> Kept:
        data = json.loads(results.open_blob(output.blobs[0]).read_bytes())
        paths = {blob.digest: results.open_blob(blob) for blob in output.blobs[1:]}
        sources = {path: paths[Digest.parse(digest)] for path, digest, *_ in data["files"]}
        return self._kept(FileTree.from_json(data, sources))

    def hand_over(self, kept: Kept, folder: Path) -> Path:
        """A copy of the tree, apart from every other taker's."""
        path = new_path(folder, kept.value.suffix)
        put_at(kept.value, path)
        return path

    def as_path(self, kept: Kept, folder: Path) -> Path:
        return self.hand_over(kept, folder)

    def _kept(self, tree: FileTree) -> Kept:
        return Kept(self.name, tree, tree.version(), 0)


def _link(source: Path, target: Path) -> None:
    """Give a copy of our own, which nobody writes to, a second name."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for found in sorted(folder.iterdir()):
        name = f"{prefix}{found.name}"
        if found.is_symlink() and not found.exists():
            raise NotStorable(f"{found} is a link to nothing: expected files and folders.")
        if found.is_dir():
            yield name, found
            yield from _walk(found, name + "/")
        elif found.is_file():
            yield name, found
        else:
            raise NotStorable(f"{found} is neither a file nor a folder.")


def _entry(path: Path, digest: Callable[[Path], Digest]) -> FileEntry:
    found = path.stat()
    return FileEntry(
        digest(path) if found.st_size else Digest.of_bytes(b""), found.st_size, bool(found.st_mode & stat.S_IXUSR)
    )


def _copy(source: Path, target: Path) -> FileEntry:
    """Copy a file, and tell what was copied."""
    hasher = blake3()
    with source.open("rb") as read, target.open("xb") as written:
        while part := read.read(_PART_BYTES):
            hasher.update(part)
            written.write(part)
        found = os.fstat(read.fileno())
    is_executable = bool(found.st_mode & stat.S_IXUSR)
    if is_executable:
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP)
    return FileEntry(Digest(hasher.hexdigest()), target.stat().st_size, is_executable)
