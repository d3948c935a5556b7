"""Arbitrary Python objects, for a step that says ``format: pickle``; nothing else is ever unpickled."""

from __future__ import annotations

import os
import pickle
import pickletools
import sys
from pathlib import Path
from typing import Any

from odibi_assets.errors import NotStorable, StoreError
from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.distribution import is_first_party
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results

SIGNING_VARIABLE = "ODA_SIGNING_KEY"
_UNSIGNED = bytes(32)
_SIGNATURE_BYTES = 32


class PickleFormat:
    """A pickle, signed where ``ODA_SIGNING_KEY`` is set; from a shared store only with that signature.

    The version holds the source of the first-party classes that the pickle names, so that code which
    travels in data is part of what follows (truth.md 1.9).
    """

    name = "pickle"

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # whatever an object's own __reduce__ raises
            raise NotStorable(f"It can't be pickled: {type(error).__name__}: {error}") from error
        return self._kept(data)

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

    def _kept(self, data: bytes) -> Kept:
        version = Digest.of_struct("pickle", [data, _code_named_in(data)])
        return Kept(self.name, (data, version), version, len(data))


def _signing_key() -> bytes | None:
    secret = os.environ.get(SIGNING_VARIABLE)
    return bytes.fromhex(Digest.of_struct("signing key", secret).hex) if secret else None


def _code_named_in(data: bytes) -> list[tuple[str, Digest]]:
    """First-party modules whose classes or functions a pickle names → digest of their source."""
    modules: set[str] = set()
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            modules.add(str(argument).partition(" ")[0])
        elif opcode.name == "STACK_GLOBAL":
            modules.update(strings)  # the name of the module is one of the texts before; others are no modules
        elif isinstance(argument, str):
            strings.append(argument)
    found = []
    for name in sorted(modules):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and file.endswith(".py") and is_first_party(file):
            found.append((name, Digest.of_file(file)))
    return found
