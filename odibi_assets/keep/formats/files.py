"""Files and folders that a step makes: captured by content, put back where they are asked for."""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from odibi_assets.errors import NotStorable, StoreError
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes
from odibi_assets.keep.formats.plain import described
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results
from odibi_assets.keep.store import checked_name

_ALONE = ""


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

    def at(self, path: Path) -> FileTree:
        """The same tree, copied from another place from now on."""
        return replace(self, sources={name: path / name if name else path for name in self.entries})


def captured(path: Path, digest: Callable[[Path], Digest] = Digest.of_file) -> FileTree:
    """What a file or folder holds now.

    Args:
        digest: How a file's content is digested; one that remembers spares reading it.

    Raises:
        NotStorable: It is not there, or holds what is neither file nor folder.
    """
    if path.is_file():
        return FileTree({_ALONE: _entry(path, digest)}, suffix=path.suffix, sources={_ALONE: path})
    if not path.is_dir():
        raise NotStorable(f"There is nothing at {path}: expected a file or folder that the step made.")
    entries, folders, sources = {}, [], {}
    for name, found in _walk(path, ""):
        if found.is_dir():
            folders.append(name)
        else:
            entries[name], sources[name] = _entry(found, digest), found
    empty = tuple(
        sorted(name for name in folders if not any(other.startswith(name + "/") for other in [*entries, *folders]))
    )
    return FileTree(entries, empty, sources=sources)


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
            _copy(tree.sources[_ALONE], aside, tree.entries[_ALONE])
        else:
            aside.mkdir()
            for name in tree.folders:
                (aside / name).mkdir(parents=True, exist_ok=True)
            for name, entry in tree.entries.items():
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(tree.sources[name], target, entry)
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
        tree = captured(path)
        if shared:
            copy = new_path(folder)
            put_at(tree, copy)
            tree = tree.at(copy)
        return self._kept(tree)

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        tree: FileTree = kept.value
        blobs: dict[Digest, Blob] = {}
        for name, entry in tree.entries.items():
            if entry.digest not in blobs:
                blobs[entry.digest] = self._stored(tree.sources[name], entry, results)
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

    def _stored(self, source: Path, entry: FileEntry, results: Results) -> Blob:
        temporary = results.store.temporary()
        try:
            _copy(source, temporary, entry)
            return results.put_blob(temporary)
        finally:
            temporary.unlink(missing_ok=True)

    def _kept(self, tree: FileTree) -> Kept:
        return Kept(self.name, tree, tree.version(), 0)


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


def _copy(source: Path, target: Path, entry: FileEntry) -> None:
    shutil.copyfile(source, target)
    if entry.is_executable:
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP)
    if Digest.of_file(target) != entry.digest:
        raise StoreError(f"{source} changed while it was copied: expected a file that rests. Run the step again.")
