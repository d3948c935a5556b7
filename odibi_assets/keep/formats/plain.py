"""Values that are their bytes: text, JSON, bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.errors import DamagedObject, NotStorable
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.formats.kept import Kept, new_path, put_bytes
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results


@dataclass(frozen=True)
class PlainFormat:
    """A value with one encoding, which is kept as it is.

    Attributes:
        encode: The value's bytes, and the changes that encoding it made.
    """

    name: str
    suffix: str
    encode: Callable[[Any], tuple[bytes, tuple[str, ...]]]
    decode: Callable[[bytes], Any]

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        data, changes = self.encode(value)
        return self._kept(data, changes)

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        return (put_bytes(kept.value, results),)

    def read(self, output: Output, results: Results) -> Kept:
        kept = self._kept(results.open_blob(output.blobs[0]).read_bytes(), output.changes)
        if kept.version != output.version:
            raise DamagedObject(f"The stored bytes of an output hash to {kept.version.hex[:12]}…: expected another.")
        return kept

    def hand_over(self, kept: Kept, folder: Path) -> Any:
        return self.decode(kept.value)

    def as_path(self, kept: Kept, folder: Path) -> Path:
        path = new_path(folder, self.suffix)
        path.write_bytes(kept.value)
        return path

    def _kept(self, data: bytes, changes: tuple[str, ...]) -> Kept:
        return Kept(self.name, data, Digest.of_struct(self.name, data), len(data), changes=changes)


def _encode_text(value: Any) -> tuple[bytes, tuple[str, ...]]:
    if not isinstance(value, str):
        raise NotStorable(f"It returned {described(value)}: expected a str for format text.")
    try:
        return value.encode(), ()
    except UnicodeEncodeError as error:
        raise NotStorable(f"The text can't be written as UTF-8: {error.reason} at {error.start}.") from error


def _encode_bytes(value: Any) -> tuple[bytes, tuple[str, ...]]:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise NotStorable(f"It returned {described(value)}: expected bytes for format bytes.")
    return bytes(value), ()


def _encode_json(value: Any) -> tuple[bytes, tuple[str, ...]]:
    changes: dict[str, None] = {}
    plain = _plain(value, "value", changes)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(), tuple(changes)


def _plain(value: Any, path: str, changes: dict[str, None]) -> Any:
    """The value as JSON gives it back; a change of type that keeps the value is noted."""
    if value is None or type(value) in (bool, int, str):
        return _checked_text(value, path)
    if type(value) is float:
        if not math.isfinite(value):
            raise NotStorable(f"{path} is {value}, which JSON has no word for. Use None, or text.")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str:
                raise NotStorable(f"A key of {path} is {described(key)} ({key!r}): expected text, as in JSON.")
        if type(value) is not dict:
            changes[f"{path}: {type(value).__name__} became dict"] = None
        return {_checked_text(key, path): _plain(item, f"{path}.{key}", changes) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if type(value) is not list:
            changes[f"{path}: {type(value).__name__} became list"] = None
        return [_plain(item, f"{path}[{i}]", changes) for i, item in enumerate(value)]
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        plain = value.item()
        if type(plain) in (bool, int, float, str):
            changes[f"{path}: numpy.{type(value).__name__} became {type(plain).__name__}"] = None
            return _plain(plain, path, changes)
    raise NotStorable(
        f"{path} is {described(value)}, which JSON does not keep. Return numbers, text, lists and mappings, "
        "or declare another format: outputs: {NAME: {format: …}}."
    )


def _checked_text(value: Any, path: str) -> Any:
    if type(value) is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise NotStorable(f"{path} holds text that can't be written as UTF-8: {error.reason}.") from error
    return value


def described(value: Any) -> str:
    """A value's type, as a message says it.

    >>> described(None), described(2)
    ('nothing', 'a builtins.int')
    """
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"


TEXT = PlainFormat("text", ".txt", _encode_text, bytes.decode)
BYTES = PlainFormat("bytes", ".bin", _encode_bytes, bytes)
JSON = PlainFormat("json", ".json", _encode_json, json.loads)
