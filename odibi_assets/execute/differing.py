"""Where two values of one output differ: the first few places, with what stood there and what stands there now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import pyarrow as pa

from odibi_assets.keep.formats.files import FileTree
from odibi_assets.keep.formats.kept import Kept

MOST = 5
_ROWS = 2**16
_LONGEST = 80
_NOTHING = "(nothing)"


@dataclass(frozen=True)
class Place:
    """One place at which two values differ.

    Attributes:
        column: Of a frame; of another value, the path, the line or the index.
        row: Counts from 1; None where it is no matter of one row.
    """

    column: str
    row: int | None
    before: str
    after: str

    def __str__(self) -> str:
        row = f", row {self.row}" if self.row is not None else ""
        return f"{self.column}{row}: {self.before} → {self.after}"


def places(before: Kept, after: Kept, *, most: int = MOST) -> tuple[Place, ...]:
    """The first places at which an output differs."""
    return tuple(islice(_places(before, after), most))


def _places(before: Kept, after: Kept) -> Iterator[Place]:
    if before.format != after.format:
        yield Place("format", None, before.format, after.format)
    elif before.format == "parquet":
        yield from _in_frames(before.value, after.value)
    elif before.format == "json":
        yield from _in_json(json.loads(before.value), json.loads(after.value), "value")
    elif before.format == "text":
        yield from _in_texts(before.value.decode(), after.value.decode())
    elif before.format == "numpy":
        yield from _in_arrays(before.value, after.value)
    elif isinstance(before.value, FileTree) and isinstance(after.value, FileTree):
        yield from _in_trees(before.value, after.value)
    else:
        yield Place("content", None, f"version {before.version.hex[:12]}", f"version {after.version.hex[:12]}")


def _in_frames(before: pa.Table, after: pa.Table) -> Iterator[Place]:
    if before.column_names != after.column_names:
        yield Place("columns", None, _shown(before.column_names), _shown(after.column_names))
    if before.num_rows != after.num_rows:
        yield Place("rows", None, str(before.num_rows), str(after.num_rows))
    common = [name for name in before.column_names if name in after.column_names]
    is_named = False
    for name in common:
        old, new = before.schema.field(name).type, after.schema.field(name).type
        if old != new:
            yield Place(f"the type of column {name}", None, str(old), str(new))
        for place in _in_columns(name, before.column(name), after.column(name)):
            is_named = True
            yield place
    if not is_named and before.schema.metadata != after.schema.metadata:
        yield Place("pandas' index or types", None, "as recorded", "others")


def _in_columns(name: str, before: pa.ChunkedArray, after: pa.ChunkedArray) -> Iterator[Place]:
    for start in range(0, min(len(before), len(after)), _ROWS):
        old, new = before.slice(start, _ROWS), after.slice(start, _ROWS)
        if old.equals(new):
            continue
        for i, (was, now) in enumerate(zip(old.to_pylist(), new.to_pylist(), strict=False)):
            if repr(was) != repr(now):
                yield Place(f"column {name}", start + i + 1, _shown(was), _shown(now))


def _in_json(before: Any, after: Any, path: str) -> Iterator[Place]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _in_json(before.get(key, ...), after.get(key, ...), f"{path}.{key}")
        if before == after and list(before) != list(after):
            yield Place(f"the order of {path}", None, _shown(list(before)), _shown(list(after)))
    elif isinstance(before, list) and isinstance(after, list):
        for i, (was, now) in enumerate(zip_longest(before, after, fillvalue=...)):
            yield from _in_json(was, now, f"{path}[{i}]")
    elif repr(before) != repr(after):
        yield Place(path, None, _shown(before), _shown(after))


def _in_texts(before: str, after: str) -> Iterator[Place]:
    lines = zip_longest(before.splitlines(keepends=True), after.splitlines(keepends=True), fillvalue=...)
    for number, (was, now) in enumerate(lines, start=1):
        if was != now:
            yield Place(f"line {number}", None, _shown(was), _shown(now))


def _in_arrays(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Place]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        label = f"array {name}" if name else "array"
        if old is None or new is None or (old.dtype, old.shape) != (new.dtype, new.shape):
            yield Place(label, None, _described_array(old), _described_array(new))
            continue
        for i, (was, now) in enumerate(zip(old.ravel(), new.ravel(), strict=True)):
            if repr(was) != repr(now):
                yield Place(f"{label}, element {i}", None, _shown(was.item()), _shown(now.item()))


def _described_array(array: Any) -> str:
    return _NOTHING if array is None else f"{array.dtype} of shape {array.shape}"


def _in_trees(before: FileTree, after: FileTree) -> Iterator[Place]:
    for path in dict.fromkeys((*before.entries, *after.entries)):
        old, new = before.entries.get(path), after.entries.get(path)
        if old != new:
            yield Place(f"file {path}" if path else "file", None, *(_described_file(entry) for entry in (old, new)))


def _described_file(entry: Any) -> str:
    return _NOTHING if entry is None else f"{entry.size_bytes} bytes, {entry.digest.hex[:12]}"


def _shown(value: Any) -> str:
    text = _NOTHING if value is ... else "null" if value is None else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
