"""An item is one readable part of an identity: a digest, what to show of it, and where it stands."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odibi_assets.identify.digest import Digest


@dataclass(frozen=True, slots=True)
class Item:
    """One part of a key.

    Attributes:
        digest: Identity of the part; all that counts for equality of keys.
        kind: What it is: ``function``, ``class``, ``value``, ``effect``, ``distribution``, …
        shown: Its value, short, for a reason; never a secret.
        place: ``file:line`` for a reason, relative to the project root.
        detail: Further facts for a reason: columns and row count of an input.
    """

    digest: Digest
    kind: str
    shown: str | None = None
    place: str | None = None
    detail: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"digest": str(self.digest), "kind": self.kind}
        for name in ("shown", "place", "detail"):
            value = getattr(self, name)
            if value is not None:
                data[name] = value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Item:
        if "detail" in data:
            digest = Digest.parse(data["digest"])
            return cls(digest, data["kind"], data.get("shown"), data.get("place"), data["detail"])
        return _read(data["digest"], data["kind"], data.get("shown"), data.get("place"))


@functools.lru_cache(maxsize=65_536)
def _read(digest: str, kind: str, shown: str | None, place: str | None) -> Item:
    """One object for what many keys share: the libraries, the helpers."""
    return Item(Digest.parse(digest), kind, shown, place)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a step's result can't be reused.

    Attributes:
        kind: ``clock``, ``random``, ``network``, ``subprocess``, ``reader``, ``value``, ``inputs``, ``disabled``, …
        text: What it does, to follow "always runs: ".
        place: ``file:line``.
    """

    kind: str
    text: str
    place: str | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.place})" if self.place else self.text

    def to_json(self) -> list[str | None]:
        return [self.kind, self.text, self.place]
