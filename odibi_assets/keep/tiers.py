"""A bucket with two folders of this machine before it: copies of what it holds, and what waits to be uploaded.

While the bucket answers, it is asked for everything but the bytes of blobs, which are verified
wherever they come from. Once it does not, reads are answered by what this machine holds, and
writes wait in the spool.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from odibi_assets.errors import StoreError
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.object_store import ObjectStore
from odibi_assets.keep.store import checked_name

Answer = TypeVar("Answer")

BASES = "bases"
"""Below it, in the spool: what an object was when this machine first swapped it while away; empty for nothing."""

LEFT_ALONE_S = 30.0
"""A bucket that failed is not asked again for so long, by any store of this process."""

_COPIED = frozenset({"format.json", "results", "snapshots", "heads", "revoked", "runs"})
_log = logging.getLogger("odibi_assets")
_failed_at: dict[str, float] = {}


class TieredStore:
    """
    Attributes:
        held: Copies; safe to delete.
        spool: Not uploaded yet.
        away: Nothing is asked of the bucket.
    """

    def __init__(
        self, bucket: ObjectStore, held: FolderStore, spool: FolderStore, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.bucket, self.held, self.spool, self.now = bucket, held, spool, now
        failed_at = _failed_at.get(self._place)
        self.away = failed_at is not None and now() - failed_at < LEFT_ALONE_S

    @property
    def name(self) -> str:
        return self.bucket.name

    def get(self, name: str) -> bytes | None:
        return self._asked(
            checked_name(name), lambda: self._copied(name, self.bucket.get(name)), lambda: self._own(name)
        )

    def size(self, name: str) -> int | None:
        def look() -> int | None:
            found = self.bucket.size(name)
            if name.startswith("revoked/"):
                self._copied(name, None if found is None else b"")
            return found

        def own() -> int | None:
            found = self.spool.size(name)
            return self.held.size(name) if found is None else found

        return self._asked(checked_name(name), look, own)

    def put(self, name: str, data: bytes) -> None:
        def write() -> None:
            self.bucket.put(name, data)
            self._copied(name, data)

        self._asked(checked_name(name), write, lambda: self.spool.put(name, data))

    def create(self, name: str, data: bytes) -> bool:
        def write() -> bool:
            created = self.bucket.create(name, data)
            if created:
                self._copied(name, data)
            return created

        return self._asked(
            checked_name(name), write, lambda: self.held.size(name) is None and self.spool.create(name, data)
        )

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        def write() -> bool:
            swapped = self.bucket.swap(name, expected, data)
            if swapped:
                self._copied(name, data)
            return swapped

        return self._asked(checked_name(name), write, lambda: self._swap_own(name, expected, data))

    def put_file(self, name: str, source: Path) -> None:
        def write() -> None:
            if self.bucket.size(name) is None:
                self.bucket.upload(name, source)
                if _is_blob(name):
                    self.held.put_file(name, source)
            source.unlink(missing_ok=True)

        self._asked(checked_name(name), write, lambda: self.spool.put_file(name, source))

    def fetch(self, name: str) -> Path | None:
        own = self.spool.fetch(name) or (self.held.fetch(name) if _is_blob(name) or self.away else None)
        if own is not None:
            return own
        if not _is_blob(name):
            return self._asked(name, lambda: self.bucket.fetch(name), lambda: None)
        near = self.held.temporary()
        try:
            if self._asked(name, lambda: self.bucket.download(name, near), lambda: False):
                self.held.put_file(name, near)
        finally:
            near.unlink(missing_ok=True)
        return self.held.fetch(name)

    def list(self, prefix: str) -> Iterator[str]:
        yield from self._asked(
            checked_name(prefix.rstrip("/")),
            lambda: list(self.bucket.list(prefix)),
            lambda: sorted({*self.spool.list(prefix), *self.held.list(prefix)}),
        )

    def delete(self, name: str) -> None:
        self._asked(checked_name(name), lambda: self.bucket.delete(name), lambda: self.spool.delete(name))
        self.held.delete(name)

    def forget(self, name: str) -> bool:
        found = self.held.size(name) is not None
        self.held.delete(name)
        return found

    def temporary(self) -> Path:
        return self.held.temporary()

    def catch_up(self) -> None:
        """Upload what waits, if the bucket answers again; else it keeps waiting, and a warning says so."""
        from odibi_assets.keep.upload import upload, waiting

        if not waiting(self.spool):
            return
        failed_at = _failed_at.get(self._place)
        if failed_at is None or self.now() - failed_at >= LEFT_ALONE_S:
            try:
                upload(self.bucket, self.held, self.spool)
            except StoreError as error:
                self.leave(error)
            else:
                self.away = False
                _failed_at.pop(self._place, None)
        count = len(waiting(self.spool))
        if count:
            self.away = True
            _log.warning(
                "%d objects wait in %s to be uploaded to %s: the next command that reaches it does so.",
                count,
                self.spool.name,
                self.name,
            )

    @property
    def _place(self) -> str:
        return self.held.name

    def _asked(self, name: str, work: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """What the bucket answers, and what this machine can do without it."""
        if not self.away:
            try:
                return work()
            except StoreError as error:
                self.leave(error)
        return otherwise()

    def leave(self, error: StoreError) -> None:
        """Go on without the bucket."""
        self.away = True
        _failed_at[self._place] = self.now()
        _log.warning("%s The run goes on with what this machine holds; what it writes is uploaded later.", error)

    def _own(self, name: str) -> bytes | None:
        found = self.spool.get(name)
        return self.held.get(name) if found is None else found

    def _swap_own(self, name: str, expected: bytes | None, data: bytes) -> bool:
        mine, held = self.spool.get(name), self.held.get(name)
        if (held if mine is None else mine) != expected:
            return False
        if mine is None:
            self.spool.create(f"{BASES}/{name}", held or b"")
        return self.spool.swap(name, mine, data)

    def _copied(self, name: str, data: bytes | None) -> bytes | None:
        """Keep what an object is now, for when the bucket is away."""
        if name.partition("/")[0] in _COPIED:
            with contextlib.suppress(StoreError):  # A full disk costs the copy only.
                if data is None:
                    self.held.delete(name)
                elif self.held.get(name) != data:
                    self.held.put(name, data)
        return data


def _is_blob(name: str) -> bool:
    return name.startswith("blobs/")
