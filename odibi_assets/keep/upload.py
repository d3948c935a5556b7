"""What waited while a bucket was away is uploaded, in the order in which it may be seen: heads last.

A head is published only if nobody moved it meanwhile, and every result it names lies whole in the
bucket. Otherwise the results are there all the same: the next run finds them, and publishes.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable

from odibi_assets.errors import StoreError
from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.object_store import ObjectStore
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.keep.tiers import BASES

_BEFORE_HEADS = ("blobs", "results", "revoked", "snapshots")
_log = logging.getLogger("odibi_assets")


def waiting(spool: FolderStore) -> list[str]:
    """Names of the objects that are not uploaded yet."""
    return [name for part in (*_BEFORE_HEADS, "heads", *_after_heads(spool)) for name in spool.list(part)]


def _after_heads(spool: FolderStore) -> list[str]:
    """Everything else that a run writes: records, the journal, pins."""
    if not spool.root.is_dir():
        return []
    known = {*_BEFORE_HEADS, "heads", BASES, "tmp"}
    return sorted(
        path.name for path in spool.root.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in known
    )


def upload(bucket: ObjectStore, held: FolderStore, spool: FolderStore) -> None:
    """Bring the spool to the bucket; what is there becomes a copy.

    One process does it at a time.

    Raises:
        StoreError: The bucket can't be written, or is another one; what is not there keeps waiting.
    """
    if bucket.get("format.json") != spool.get("format.json"):
        raise StoreError(
            f"The store {bucket.name} is not the one that {spool.name} waits for: nothing is uploaded. "
            "Check the endpoint, and whether somebody emptied the bucket."
        )
    with (spool.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _Upload(bucket, held, spool).run()


class _Upload:
    def __init__(self, bucket: ObjectStore, held: FolderStore, spool: FolderStore) -> None:
        self.bucket, self.held, self.spool = bucket, held, spool
        self.results = Results(bucket)
        self.unpublished: set[str] = set()

    def run(self) -> None:
        self._each("blobs", self._blob)
        self._each("results", self._result)
        for part in ("revoked", "snapshots"):
            self._each(part, lambda name, data: self.bucket.create(name, data))
        self._each("heads", self._head)
        for part in _after_heads(self.spool):
            self._each(part, self._put)

    def _each(self, part: str, bring: Callable[[str, bytes], object]) -> None:
        for name in self.spool.list(part):
            data = b"" if part == "blobs" else self.spool.get(name)
            if data is None:
                continue
            bring(name, data)
            if part != "blobs":
                self.held.put(name, data)
            self.spool.delete(name)

    def _blob(self, name: str, _: bytes) -> None:
        path = self.spool.fetch(name)
        if path is None:
            return
        if Digest.of_file(path).hex != name.rpartition("/")[2]:
            _log.warning("%s in %s is damaged and not uploaded; its step will run again.", name, self.spool.name)
            return
        self.bucket.upload(name, path)
        self.held.put_file(name, path)

    def _result(self, name: str, data: bytes) -> None:
        if self.bucket.create(name, data):
            return
        present = self.bucket.get(name)
        if present == data:
            return
        # Another machine computed the key meanwhile: its result counts, unless what the steps read differs.
        try:
            mine = Result.from_json(canonical_json.load_sealed(data, name))
            theirs = Result.from_json(canonical_json.load_sealed(present or b"", name))
        except canonical_json.UNREADABLE as error:
            _log.warning("%s is not uploaded: %s", name, error)
            return
        self.results.commit(mine, replace=mine.trace != theirs.trace)

    def _head(self, name: str, data: bytes) -> None:
        base = self.spool.get(f"{BASES}/{name}") or None
        found = self.bucket.get(name)
        _, environment, pipeline = name.split("/")
        published = found == data or (
            found == base
            and self._is_complete(Snapshots(self.bucket, environment, pipeline), name, data)
            and self.bucket.swap(name, base, data)
        )
        self.spool.delete(f"{BASES}/{name}")
        if not published:
            self.unpublished.add(f"{environment}/{pipeline}")
            _log.warning(
                "What was computed of %s while %s was away is uploaded, but not current: another machine published "
                "meanwhile. oda run %s makes it current.",
                pipeline,
                self.bucket.name,
                pipeline,
            )

    def _is_complete(self, snapshots: Snapshots, name: str, head: bytes) -> bool:
        """Does the bucket have every result that a head names?"""
        try:
            snapshot = snapshots.get(Digest.parse(canonical_json.load(head, name)["snapshot"]))
        except canonical_json.UNREADABLE:
            return False
        found = [self.results.get(reference) for reference in snapshot.steps.values()]
        return all(result is not None and self.results.is_whole(result) for result in found)

    def _put(self, name: str, data: bytes) -> None:
        if name.startswith("journal/moves/") and "/".join(name.split("/")[2:4]) in self.unpublished:
            return  # It tells of a publication that did not happen.
        self.bucket.put(name, data)
