"""A frame as it is kept: settled to what Parquet gives back, frozen, versioned.

What is handed on is what the store gives back (truth.md 3.3), so a value is settled before anyone
else sees it: by rules for the types that are known to come back equal, by writing and reading
where that is not known.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from odibi_assets.errors import NotStorable
from odibi_assets.identify.frame_version import FrameVersion, column_digest, frame_version
from odibi_assets.keep.formats.kept import Kept, new_path, put_written
from odibi_assets.keep.movement import moved
from odibi_assets.keep.result import Blob, Output
from odibi_assets.keep.results import Results

# A list's values keep the name that Arrow gives them, so that nested types come back as they are.
_OPTIONS: dict[str, Any] = {"compression": "zstd", "use_compliant_nested_type": False}
_UNNAMED_INDEX = "__index_level_"
_ROW_GROUP = 2**20


class FrameFormat:
    """A frame as one Parquet file."""

    name = "parquet"

    def settle(self, value: Any, *, shared: bool, folder: Path) -> Kept:
        return settle(value, shared=shared)

    def write(self, kept: Kept, results: Results) -> tuple[Blob, ...]:
        return (put_written(lambda path: write(kept.value, path), results),)

    def read(self, output: Output, results: Results) -> Kept:
        table = read(results.open_blob(output.blobs[0]))
        return Kept(
            self.name,
            table,
            output.version,
            table.nbytes,
            table.num_rows,
            output.schema,
            output.columns,
            output.changes,
        )

    def hand_over(self, kept: Kept, folder: Path) -> pa.Table:
        """The table; an engine makes of it what its taker asks for."""
        table: pa.Table = kept.value
        return table

    def as_path(self, kept: Kept, folder: Path) -> Path:
        path = new_path(folder, ".parquet")
        write(kept.value, path)
        return path


def settle(table: pa.Table, *, shared: bool) -> Kept:
    """Bring a table to the form in which it is kept.

    Args:
        shared: Somebody may still write to its memory; it is copied.

    Raises:
        NotStorable: A column would not come back as it is; the message names it.
    """
    if table.num_rows and not table.num_columns:
        raise NotStorable(f"The result has {table.num_rows} rows and no columns, so nothing of it would come back.")
    changes: list[str] = []
    columns, fields = [], []
    for i, field in enumerate(table.schema):
        column = _settled_column(table.column(i), field.name, changes)
        columns.append(column)
        fields.append(pa.field(field.name, column.type))
    duplicates = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if duplicates:
        raise NotStorable(
            f"The column {duplicates[0]!r} stands twice in the result. Rename one of the two before returning it."
        )
    settled = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=_pandas_metadata(table)))
    if shared:
        settled = _copied(settled)
    settled = _maps_as_parquet_names_them(settled)
    version = frame_version(settled)
    _verify(settled, version)
    schema = {field.name: str(field.type) for field in settled.schema}
    return Kept(
        FrameFormat.name,
        settled,
        version.digest,
        settled.nbytes,
        settled.num_rows,
        schema,
        version.columns,
        tuple(changes),
    )


def write(table: pa.Table, path: Path) -> None:
    """Write a settled table as one Parquet file."""
    count, size_bytes = max(table.num_rows, 1), table.nbytes
    with pq.ParquetWriter(path, table.schema, **_OPTIONS) as writer:
        for start in range(0, count, _ROW_GROUP):
            rows = table.slice(start, _ROW_GROUP)
            writer.write_table(rows, row_group_size=_ROW_GROUP)
            moved("encoded", (start + rows.num_rows) * size_bytes // count, size_bytes)


def read(path: Path) -> pa.Table:
    """Read what ``write`` wrote."""
    return pq.ParquetFile(path, memory_map=True).read()


def without_unnamed_index(table: pa.Table) -> pa.Table:
    """The table as SQL and people see it: pandas' unnamed index is no data."""
    names = [name for name in table.column_names if not name.startswith(_UNNAMED_INDEX)]
    return (table if len(names) == table.num_columns else table.select(names)).replace_schema_metadata(None)


_KEPT: tuple[Callable[[Any], bool], ...] = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string,
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_date32, pa.types.is_null,
)  # fmt: skip


def _comes_back_equal(kind: pa.DataType) -> bool:
    """Is a type known to survive Parquet, so that writing and reading need not prove it?"""
    if pa.types.is_timestamp(kind):
        return str(kind.unit) != "s"
    if pa.types.is_decimal128(kind):
        return bool(kind.scale >= 0)
    return any(test(kind) for test in _KEPT)


def _settled_column(column: pa.ChunkedArray, name: str, changes: list[str]) -> pa.ChunkedArray:
    kind = column.type
    target = _settled_type(kind)
    if pa.types.is_dictionary(target) and not len(column):
        if any(len(chunk.dictionary) for chunk in column.chunks):
            changes.append(f"{name}: the categories are not kept, as there are no rows")
        column = pa.chunked_array([], kind)
    if target == kind:
        return column
    try:
        settled = column.cast(target)
    except pa.ArrowException as error:
        raise NotStorable(
            f"The column {name!r} of type {kind} can't be kept: as {target} its values can't be written or would "
            f"change ({error}). Convert it before returning it."
        ) from error
    changes.append(f"{name}: {kind} became {target}")
    return settled


