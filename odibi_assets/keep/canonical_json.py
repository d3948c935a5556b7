"""Stored objects are canonical JSON with a version; what can't be read is told apart from what is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from odibi_assets.errors import DamagedObject, UnknownLayout
from odibi_assets.identify.digest import Digest

OBJECT_VERSION = 1

UNREADABLE = (DamagedObject, UnknownLayout, AttributeError, LookupError, TypeError, ValueError)
"""What taking a stored object apart may raise if it is not what it should be; a failing store is not among them."""


def dump(data: Mapping[str, Any]) -> bytes:
    """Bytes that are the same for the same value, with the version in front.

    >>> dump({"b": 1, "a": None})
    b'{"a":null,"b":1,"v":1}'
    """
    text = json.dumps({**data, "v": OBJECT_VERSION}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")  # A file's name need not be UTF-8.


def load(data: bytes, name: str) -> dict[str, Any]:
    """Parse what ``dump`` wrote.

    Raises:
        DamagedObject: It is not JSON, or not an object.
        UnknownLayout: Another version wrote it.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedObject(f"The stored object {name!r} is not JSON ({error}): it is damaged.") from error
    if not isinstance(found, dict):
        raise DamagedObject(f"The stored object {name!r} is no JSON object: it is damaged.")
    if found.get("v") != OBJECT_VERSION:
        raise UnknownLayout(
            f"The stored object {name!r} has version {found.get('v')!r}, expected {OBJECT_VERSION}: "
            "another version of odibi-assets wrote it. Use that version, or another store."
        )
    return found


def dump_sealed(data: Mapping[str, Any]) -> bytes:
    """As ``dump``, with a digest of the rest: for objects whose name is not the digest of their bytes."""
    return dump({**data, "digest": str(Digest.of_bytes(dump(data)))})


def load_sealed(data: bytes, name: str) -> dict[str, Any]:
    """Parse what ``dump_sealed`` wrote.

    Raises:
        DamagedObject: It is not JSON, or something in it is not what was written.
        UnknownLayout: Another version wrote it.
    """
    found = load(data, name)
    digest = found.pop("digest", None)
    # As it was written, the digest is in one place and the rest is what it was taken over: no need to write that again.
    rest = data.replace(b'"digest":"%s",' % str(digest).encode("utf-8", "surrogatepass"), b"", 1)
    if digest != str(Digest.of_bytes(rest)) and digest != str(Digest.of_bytes(dump(found))):
        raise DamagedObject(f"The stored object {name!r} does not hash to the digest that it holds: it is damaged.")
    return found
