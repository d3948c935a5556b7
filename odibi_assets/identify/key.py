"""The key is the identity of a computation: equal keys, equal results (truth.md 2.1).

Not in the key, since none of it changes a result: the pipeline, layer, run, attempt, host and
environment; paths and times of files; description, retry, checkpoint mode and schedule. A key
stays readable: why a step runs is the difference of two keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item

KEY_SCHEMA = 1
"""Raised by every release that changes what a key or a version means."""

Items = Mapping[str, Item]


@dataclass(frozen=True)
class Key:
    """Every part of a key, by name.

    Attributes:
        step: The step's name.
        code: The fingerprint, or the tokens of the SQL statement, or the reader and its options.
        params: Keyword-only parameters; of a secret only that it is there.
        bindings: Parameter or table → the version it is handed, and as which type.
        files: Declared and read files: their content.
        env: Declared variables and those in templates: salted digests of their values.
        engine: Libraries that hold and read the data, with their versions; Python.
        settings: What else can change a result: time zone, threads, source version, the date.
        outputs: Output → format.
    """

    step: str
    code: Items = field(default_factory=dict)
    params: Items = field(default_factory=dict)
    bindings: Items = field(default_factory=dict)
    files: Items = field(default_factory=dict)
    env: Items = field(default_factory=dict)
    engine: Items = field(default_factory=dict)
    settings: Items = field(default_factory=dict)
    outputs: Items = field(default_factory=dict)

    def digest(self) -> Digest:
        """Identity of the computation."""
        return self._whole

    def code_version(self) -> Digest:
        """Identity of everything but the upstream versions: Dagster's ``code_version``."""
        return self._digest(tuple(section for section in SECTIONS if section != "bindings"))

    @cached_property
    def _whole(self) -> Digest:
        return self._digest(SECTIONS)

    def _digest(self, sections: tuple[str, ...]) -> Digest:
        parts = [
            (section, sorted((name, item.digest) for name, item in getattr(self, section).items()))
            for section in sections
        ]
        return Digest.of_struct("key", [KEY_SCHEMA, self.step, parts])

    def to_json(self) -> dict[str, Any]:
        sections = {
            section: {name: item.to_json() for name, item in getattr(self, section).items()}
            for section in SECTIONS
            if getattr(self, section)
        }
        return {"schema": KEY_SCHEMA, "step": self.step, **sections}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Key:
        sections = {
            section: {name: Item.from_json(item) for name, item in data.get(section, {}).items()}
            for section in SECTIONS
        }
        return cls(data["step"], **sections)

    def items(self) -> Iterator[tuple[str, str, Item]]:
        for section in SECTIONS:
            for name, item in getattr(self, section).items():
                yield section, name, item


SECTIONS = ("code", "params", "bindings", "files", "env", "engine", "settings", "outputs")