def _settled_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        if not (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)):
            return _settled_type(kind.value_type)
        return pa.dictionary(pa.int32(), pa.string(), ordered=kind.ordered)
    if pa.types.is_list(kind):
        return pa.list_(_settled_field(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_settled_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([_settled_field(kind.field(i)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_settled_type(kind.key_type), _settled_field(kind.item_field), keys_sorted=kind.keys_sorted)
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", tz=kind.tz)
    if pa.types.is_time32(kind) and kind.unit == "s":
        return pa.time32("ms")
    if pa.types.is_date64(kind):
        return pa.timestamp("ms")
    if str(kind) == "string_view":
        return pa.string()
    if str(kind) == "binary_view":
        return pa.binary()
    return kind


def _settled_field(field: pa.Field) -> pa.Field:
    is_category = pa.types.is_dictionary(field.type)
    return field if is_category else field.with_type(_settled_type(field.type))


def _copied(table: pa.Table) -> pa.Table:
    """A table in memory of its own, written once into a buffer of the right size."""
    counted = pa.MockOutputStream()
    with pa.ipc.new_stream(counted, table.schema) as writer:
        writer.write_table(table)
    buffer = pa.allocate_buffer(counted.size())
    with pa.FixedSizeBufferWriter(buffer) as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.open_stream(buffer) as reader:
        return reader.read_all()


def _verify(table: pa.Table, version: FrameVersion) -> None:
    """Write and read the columns whose types are not known to come back, and compare."""
    doubtful = [field.name for field in table.schema if not _comes_back_equal(field.type)]
    for name in doubtful:
        kind = table.schema.field(name).type
        try:
            back = _through_parquet(table.column(name), name)
            equal = back.type == kind and column_digest(back, name) == version.columns[name]
        except (pa.ArrowException, OSError, TypeError) as error:
            raise NotStorable(
                f"The column {name!r} of type {kind} can't be written to Parquet ({error}). "
                "Convert it to a number, text, time, list or struct before returning it."
            ) from error
        if not equal:
            raise NotStorable(
                f"The column {name!r} of type {kind} comes back from Parquet as {back.type}"
                f"{' with other values' if back.type == kind else ''}. Convert it before returning it."
            )


def _through_parquet(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: column}), sink, **_OPTIONS)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue())).read().column(0)


def _maps_as_parquet_names_them(table: pa.Table) -> pa.Table:
    """Parquet names a map's values after the column or field that holds it: a name in the type, no data."""
    for i, field in enumerate(table.schema):
        if "map<" in str(field.type):
            with contextlib.suppress(pa.ArrowException, OSError):
                back = _through_parquet(table.column(i), field.name)
                if back.type == field.type and back.equals(table.column(i)):
                    table = table.set_column(i, pa.field(field.name, back.type), back)
    return table


def _pandas_metadata(table: pa.Table) -> dict[bytes, bytes] | None:
    """What pandas needs to restore an index or an extension type; None where the defaults do.

    Versions of writers are dropped: they would make equal frames differ.
    """
    raw = (table.schema.metadata or {}).get(b"pandas")
    if raw is None:
        return None
    found = json.loads(raw)
    plain_index = _is_plain_index(found["index_columns"], table.num_rows)
    plain_names = len(found["column_indexes"]) == 1 and all(
        entry.get("name") is None and entry.get("pandas_type") in ("unicode", "empty")
        for entry in found["column_indexes"]
    )
    plain_types = not any(_is_extension(column) for column in found["columns"])
    if plain_index and plain_names and plain_types:
        return None
    kept = {
        "index_columns": found["index_columns"],
        "column_indexes": found["column_indexes"],
        "columns": [_understood(column) for column in found["columns"]],
        "pandas_version": "2",
    }
    return {b"pandas": json.dumps(kept, sort_keys=True).encode()}


def _is_plain_index(index_columns: list[Any], row_count: int) -> bool:
    return index_columns == [{"kind": "range", "name": None, "start": 0, "stop": row_count, "step": 1}]


def _is_extension(column: dict[str, Any]) -> bool:
    """Is a pandas dtype one that Arrow's type alone would not bring back?"""
    name = str(column["numpy_type"])
    plain = ("int", "uint", "float", "bool", "object", "datetime64", "timedelta64", "category", "str", "bytes")
    return not name.startswith(plain) or name in ("string", "boolean") or name.endswith(("[python]", "[pyarrow]"))


def _understood(column: dict[str, Any]) -> dict[str, Any]:
    """pandas can't read the name that it writes for an Arrow dtype with parameters in ``<>``."""
    return {**column, "numpy_type": "object"} if "<" in str(column["numpy_type"]) else column
