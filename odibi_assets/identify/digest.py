"""A digest names content: BLAKE3 over bytes, or over a typed, length-prefixed encoding of a value.

The encoding is prefix-free, so two values share bytes only if they are the same value of the
same type: ``1``, ``"1"``, ``True`` and ``1.0`` differ, ``None`` and ``""`` differ, every NaN is
one value, ``-0.0`` is not ``0.0``. The order inside a mapping or a list counts, the order of a
set does not. (redun's tagged hashes are the model; unlike most, what is unknown is refused.)
"""

from __future__ import annotations

import datetime
import decimal
import math
import mmap
import os
import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from blake3 import blake3

from odibi_assets.errors import NotFingerprintable

_MAPPED_BYTES = 64 * 2**20
_WRITTEN = re.compile("b3:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """256 bits of BLAKE3, written ``b3:<hex>``.

    >>> str(Digest.of_bytes(b""))[:15]
    'b3:af1349b9f5f9'
    >>> Digest.of_struct("example", 1) == Digest.of_struct("example", "1")
    False
    """

    hex: str

    @classmethod
    def of_bytes(cls, data: bytes | memoryview) -> Digest:
        return cls(blake3(data).hexdigest())

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Digest:
        """Digest of a file's bytes, read through memory maps of a part each: mapped pages count as memory."""
        hasher = blake3()
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            for start in range(0, size, _MAPPED_BYTES):
                length = min(_MAPPED_BYTES, size - start)
                with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start) as part:
                    hasher.update(part)
        return cls(hasher.hexdigest())

    @classmethod
    def of_struct(cls, tag: str, value: object) -> Digest:
        """Digest of a value, kept apart from every other kind of value by ``tag``.

        Raises:
            NotFingerprintable: Somewhere inside is a value without a canonical encoding.
        """
        try:
            encoded = encode(value, path=tag)
        except RecursionError as error:
            raise NotFingerprintable(f"{tag} holds itself, or is nested too deeply") from error
        return cls.of_bytes(_framed(b"T", tag.encode()) + encoded)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: The text is not ``b3:`` and 64 hexadecimal digits.
        """
        if _WRITTEN.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not a digest: expected 'b3:' and 64 hexadecimal digits")
        return cls(text[3:])

    def __str__(self) -> str:
        return f"b3:{self.hex}"


def keyed_digest(key: bytes, data: bytes) -> Digest:
    """HMAC of ``data``: an identity from which a secret can't be guessed without the store's salt.

    Args:
        key: 32 bytes.
        data: What to identify.
    """
    return Digest(blake3(data, key=key).hexdigest())


def encode(value: object, *, path: str = "value") -> bytes:
    """Encode a value so that only an equal value of the same type has the same bytes.

    Raises:
        NotFingerprintable: With the path to the value that can't be encoded.
    """
    try:
        return _encode(value)
    except _NoEncoding as error:
        found = error.value
        raise NotFingerprintable(
            f"{_path_to(found, value, path) or path} is a {type(found).__module__}.{type(found).__qualname__}, "
            "which has no canonical encoding"
        ) from None


class _NoEncoding(Exception):
    """A value that can't be encoded; where it stands is worked out only then."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def _encode(value: Any) -> bytes:
    encoder = _ENCODERS.get(type(value))
    if encoder is not None:
        return encoder(value)
    if isinstance(value, PurePath):
        return _framed(b"P", str(value).encode())
    raise _NoEncoding(value)


def _path_to(found: object, value: object, path: str) -> str | None:
    """The path to a value inside another."""
    if value is found:
        return path
    inside: list[tuple[object, str]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            inside += [(key, f"a key of {path}"), (item, f"{path}.{key}")]
    elif isinstance(value, (list, tuple)):
        inside = [(item, f"{path}[{i}]") for i, item in enumerate(value)]
    elif isinstance(value, (set, frozenset)):
        inside = [(item, f"an element of {path}") for item in value]
    elif isinstance(value, (range, slice)):
        inside = [(item, path) for item in (value.start, value.stop, value.step)]
    return next((place for item, name in inside if (place := _path_to(found, item, name)) is not None), None)


def _framed(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(8, "big") + payload


def _float(value: float) -> bytes:
    return b"F" + (b"nan" if math.isnan(value) else struct.pack(">d", value))


def _string(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"S" + len(data).to_bytes(8, "big") + data


def _sequence(kind: bytes) -> Callable[[Any], bytes]:
    def encoder(value: Any) -> bytes:
        payload = b"".join([_encode(item) for item in value])
        return kind + len(payload).to_bytes(8, "big") + payload

    return encoder


def _mapping(value: dict[Any, Any]) -> bytes:
    return _framed(b"M", b"".join([_encode(part) for item in value.items() for part in item]))


def _set(kind: bytes) -> Callable[[Any], bytes]:
    return lambda value: _framed(kind, b"".join(sorted([_encode(item) for item in value])))


def _text(kind: bytes, render: Callable[[Any], str]) -> Callable[[Any], bytes]:
    return lambda value: _framed(kind, render(value).encode("utf-8", "surrogatepass"))


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"B1" if value else b"B0",
    int: _text(b"I", lambda value: str(value) if value.bit_length() < 10_000 else hex(value)),  # str() has a limit
    float: _float,
    complex: lambda value: b"C" + _float(value.real) + _float(value.imag),
    str: _string,
    bytes: lambda value: _framed(b"Y", value),
    bytearray: lambda value: _framed(b"y", bytes(value)),
    list: _sequence(b"L"),
    tuple: _sequence(b"U"),
    dict: _mapping,
    set: _set(b"E"),
    frozenset: _set(b"e"),
    range: lambda value: _framed(b"R", _encode((value.start, value.stop, value.step))),
    slice: lambda value: _framed(b"s", _encode((value.start, value.stop, value.step))),
    type(...): lambda value: b".",
    datetime.datetime: _text(b"t", lambda value: f"{value.isoformat()} {value.tzinfo!r} {value.fold}"),
    datetime.date: _text(b"d", datetime.date.isoformat),
    datetime.time: _text(b"h", lambda value: f"{value.isoformat()} {value.tzinfo!r} {value.fold}"),
    datetime.timedelta: _text(b"D", lambda value: f"{value.days} {value.seconds} {value.microseconds}"),
    datetime.timezone: _text(b"z", repr),
    decimal.Decimal: _text(b"#", lambda value: str(value.as_tuple())),
    uuid.UUID: _text(b"u", str),
    Digest: _text(b"G", str),
    type(Path()): _text(b"P", str),
}
