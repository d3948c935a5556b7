"""The results in a store: found by key, created once, verified when read."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import DamagedObject, StoreError, UnknownLayout, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.key import Key
from odibi_assets.keep import canonical_json
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.guard import rely_on
from odibi_assets.keep.result import Blob, Result, ResultId, ResultReference
from odibi_assets.keep.store import Store

LAYOUT_VERSION = 1
_log = logging.getLogger(__name__)


class Results:
    """Blobs and results of one store.

    Raises:
        UnknownLayout: Another version of odibi-assets laid the store out.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        found = store.get("format.json")
        if found is None:
            new = {"layout": LAYOUT_VERSION, "store_id": secrets.token_hex(16), "salt": secrets.token_hex(32)}
            store.create("format.json", canonical_json.dump(new))
            found = store.get("format.json") or b""
        self.format = canonical_json.load(found, "format.json")
        if self.format.get("layout") != LAYOUT_VERSION:
            raise UnknownLayout(
                f"The store {store.name} has layout {self.format.get('layout')!r}, expected {LAYOUT_VERSION}. "
                "Use the version of odibi-assets that wrote it, or another store."
            )

    @property
    def store_id(self) -> str:
        return str(self.format["store_id"])

    @property
    def salt(self) -> bytes:
        return bytes.fromhex(self.format["salt"])

    @property
    def is_empty(self) -> bool:
        """Is nothing in the store that could rest on its salt?"""
        return not any(next(iter(self.store.list(kind)), None) for kind in ("results", "heads", "runs"))

    def take_salt(self, other: Results) -> bool:
        """Have an empty store salt as another does; says whether it does."""
        if self.is_empty:
            before = canonical_json.dump(self.format)
            self.format = {**self.format, "salt": other.format["salt"]}
            if not self.store.swap("format.json", before, canonical_json.dump(self.format)):
                self.format = canonical_json.load(self.store.get("format.json") or b"", "format.json")
        return self.salt == other.salt

    def candidates(
        self, key: Digest, *, like: Key | None = None, generations: Sequence[int] | None = None
    ) -> Iterator[Result]:
        """The unrevoked results of a key whose record can be read, newest generation first.

        A key has several where steps read what they did not declare: each with the trace it had.

        Args:
            like: The key itself, where it is at hand: a record with an equal one need not be digested again.
            generations: Those of the key, where they were just listed.
        """
        for result in self.of_key(key, like=like, generations=generations):
            if not self.is_revoked(*result.id):
                yield result

    def of_key(
        self, key: Digest, *, like: Key | None = None, generations: Sequence[int] | None = None
    ) -> Iterator[Result]:
        """All results of a key whose record can be read, the revoked too, newest generation first."""
        for generation in sorted(self.generations(key) if generations is None else generations, reverse=True):
            result = self._read(key, generation, like)
            if result is not None:
                yield result

    def generations(self, key: Digest) -> list[int]:
        folder = f"results/{key.hex[:2]}/{key.hex}"
        return [int(name.rpartition("/")[2]) for name in self.store.list(folder) if name.rpartition("/")[2].isdigit()]

    def get(self, reference: ResultReference) -> Result | None:
        """The result that a reference names; None if its record is gone, unreadable, or of another version."""
        result = self._read(*reference.id)
        return result if result is not None and result.reference.version == reference.version else None

    def has(self, reference: ResultReference) -> bool:
        """Is there a record of the name? Cheaper than ``get``."""
        return self.store.size(result_name(*reference.id)) is not None

    def is_revoked(self, key: Digest, generation: int) -> bool:
        return self.store.size(revoked_name(key, generation)) is not None

    def revocation(self, key: Digest, generation: int) -> str | None:
        """Why a result was taken out of use, as a sentence; None if it was not."""
        name = revoked_name(key, generation)
        data = self.store.get(name)
        if data is None:
            return None
        with contextlib.suppress(*canonical_json.UNREADABLE):
            found = canonical_json.load(data, name)
            return f"its result was {found['why']} on {found['at'][:16].replace('T', ' ')} UTC"
        return "its result was taken out of use"

    def is_whole(self, result: Result) -> bool:
        """Is every blob there, with its size?"""
        return all(self.store.size(blob_name(blob.digest)) == blob.size_bytes for blob in result.blobs)

    def put_blob(self, source: Path) -> Blob:
        """Move a finished local file into the store, named by the digest of its bytes."""
        digest, size = Digest.of_file(source), source.stat().st_size
        name = blob_name(digest)
        present = self.store.size(name)
        if present not in (None, size) or (present is not None and self._is_damaged_here(name, digest)):
            self._set_aside(name)
        elif present is not None:
            rely_on(self.store, name)
        self.store.put_file(name, source)
        return Blob(digest, size)

    def _is_damaged_here(self, name: str, digest: Digest) -> bool:
        """Do the bytes of a blob on this machine no longer hash to its name? A bucket is not read for that."""
        return not self.store.is_shared and _digest_of(self.store.fetch(name)) != digest

    def open_blob(self, blob: Blob) -> Path:
        """A local file with a blob's bytes, verified.

        Raises:
            DamagedObject: It is missing, or its bytes do not hash to its name; a damaged one is moved aside.
        """
        name = blob_name(blob.digest)
        path = self.store.fetch(name)
        found = _digest_of(path)
        if found not in (None, blob.digest) and self.store.forget(name):
            path = self.store.fetch(name)
            found = _digest_of(path)
        if path is None or found is None:
            raise DamagedObject(
                f"The stored object {name!r} is missing in the store {self.store.name}; its step will run again."
            )
        if found != blob.digest:
            self._set_aside(name)
            raise DamagedObject(
                f"The stored bytes of {blob.digest.hex[:12]}… in the store {self.store.name} hash to "
                f"{found.hex[:12]}…: the object is damaged. It was moved aside and its step will run again."
            )
        return path

    def commit(self, result: Result, *, replace: bool = False) -> Result:
        """Record a result whose blobs are stored; returns the record that counts.

        The first result of a key wins, and whoever comes second adopts it, unless that one is
        damaged or ``replace`` asks for a new generation because it no longer holds. An equal one is
        adopted even then. One that differs though nothing it depends on does is ``nondeterministic``. What
        was computed stands above what was only accepted, be it equal or not.
        """
        key = result.key.digest()
        self._index_accepted(result)
        while True:
            # Listed before the look: whoever commits after it takes the same number, and one of the two loses.
            generations = self.generations(key)
            generation = max(generations, default=0) + 1
            present = next(self.candidates(key, generations=generations), None)
            same = present is not None and content_of(present) == content_of(result)
            is_word = present is not None and present.accepted is not None and result.accepted is None
            if present is not None and self.is_whole(present) and (same or not replace) and not is_word:
                return present
            while self.is_revoked(key, generation):  # The record may be collected before its revocation is.
                generation += 1
            earlier = present or (self._read(key, generation - 1) if generation > 1 else None)
            unexplained = earlier is not None and _is_unexplained(earlier, result)
            new = result.with_generation(generation, nondeterministic=unexplained)
            if self.store.create(result_name(key, generation), canonical_json.dump_sealed(new.to_json())):
                return new

    def adopt(self, result: Result) -> Result:
        """Record a result of another store, whose blobs are stored, under its own number where that is free."""
        key = result.key.digest()
        self._index_accepted(result)
        if not self.is_revoked(key, result.generation):
            data = canonical_json.dump_sealed(result.to_json())
            if self.store.create(result_name(key, result.generation), data):
                return result
        return self.commit(result, replace=True)

    def revoke(self, key: Digest, generation: int, *, why: str, at: str) -> bool:
        """Take a result out of use for good, with all that was accepted from it; says whether it was in use.

        Args:
            why: The participle of a sentence that begins with "its result was": ``invalidated``, ``collected``.
            at: ISO 8601, UTC.
        """
        note = canonical_json.dump({"why": why, "at": at})
        was_in_use = self.store.create(revoked_name(key, generation), note)
        # After its own: what is accepted from it meanwhile sees that it is revoked, or is seen here.
        for result in self.accepted_from(key):
            if result.accepted is not None and (key, generation) in result.accepted.chain:
                self.store.create(revoked_name(*result.id), note)
        return was_in_use

    def accepted_from(self, key: Digest) -> Iterator[Result]:
        """The results that a user took over from any result of a key, directly or not."""
        for name in self.store.list(f"accepted/{key.hex}"):
            for result in self.of_key(Digest(name.rpartition("/")[2])):
                if result.accepted is not None and key in (origin for origin, _ in result.accepted.chain):
                    yield result

    def _index_accepted(self, result: Result) -> None:
        """Before an accepted result is recorded: have it found from each of those that it was taken from."""
        for origin, _ in result.accepted.chain if result.accepted is not None else ():
            self.store.put(accepted_name(origin, result.key.digest()), canonical_json.dump({}))

    def is_nondeterministic(self, result: Result) -> bool:
        """Did its key come out otherwise, before it or when an audit computed it again?"""
        return result.nondeterministic or self.store.size(nondeterministic_name(*result.id)) is not None

    def marked_nondeterministic(self) -> frozenset[ResultId]:
        """All results with such a mark: one listing, where many results are looked at."""
        names = (name.split("/") for name in self.store.list("nondeterministic"))
        return frozenset((Digest(key), int(generation)) for _, key, generation in names)

    def mark_nondeterministic(self, result: Result, *, other: Digest, at: str) -> None:
        """Note beside a result that computing it again gave another version; the record itself never changes.

        Args:
            other: That version.
            at: ISO 8601, UTC.
        """
        note = canonical_json.dump({"version": str(other), "at": at})
        self.store.create(nondeterministic_name(*result.id), note)

    def all(self) -> Iterator[Result]:
        """Every readable result, in the order of keys and generations."""
        for name in self.store.list("results"):
            with contextlib.suppress(ValueError):
                _, _, key, generation = name.split("/")
                result = self._read(Digest(key), int(generation))
                if result is not None:
                    yield result

    def damage(self) -> Iterator[str]:
        """Check everything: one sentence for each object that is not what its name says.

        Damaged blobs are moved aside, so that their steps run again.
        """
        for name in self.store.list("blobs"):
            self.store.forget(name)
            path = self.store.fetch(name)
            if path is not None and Digest.of_file(path).hex != name.rpartition("/")[2]:
                self._set_aside(name)
                yield f"{name}: the bytes do not hash to the name; moved aside, its step will run again"
        for name in self.store.list("results"):
            data = self.store.get(name)
            try:
                result = Result.from_json(canonical_json.load_sealed(data or b"", name))
            except canonical_json.UNREADABLE as error:
                yield f"{name}: {error}; counts as a miss"
                continue
            if result.key.digest().hex != name.split("/")[2]:
                yield f"{name}: the record is of another key; counts as a miss"
            elif not self.is_whole(result):
                yield f"{name}: a blob of step {result.key.step!r} is missing or cut short; the step will run again"

    def _read(self, key: Digest, generation: int, like: Key | None = None) -> Result | None:
        name = result_name(key, generation)
        data = self.store.get(name)
        if data is None:
            return None
        try:
            result = Result.from_json(canonical_json.load_sealed(data, name))
        except canonical_json.UNREADABLE as error:
            _log.warning("Stored result %s can't be read and counts as a miss: %s", name, error)
            return None
        if like is not None and result.key == like:
            result = replace(result, key=like)  # It knows its digest.
        return result if result.key.digest() == key and result.generation == generation else None

    def _set_aside(self, name: str) -> None:
        path = self.store.fetch(name)
        if path is not None:
            with contextlib.suppress(StoreError, OSError):
                path.rename(self.store.temporary().with_suffix(".damaged"))
        self.store.delete(name)


