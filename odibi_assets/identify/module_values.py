"""Module values that steps reach, and whether a step changed one of them (truth.md 4.6).

A key holds such a value as it was when the import ended. A step that changes it, and one that takes
it afterwards, may come out differently next time under the same key.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.fingerprint import value_digest
from odibi_assets.identify.observing import unobserved
from odibi_assets.identify.walk.classes import CLASS_NOISE

Places = Mapping[str, tuple[str, str]]
"""Name of a value → its module, and its name there."""


@dataclass(frozen=True)
class ModuleValues:
    """The values as they were when they were taken."""

    places: Places
    root: Path
    digests: Mapping[str, Digest]

    @classmethod
    def taken(cls, places: Places, root: Path) -> ModuleValues:
        return cls(places, root, {name: _digest(place, root) for name, place in places.items()})

    def identity(self, name: str) -> int:
        """Which object a value is now: one that is changed in place is also changed under its other names."""
        module, own = self.places[name]
        return id(getattr(sys.modules.get(module), own, None))

    def changed(self) -> frozenset[str]:
        """Names of those that are no longer what they were."""
        return frozenset(name for name, place in self.places.items() if _digest(place, self.root) != self.digests[name])


def _digest(place: tuple[str, str], root: Path) -> Digest:
    module, name = place
    missing = object()
    value: Any = getattr(sys.modules.get(module), name, missing)
    if isinstance(value, type):
        value = _data_of(value)
    with unobserved():
        return Digest.of_struct("value", "gone") if value is missing else value_digest(name, value, root)


def _data_of(cls: type) -> dict[str, Any]:
    """What a class holds beside its methods."""
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in CLASS_NOISE
        and not (name.startswith("__") and name.endswith("__"))
        and not callable(value)
        and not isinstance(value, enum.Enum)
        and not hasattr(type(value), "__get__")
    }
