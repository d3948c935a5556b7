"""A store in a folder: temporary file and rename for every write, a lock where something is compared."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from odibi_assets.errors import StoreError
from odibi_assets.keep.store import checked_name

_TEMPORARY = "tmp"


def _lasts(name: str) -> bool:
    return not name.startswith("leases/")


class FolderStore:
    """Objects as files below one folder.

    What is created or swapped (results, snapshots, heads) is fsynced with its folder. Not so a lease,
    which ends with its process, nor blobs and what is put (records of runs): blobs are verified on
    read, and a record that can't be read counts as none, so that a power cut costs the last seconds
    and never gives wrong data.

    Args:
        durable: False for copies of what lies elsewhere: nothing is fsynced.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root, self.durable = root, durable

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def is_shared(self) -> bool:
        return False

    @property
    def keeps_back(self) -> bool:
        return False

    def get(self, name: str) -> bytes | None:
        with self._reported("read", name):
            try:
                with open(self._place(name), "rb", buffering=0) as file:
                    return file.readall()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def size(self, name: str) -> int | None:
        with self._reported("look up", name):
            try:
                found = os.stat(self._place(name))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def put(self, name: str, data: bytes) -> None:
        with self._reported("write", name), self._written(name, data, durable=False) as (temporary, path):
            os.replace(temporary, path)

    def create(self, name: str, data: bytes) -> bool:
        with self._reported("create", name), self._written(name, data, durable=_lasts(name)) as (temporary, path):
            linked = _linked(temporary, path)
            if linked is not None:
                return linked
            with self._locked(path):
                return _moved(temporary, path)

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        path = self._path(name)
        with self._reported("swap", name), self._locked(path):
            try:
                found: bytes | None = path.read_bytes()
            except FileNotFoundError:
                found = None
            if found != expected:
                return False
            with self._written(name, data, durable=_lasts(name)) as (temporary, target):
                if expected is None:  # ``create`` takes no lock: what it made meanwhile stays.
                    linked = _linked(temporary, target)
                    return _moved(temporary, target) if linked is None else linked
                os.replace(temporary, target)
            return True

    def put_file(self, name: str, source: Path) -> None:
        path = self._path(name)
        with self._reported("write", name):
            if path.is_file():
                source.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(source, path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                near = self.temporary()
                shutil.copyfile(source, near)
                os.replace(near, path)
                source.unlink(missing_ok=True)

    def fetch(self, name: str) -> Path | None:
        path = self._path(name)
        return path if path.is_file() else None

    def list(self, prefix: str) -> Iterator[str]:
        folder, start = self._place(prefix.rstrip("/")), len(os.path.join(self.root, ""))
        with self._reported("list", prefix):
            found = []
            for parent, folders, files in os.walk(folder, onerror=_raise_unless_gone):
                folders[:] = [name for name in folders if name != ".locks"]
                found += [os.path.join(parent, name) for name in files]
        yield from sorted(path[start:].replace(os.sep, "/") for path in found)

    def delete(self, name: str) -> None:
        with (
            self._reported("delete", name),
            contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
        ):
            self._path(name).unlink()

    def forget(self, name: str) -> bool:
        checked_name(name)
        return False  # The files are the medium.

    def catch_up(self) -> None:
        pass

    def temporary(self) -> Path:
        folder = self.root / _TEMPORARY
        if not folder.is_dir():
            with self._reported("write", _TEMPORARY):
                folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{uuid.uuid4().hex}"

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """While this is held, nothing is collected."""
        with self._guard(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While this is held, nobody else holds ``together`` or ``alone``."""
        with self._guard(fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _guard(self, kind: int) -> Iterator[None]:
        """Two locks: who waits to be alone holds the first, so that writers that keep coming can't starve it."""
        folder = self.root / ".locks"
        with contextlib.ExitStack() as held:
            with self._reported("lock", ".locks"), _flocked(folder / "next", kind):
                held.enter_context(_flocked(folder / "collection", kind))
            yield

    def _path(self, name: str) -> Path:
        return self.root / checked_name(name)

    def _place(self, name: str) -> str:
        """As ``_path``, as text: a plan asks for thousands."""
        return os.path.join(self.root, checked_name(name))

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes, *, durable: bool = True) -> Iterator[tuple[Path, Path]]:
        """A temporary file beside the target, on the disk, to be renamed or linked into place."""
        durable = durable and self.durable
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.temporary()
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            yield temporary, path
            if durable:
                _fsync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Exclusive among processes and threads; released by the kernel if its holder dies."""
        with _flocked(path.parent / ".locks" / path.name, fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def _reported(self, action: str, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Could not {action} {name!r} in the store {self.name}: {error.strerror or error}. "
                "Check that the folder exists, is writable and has room."
            ) from error


@contextlib.contextmanager
def _flocked(path: Path, kind: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # A child forked meanwhile shares the open file.
        os.close(descriptor)


def _linked(temporary: Path, path: Path) -> bool | None:
    """Give a file its name unless that is taken; None where the file system has no hard links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        return None
    return True


def _moved(temporary: Path, path: Path) -> bool:
    """As ``_linked``, for the holder of the lock."""
    if path.exists():
        return False
    os.replace(temporary, path)
    return True


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
