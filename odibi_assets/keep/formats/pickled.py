"""Arbitrary Python objects, for a step that says ``format: pickle``; nothing else is ever unpickled."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from odibi_assets.errors import NotStorable, StoreError
from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.distribution import is_first_party
from odibi_assets.identify.fingerprint import fingerprint
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results

SIGNING_VARIABLE = "ODA_SIGNING_KEY"
_UNSIGNED = bytes(32)
_SIGNATURE_BYTES = 32


class PickleFormat:
    """A pickle, signed where ``ODA_SIGNING_KEY`` is set; from a shared store only with that signature.

    The version holds the fingerprints of the first-party classes and functions that the pickle names, so that
    code which travels in data is part of what follows (truth.md 1.9).
    """

    name = "pickle"

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        written = io.BytesIO()
        pickler = _NamingPickler(written)
        try:
            pickler.dump(value)
        except Exception as error:  # whatever an object's own __reduce__ raises
            raise NotStorable(f"It can't be pickled: {type(error).__name__}: {error}") from error
        data = written.getvalue()
        version = Digest.of_struct("pickle", [data, _fingerprints(pickler.named.values())])
        return Kept(self.name, (data, version), version, len(data))

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        key = _signing_key()
        if results.store.is_shared and key is None:
            raise StoreError(
                f"A pickle is kept in the shared store {results.store.name} only with a signature: "
                f"set {SIGNING_VARIABLE} to one secret wherever the pipeline runs, or use another format."
            )
        data, version = kept.value
        signed = bytes.fromhex(version.hex) + data
        signature = bytes.fromhex(keyed_digest(key, signed).hex) if key is not None else _UNSIGNED
        return (put_bytes(signature + signed, results),)

    def read(self, output: Output, results: Results) -> Kept:
        stored = results.open_blob(output.blobs[0]).read_bytes()
        signature, signed = stored[:_SIGNATURE_BYTES], stored[_SIGNATURE_BYTES:]
        version, data = Digest(signed[:_SIGNATURE_BYTES].hex()), signed[_SIGNATURE_BYTES:]
        key = _signing_key()
        expected = bytes.fromhex(keyed_digest(key, signed).hex) if key is not None else None
        if signature != expected and (results.store.is_shared or key is not None):
            raise StoreError(
                f"A pickle in the store {results.store.name} has no valid signature and is not loaded: "
                f"set {SIGNING_VARIABLE} to the secret that it was signed with, or run its step again with --force."
            )
        return Kept(self.name, (data, version), version, len(data))

    def hand_over(self, kept: Kept, folder: Path) -> Any:
        return pickle.loads(kept.value[0])  # noqa: S301 (the step asked for it; read() checked the signature)

    def as_path(self, kept: Kept, folder: Path) -> Path:
        path = new_path(folder, ".pickle")
        path.write_bytes(kept.value[0])
        return path


def _signing_key() -> bytes | None:
    secret = os.environ.get(SIGNING_VARIABLE)
    return bytes.fromhex(Digest.of_struct("signing key", secret).hex) if secret else None


class _NamingPickler(pickle.Pickler):
    """Notes every class and function that a pickle names: loading it runs them.

    Attributes:
        named: By their identity, in the order in which they are met.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, protocol=5)
        self.named: dict[int, Any] = {}

    def reducer_override(self, value: Any) -> Any:
        named = value if isinstance(value, (type, types.FunctionType)) else type(value)
        self.named.setdefault(id(named), named)
        return NotImplemented


def _fingerprints(named: Iterable[Any]) -> list[tuple[str, list[tuple[str, Digest]]]]:
    """First-party classes and functions → digests of their code, and of all that it reaches."""
    found = {}
    for value in named:
        file = getattr(sys.modules.get(value.__module__), "__file__", None)
        if file and file.endswith(".py") and is_first_party(file):
            code = fingerprint(value, Path(file).parents[value.__module__.count(".")])
            items = sorted((name, item.digest) for name, item in code.items.items())
            if code.obstacles:  # What of it could not be told is told by the whole file.
                items.append(("file", Digest.of_file(file)))
            found[f"{value.__module__}:{value.__qualname__}"] = items
    return sorted(found.items())