def open_results(root: Path | BucketRoot) -> Results:
    """The results of a store, which is created when missing.

    Raises:
        UsageError: The path is a file, or the bucket's server can't keep results.
        StoreError: The bucket can't be used.
    """
    if isinstance(root, BucketRoot):
        from odibi_assets.keep.opening import open_bucket

        return Results(open_bucket(root))
    if root.exists() and not root.is_dir():
        raise UsageError(f"The store {root} is a file: expected a folder.")
    return Results(FolderStore(root))


def content_of(result: Result) -> object:
    """What makes two results of one key the same: what came out, what was read, how long it holds."""
    return result.version, result.trace, result.expires_at


def _digest_of(path: Path | None) -> Digest | None:
    """Digest of a stored file; None if it is not there, or was collected in between."""
    with contextlib.suppress(FileNotFoundError):
        return None if path is None else Digest.of_file(path)
    return None


def _is_unexplained(present: Result, new: Result) -> bool:
    """Has the same key another computed version, with no difference in what the step read to explain it?"""
    is_other = present.version != new.version and present.accepted is None
    return is_other and present.trace == new.trace and not new.obstacles and not present.obstacles


def result_name(key: Digest, generation: int) -> str:
    return f"results/{key.hex[:2]}/{key.hex}/{generation}"


def blob_name(digest: Digest) -> str:
    return f"blobs/{digest.hex[:2]}/{digest.hex}"


def revoked_name(key: Digest, generation: int) -> str:
    return f"revoked/{key.hex}/{generation}"


def nondeterministic_name(key: Digest, generation: int) -> str:
    return f"nondeterministic/{key.hex}/{generation}"


def accepted_name(origin: Digest, key: Digest) -> str:
    return f"accepted/{origin.hex}/{key.hex}"


def readable_size(size_bytes: int) -> str:
    """
    >>> readable_size(1536)
    '1.5 kB'
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
