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
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from blake3 import blake3

from odibi_assets.errors import NotFingerprintable

_MAPPED_BYTES = 64 * 2**20


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
        scheme, _, digits = text.partition(":")
        if scheme != "b3" or len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise ValueError(f"{text!r} is not a digest: expected 'b3:' and 64 hexadecimal digits")
        return cls(digits)

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
    encoder = _ENCODERS.get(type(value))
    if encoder is not None:
        return encoder(value, path)
    if isinstance(value, PurePath):
        return _framed(b"P", str(value).encode())
    raise NotFingerprintable(
        f"{path} is a {type(value).__module__}.{type(value).__qualname__}, which has no canonical encoding"
    )


def _framed(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(8, "big") + payload


def _float(value: float, path: str) -> bytes:
    return b"F" + (b"nan" if math.isnan(value) else struct.pack(">d", value))


def _sequence(kind: bytes) -> Callable[[Any, str], bytes]:
    def encoder(value: Any, path: str) -> bytes:
        return _framed(kind, b"".join(encode(item, path=f"{path}[{i}]") for i, item in enumerate(value)))

    return encoder


def _mapping(value: dict[Any, Any], path: str) -> bytes:
    parts = []
    for key, item in value.items():
        parts.append(encode(key, path=f"a key of {path}"))
        parts.append(encode(item, path=f"{path}.{key}"))
    return _framed(b"M", b"".join(parts))


def _set(kind: bytes) -> Callable[[Any, str], bytes]:
    def encoder(value: Any, path: str) -> bytes:
        return _framed(kind, b"".join(sorted(encode(item, path=f"an element of {path}") for item in value)))

    return encoder


def _text(kind: bytes, render: Callable[[Any], str]) -> Callable[[Any, str], bytes]:
    def encoder(value: Any, path: str) -> bytes:
        return _framed(kind, render(value).encode("utf-8", "surrogatepass"))

    return encoder


_ENCODERS: dict[type, Callable[[Any, str], bytes]] = {
    type(None): lambda value, path: b"N",
    bool: lambda value, path: b"B1" if value else b"B0",
    int: _text(b"I", lambda value: str(value) if value.bit_length() < 10_000 else hex(value)),  # str() has a limit
    float: _float,
    complex: lambda value, path: b"C" + _float(value.real, path) + _float(value.imag, path),
    str: _text(b"S", str),
    bytes: lambda value, path: _framed(b"Y", value),
    bytearray: lambda value, path: _framed(b"y", bytes(value)),
    list: _sequence(b"L"),
    tuple: _sequence(b"U"),
    dict: _mapping,
    set: _set(b"E"),
    frozenset: _set(b"e"),
    range: lambda value, path: _framed(b"R", encode((value.start, value.stop, value.step))),
    slice: lambda value, path: _framed(b"s", encode((value.start, value.stop, value.step), path=path)),
    type(...): lambda value, path: b".",
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
