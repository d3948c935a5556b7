"""The contract of a store: named objects that appear whole, are created once, or are swapped by comparison.

Names are relative paths with ``/``. Everything above this contract (results, snapshots, runs) is
the same for every backend; ``odibi_assets.testing.StoreContract`` is the suite that a backend passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from odibi_assets.errors import StoreError


class Store(Protocol):
    """Where bytes live. Safe for many threads and processes.

    Every write is all or nothing: a reader sees the old object or the new one, never a part,
    whatever is killed. Methods raise ``StoreError`` where the medium fails.
    """

    @property
    def name(self) -> str:
        """How messages call the store; without credentials."""
        ...

    @property
    def is_shared(self) -> bool:
        """May others write to it? What they wrote is not trusted further than its digests reach."""
        ...

    @property
    def keeps_back(self) -> bool:
        """Is the medium away, or closed to writes, so that writes wait on this machine and deletes do nothing?"""
        ...

    def get(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none."""
        ...

    def size(self, name: str) -> int | None:
        """Size of an object in bytes; None if there is none."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an object, in place of any that is there. Repeating it changes nothing."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one; says whether it did. Of many, one succeeds."""
        ...

    def swap(self, name: str, expected: bytes | None, data: bytes) -> bool:
        """Write an object if its bytes are still the expected ones (None: if there is none); says whether it did."""
        ...

    def put_file(self, name: str, source: Path) -> None:
        """Move a finished local file to be an object, unless there is one."""
        ...

    def fetch(self, name: str) -> Path | None:
        """A local file with the object's bytes, to be read and not changed; None if there is none."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Names of the objects in a folder and below it, in order."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens if there is none."""
        ...

    def forget(self, name: str) -> bool:
        """Drop this machine's copy of an object, so that ``fetch`` reads the medium; says whether there was one."""
        ...

    def catch_up(self) -> None:
        """Bring to the medium what was kept back while it was away; what can't be brought stays kept back."""
        ...

    def temporary(self) -> Path:
        """A new local path, near enough that ``put_file`` need not copy."""
        ...


def checked_name(name: str) -> str:
    """A name that can't lead out of the store.

    Raises:
        StoreError: It is absolute, climbs, or has an empty part.
    """
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise StoreError(f"{name!r} is no name of a stored object: expected a relative path without '..'.")
    return name
