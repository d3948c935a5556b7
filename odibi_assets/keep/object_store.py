"""A store in a bucket: conditional writes where something is compared, files in parts of bounded memory."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import StoreAway, StoreError, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.bucket_client import BucketSettings, client_of
from odibi_assets.keep.movement import moved
from odibi_assets.keep.store import checked_name

PART_BYTES = 8 * 2**20
"""Files move in parts of this size, or larger ones where a file would have more parts than S3 takes."""

AT_ONCE = 6
"""Parts of one file that are on their way, and in memory, at once."""

_MOST_PARTS = 9_000
_AWAY = re.compile(r"status code: (5\d\d|429|408)\b|HTTP error|error sending request|timed out|after \d+ retries")
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_CODE = re.compile(r"<Code>([A-Za-z]+)</Code>")


class ObjectStore:
    """Objects below a prefix of one bucket, through obstore.

    The client itself tries throttled and failing requests again (``bucket_client.RETRY``). Such a repeated
    ``create`` or ``swap`` may say False though its own first try was carried out: whoever compares, reads again.

    Args:
        folder: Of this machine, for files on their way.
    """

    def __init__(self, root: BucketRoot, settings: BucketSettings, folder: Path) -> None:
        self.root, self.folder = root, folder
        self._client = client_of(root, settings)

    @property
    def name(self) -> str:
        return self.root.url

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def keeps_back(self) -> bool:
        return False

    def get(self, name: str) -> bytes | None:
        found = self._read(name)
        return None if found is None else found[0]

    def size(self, name: str) -> int | None:
        meta = self._head(name)
        return None if meta is None else int(meta["size"])

    def put(self, name: str, data: bytes) -> None:
        import obstore

        with self._reported("write", name):
            obstore.put(self._client, self._path(name), data, use_multipart=False)

    def create(self, name: str, data: bytes) -> bool:
        return self._put_if(name, data, "create")

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        if expected is None:
            return self.create(name, data)
        found = self._read(name)
        if found is None or found[0] != expected:
            return False
        return self._put_if(name, data, _version(found[1]))

    def put_file(self, name: str, source: Path) -> None:
        self.upload(name, source)
        source.unlink(missing_ok=True)

    def upload(self, name: str, source: Path) -> None:
        """As ``put_file``, and the file stays."""
        import obstore

        path, size = self._path(name), source.stat().st_size
        if size <= PART_BYTES:
            self._put_if(name, source.read_bytes(), "create")
            return
        if self._head(name) is not None:
            return
        # A file in parts has no condition: whoever comes second writes the same bytes, as the name is their digest.
        with self._reported("write", name), source.open("rb") as file:
            obstore.put(
                self._client,
                path,
                _pieces(file, size),
                use_multipart=True,
                chunk_size=max(PART_BYTES, -(-size // _MOST_PARTS)),
                max_concurrency=AT_ONCE,
            )

    def fetch(self, name: str) -> Path | None:
        target = self.folder / "fetched" / Digest.of_bytes(checked_name(name).encode()).hex
        target.parent.mkdir(parents=True, exist_ok=True)
        near = self.temporary()
        try:
            if not self.download(name, near):
                return None
            os.replace(near, target)
        finally:
            near.unlink(missing_ok=True)
        return target

    def download(self, name: str, target: Path) -> bool:
        """Write an object's bytes, all of one version, to a new local file; says whether there is one."""
        while True:
            meta = self._head(name)
            if meta is None:
                return False
            with contextlib.suppress(_Replaced):
                self._download(name, target, meta)
                return True

    def _download(self, name: str, target: Path, meta: Any) -> None:
        import obstore
        from obstore.exceptions import PreconditionError

        path, size = self._path(name), int(meta["size"])

        def copy(start: int) -> None:
            end = min(start + PART_BYTES, size)
            with self._reported("read", name):
                try:
                    options: Any = {"range": (start, end), "if_match": meta["e_tag"]}
                    found = obstore.get(self._client, path, options=options)
                    data = found.bytes()
                except (PreconditionError, FileNotFoundError) as error:
                    raise _Replaced from error
            if found.meta["e_tag"] != meta["e_tag"] or len(data) != end - start:
                raise _Replaced  # Not every server heeds a condition on reading.
            os.pwrite(descriptor, data, start)

        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.truncate(descriptor, size)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for number, _ in enumerate(pool.map(copy, range(0, size, PART_BYTES)), 1):
                    moved("fetched", min(number * PART_BYTES, size), size)
        except OSError as error:
            raise StoreError(f"Could not write {target} ({error.strerror}): check that the disk has room.") from error
        finally:
            os.close(descriptor)

    def list(self, prefix: str) -> Iterator[str]:
        import obstore

        folder = self._path(prefix.rstrip("/"))
        cut = len(self.root.prefix) + 1 if self.root.prefix else 0
        with self._reported("list", prefix):
            found = [meta["path"] for batch in obstore.list(self._client, folder) for meta in batch]
        yield from sorted(path[cut:] for path in found)

    def delete(self, name: str) -> None:
        import obstore

        with self._reported("delete", name), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._client, self._path(name))

    def forget(self, name: str) -> bool:
        checked_name(name)
        return False  # Every fetch reads the bucket.

    def catch_up(self) -> None:
        pass

    def temporary(self) -> Path:
        folder = self.folder / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{os.getpid()}-{uuid.uuid4().hex}"

    def check_conditions(self) -> None:
        """Try whether the server honours conditional writes: some take a second create, and say it went well.

        Raises:
            UsageError: It does not; two machines would overwrite each other's results.
        """
        name = f"probe/{uuid.uuid4().hex}"
        try:
            first = self.create(name, b"1")
            second = self.create(name, b"2")
            found = self._read(name)
            stale = _version(found[1]) if found is not None else {}
            self.put(name, b"3")
            late = self._put_if(name, b"4", stale)
        finally:
            with contextlib.suppress(StoreError):
                self.delete(name)
        if not first or second or late:
            what = (
                "a second create of one object succeeded" if second else "a write over an unexpected version succeeded"
            )
            raise UsageError(
                f"The store {self.name} can't be used: its server does not honour conditional writes ({what}), so two "
                "machines would overwrite each other's results. Amazon S3, Azure Blob Storage, Google Cloud Storage "
                "and SeaweedFS honour them; see docs/how-to/buckets.md."
            )

    def _path(self, name: str) -> str:
        return f"{self.root.prefix}/{checked_name(name)}" if self.root.prefix else checked_name(name)

    def _head(self, name: str) -> Any:
        import obstore

        with self._reported("look up", name), contextlib.suppress(FileNotFoundError):
            return obstore.head(self._client, self._path(name))
        return None

    def _read(self, name: str) -> tuple[bytes, Any] | None:
        import obstore

        with self._reported("read", name), contextlib.suppress(FileNotFoundError):
            found = obstore.get(self._client, self._path(name))
            return bytes(found.bytes()), found.meta
        return None

    def _put_if(self, name: str, data: bytes, mode: Any) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        path = self._path(name)
        with self._reported("write", name):
            try:
                obstore.put(self._client, path, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            except FileNotFoundError:
                if mode == "create":
                    raise  # There is no such bucket.
                return False
        return True

    @contextlib.contextmanager
    def _reported(self, action: str, name: str) -> Iterator[None]:
        """Turn obstore's errors into ours. Their text is not passed on: it quotes requests, which may be signed."""
        from obstore.exceptions import BaseError

        try:
            yield
        except _Replaced:
            raise
        except (BaseError, FileNotFoundError) as error:
            raise _told(error, f"Could not {action} {name!r} in the store {self.name}") from None


class _Replaced(Exception):
    """An object was replaced while it was being read."""


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    done = 0
    while data := file.read(PART_BYTES):
        yield data
        done += len(data)
        moved("sent", done, size)


def _version(meta: Any) -> dict[str, str]:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name)}


def _told(error: Exception, what: str) -> StoreError:
    from obstore.exceptions import NotSupportedError, PermissionDeniedError, UnauthenticatedError

    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    found = ", ".join(match[1].strip() for match in (status, code) if match) or "no answer"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return StoreError(
            f"{what}: access was refused ({found}). Check the credentials, and that they may read, write, list and "
            "delete there; docs/how-to/buckets.md names the variables."
        )
    if isinstance(error, FileNotFoundError):
        return StoreError(f"{what}: there is no such bucket ({found}). Create it, or correct the name of the store.")
    if isinstance(error, NotSupportedError):
        return StoreError(f"{what}: the server can't do that ({found}). See docs/how-to/buckets.md.")
    if _AWAY.search(text):
        return StoreAway(f"{what}: the bucket does not answer ({found}). Check the network and the endpoint.")
    return StoreError(f"{what}: the request failed ({found}). Check the bucket's name, region and endpoint.")
