"""A bucket with two folders of this machine before it: copies of what it holds, and what waits to be uploaded.

While the bucket answers, it is asked for everything but the bytes of blobs, which are verified
wherever they come from. Where it can't be written, writes wait in the spool, which then stands
before the bucket; where it does not answer at all, the copies stand in its place.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from odibi_assets.errors import StoreAway, StoreError
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.object_store import ObjectStore
from odibi_assets.keep.store import checked_name

Answer = TypeVar("Answer")

BASES = "bases"
"""Below it, in the spool: what an object was when this machine first swapped it while away; empty for nothing."""

SMALL_BYTES = 256 * 2**10

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
        keeps_back: Writes go to the spool.
    """

    def __init__(
        self, bucket: ObjectStore, held: FolderStore, spool: FolderStore, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.bucket, self.held, self.spool, self.now = bucket, held, spool, now
        self.away = self.keeps_back = self._is_left_alone()
        self._leaving = threading.Lock()

    @property
    def name(self) -> str:
        return self.bucket.name

    @property
    def is_shared(self) -> bool:
        return True

    def get(self, name: str) -> bytes | None:
        checked_name(name)
        found = self.spool.get(name) if self.keeps_back else None
        if found is not None:
            return found
        return self._read(lambda: self._copied(name, self.bucket.get(name)), lambda: self.held.get(name))

    def size(self, name: str) -> int | None:
        checked_name(name)
        found = self.spool.size(name) if self.keeps_back else None
        return self._read(lambda: self._looked_up(name), lambda: self.held.size(name)) if found is None else found

    def put(self, name: str, data: bytes) -> None:
        def write() -> None:
            self.bucket.put(name, data)
            self._copied(name, data)

        self._written(name, write, lambda: self.spool.put(name, data))

    def create(self, name: str, data: bytes) -> bool:
        def write() -> bool:
            created = self.bucket.create(name, data)
            if created:
                self._copied(name, data)
            return created

        return self._written(name, write, lambda: self.size(name) is None and self.spool.create(name, data))

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        def write() -> bool:
            swapped = self.bucket.swap(name, expected, data)
            if swapped:
                self._copied(name, data)
            return swapped

        return self._written(name, write, lambda: self._swap_own(name, expected, data))

    def put_file(self, name: str, source: Path) -> None:
        def write() -> None:
            # A small file is sent on the condition that there is none, which saves a question.
            if source.stat().st_size <= SMALL_BYTES or self.bucket.size(name) is None:
                self.bucket.upload(name, source)
                if _is_blob(name):
                    self.held.put_file(name, source)
            source.unlink(missing_ok=True)

        self._written(name, write, lambda: self.spool.put_file(name, source))

    def fetch(self, name: str) -> Path | None:
        found = self.spool.fetch(name) or (self.held.fetch(name) if _is_blob(name) else None)
        if found is not None:
            return found
        if not _is_blob(name):
            return self._read(lambda: self.bucket.fetch(name), lambda: self.held.fetch(name))
        near = self.held.temporary()
        try:
            if self._read(lambda: self.bucket.download(name, near), lambda: False):
                self.held.put_file(name, near)
        finally:
            near.unlink(missing_ok=True)
        return self.held.fetch(name)

    def list(self, prefix: str) -> Iterator[str]:
        checked_name(prefix.rstrip("/"))
        found = self._read(lambda: list(self.bucket.list(prefix)), lambda: list(self.held.list(prefix)))
        yield from sorted({*found, *self.spool.list(prefix)}) if self.keeps_back else found

    def delete(self, name: str) -> None:
        if self.keeps_back:
            self.spool.delete(name)
        self._written(name, lambda: self.bucket.delete(name), lambda: None)
        self.held.delete(name)

    def forget(self, name: str) -> bool:
        found = self.held.size(name) is not None
        self.held.delete(name)
        return found

    def temporary(self) -> Path:
        return self.held.temporary()

    def catch_up(self) -> None:
        """Upload what waits, if the bucket takes it; else it keeps waiting, and a warning says so."""
        from odibi_assets.keep.upload import upload, waiting

        if waiting(self.spool) and not self._is_left_alone():
            try:
                upload(self.bucket, self.held, self.spool)
                self.away = self.keeps_back = False
            except StoreError as error:
                self.leave(error)
        count = len(waiting(self.spool))
        if count:
            self.keeps_back = True
            _log.warning(
                "%d objects wait in %s to be uploaded to %s: the next command that reaches it does so.",
                count,
                self.spool.name,
                self.name,
            )

    def leave(self, error: StoreError, *, away: bool = False) -> None:
        """Go on without the bucket, or only without writing to it where it answers that it refuses."""
        with self._leaving:
            self._leave(error, away or isinstance(error, StoreAway))

    def _leave(self, error: StoreError, is_away: bool) -> None:
        if self.away:
            return  # Another thread said so.
        self.keeps_back = True
        known = self.held.get("format.json")
        if known is not None and self.spool.get("format.json") is None:
            self.spool.put("format.json", known)  # Says which store the spool waits for.
        if is_away:
            self.away = True
            _failed_at[self._place] = self.now()
        _log.warning("%s The run goes on with what this machine holds; what it writes is uploaded later.", error)

    @property
    def _place(self) -> str:
        return self.held.name

    def _is_left_alone(self) -> bool:
        failed_at = _failed_at.get(self._place)
        return failed_at is not None and self.now() - failed_at < LEFT_ALONE_S

    def _read(self, work: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """What the bucket answers, else what a copy does."""
        if not self.away:
            try:
                return work()
            except StoreError as error:
                self.leave(error, away=True)
        return otherwise()

    def _written(self, name: str, work: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """Write to the bucket, else to the spool."""
        checked_name(name)
        if not self.keeps_back:
            try:
                return work()
            except StoreError as error:
                self.leave(error)
        return otherwise()

    def _looked_up(self, name: str) -> int | None:
        found = self.bucket.size(name)
        if name.startswith("revoked/") and (found is None or self.held.size(name) is None):
            self._copied(name, None if found is None else b"")
        return found

    def _swap_own(self, name: str, expected: bytes | None, data: bytes) -> bool:
        mine = self.spool.get(name)
        found = self.get(name) if mine is None else mine
        if found != expected:
            return False
        if mine is None:
            self.spool.create(f"{BASES}/{name}", found or b"")
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
