"""A kept value: what a step's output is in the form in which the store gives it back."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results


@dataclass(frozen=True)
class Kept:
    """One output of a step, settled.

    Attributes:
        value: Nobody else can change it: an Arrow table, bytes, a ``FileTree``.
        size_bytes: What it takes in memory.
        row_count: Rows, for a frame.
        schema: Column → type, for a frame.
        columns: Column → digest, for a frame.
        changes: Type changes that settling made, each as a sentence.
    """

    format: str
    value: Any
    version: Digest
    size_bytes: int
    row_count: int | None = None
    schema: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Digest] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def output(self, blobs: tuple[Blob, ...]) -> Output:
        """What the result record says of it."""
        return Output(
            version=self.version,
            format=self.format,
            blobs=blobs,
            row_count=self.row_count,
            memory_bytes=self.size_bytes,
            schema=self.schema,
            columns=self.columns,
            changes=self.changes,
        )


class Format(Protocol):
    """How one kind of value is kept."""

    @property
    def name(self) -> str: ...

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        """Bring a value to the form in which it is kept.

        Args:
            shared: Somebody may still change it; it is copied.
            folder: Where files are put that must outlast the step.

        Raises:
            NotStorable: It would not come back as it is.
        """
        ...

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        """Store it as files named by their content; all of them are whole when this returns."""
        ...

    def read(self, output: Output, results: Results) -> Kept:
        """What ``write`` stored, its bytes verified.

        Raises:
            DamagedObject: They are missing, or not what they were.
        """
        ...

    def hand_over(self, kept: Kept, folder: Path) -> Any:
        """The value for one taker, who may change it freely.

        Args:
            folder: Where a value that is a file or folder is put.
        """
        ...

    def as_path(self, kept: Kept, folder: Path) -> Path:
        """A file or folder of the taker's own that other programs can read."""
        ...


def new_path(folder: Path, suffix: str = "") -> Path:
    """A path in a folder that nobody else has."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{uuid.uuid4().hex[:12]}{suffix}"


def put_written(write: Callable[[Path], object], results: Results) -> Blob:
    """Store what ``write`` leaves at a new path as one blob."""
    temporary = results.store.temporary()
    try:
        write(temporary)
        return results.put_blob(temporary)
    finally:
        temporary.unlink(missing_ok=True)


def put_bytes(data: bytes, results: Results) -> Blob:
    """Store bytes as one blob."""
    return put_written(lambda path: path.write_bytes(data), results)
