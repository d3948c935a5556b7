"""The contract of an engine: what reads files, and what holds the data that a function is handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        partition: Columns that its folders stand for, as Hive names them: name → value as text.
        shown: What to call it, where that is not its own name.
    """

    path: Path
    partition: Mapping[str, str] = field(default_factory=dict)
    shown: str | None = None

    @property
    def name(self) -> str:
        return self.shown or self.path.name


class Engine(Protocol):
    """Turns files and kept tables into what functions take, and back."""

    def read(self, format: str, files: Sequence[SourceFile], options: Mapping[str, Any]) -> pa.Table:
        """Read files with the engine's own reader, joined in the order given.

        Raises:
            StepError: One can't be read; the message names it.
        """
        ...

    def hand_over(self, table: pa.Table, handed_as: str) -> Any:
        """A value of the given type with the table's data, which its taker may change freely."""
        ...

    def take(self, value: Any) -> pa.Table:
        """The table behind what a function returned.

        Raises:
            NotStorable: It is no frame, or a column can't be converted; the message names it.
        """
        ...

    def is_frame(self, value: Any) -> bool:
        """Is it a value that ``take`` knows?"""
        ...

    def write(self, table: pa.Table, format: str, path: Path) -> None:
        """Write a copy of a table for people."""
        ...
