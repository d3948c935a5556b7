"""The contract of an engine: what reads files, and what holds the data that a function is handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa


class Engine(Protocol):
    """Turns files and kept tables into what functions take, and back."""

    def read(self, format: str, paths: Sequence[Path], options: Mapping[str, Any]) -> pa.Table:
        """Read files with the engine's own reader, joined in the order given."""
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
