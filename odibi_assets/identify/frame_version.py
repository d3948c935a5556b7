"""The version of a frame: a digest of what a consumer sees, apart from how it lies in memory.

Columns in order with name and type, nulls, values, and pandas' index where there is one
(truth.md 3.1). Chunks, offsets, what lies under a null and which file it came from do not count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from odibi_assets.errors import NotStorable
from odibi_assets.identify.digest import Digest

compute: Any = pc
_WORTH_A_THREAD_BYTES = 8 * 2**20


@dataclass(frozen=True)
class FrameVersion:
    """Digests of one frame.

    Attributes:
        digest: Sequence digest of the whole.
        columns: Column name → digest of its type, nulls and values.
    """

    digest: Digest
    columns: Mapping[str, Digest]


def frame_version(table: pa.Table, *, threads: int | None = None) -> FrameVersion:
    """Sequence digest of a table, column by column.

    Args:
        threads: Columns digested at once; one for each core unless given.

    Raises:
        NotStorable: A column's type has no canonical form; the message names it.
    """
    columns = list(zip(map(str, table.column_names), _column_digests(table, threads), strict=True))
    metadata = table.schema.metadata or {}
    pandas_metadata = metadata.get(b"pandas", b"")
    whole = Digest.of_struct("frame", [table.num_rows, columns, pandas_metadata])
    return FrameVersion(whole, dict(columns))


def _column_digests(table: pa.Table, threads: int | None) -> list[Digest]:
    names = list(map(str, table.column_names))
    workers = min(threads or os.cpu_count() or 1, len(names))
    if workers < 2 or table.nbytes < _WORTH_A_THREAD_BYTES:
        return [column_digest(table.column(i), name) for i, name in enumerate(names)]
    with ThreadPoolExecutor(workers, thread_name_prefix="odibi-assets-digest") as pool:
        return list(pool.map(column_digest, table.columns, names))


def column_digest(column: pa.ChunkedArray, name: str = "column") -> Digest:
    """Digest of one column's type, nulls and values."""
    hasher = blake3()
    array = _one_chunk(column)
    _update(hasher, array, name)
    return Digest(hasher.hexdigest())


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    return pa.concat_arrays(column.chunks)


def _update(hasher: Any, array: pa.Array, name: str) -> None:
    """Feed an array to the hasher: type, length, validity, then values, each with its length."""
    kind = array.type
    _feed(hasher, str(kind).encode())
    _feed(hasher, len(array).to_bytes(8, "big"))
    if array.null_count:
        _feed(hasher, _buffer(compute.is_valid(array).cast(pa.uint8()), 1))
    else:
        _feed(hasher, b"")
    if pa.types.is_null(kind):
        return
    if pa.types.is_dictionary(kind):
        _update(hasher, array.dictionary, name)
        _update(hasher, array.indices, name)
    elif pa.types.is_boolean(kind):
        _feed(hasher, _buffer(_filled(array, False).cast(pa.uint8()), 1))
    elif pa.types.is_floating(kind):
        _update_floats(hasher, array)
    elif _is_text(kind):
        _update_text(hasher, array)
    elif _is_fixed_width(kind):
        _update_fixed(hasher, array)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            _feed(hasher, kind.field(i).name.encode())
            _update(hasher, compute.struct_field(array, i), f"{name}.{kind.field(i).name}")
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        _update(hasher, compute.list_value_length(array), name)
        _update(hasher, array.flatten(), f"{name}[]")
    elif pa.types.is_map(kind):
        entries = pa.ListArray.from_arrays(
            array.offsets, pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
        )
        _update(hasher, compute.list_value_length(entries), name)
        _update(hasher, entries.flatten(), f"{name}[]")
    else:
        raise NotStorable(
            f"Column {name!r} has the type {kind}, which has no canonical form. Convert it to a number, text, time, "
            "list or struct before the step returns it."
        )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _is_fixed_width(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _filled(array: pa.Array, value: object) -> pa.Array:
    return compute.fill_null(array, pa.scalar(value, array.type)) if array.null_count else array


def _update_floats(hasher: Any, array: pa.Array) -> None:
    array = _filled(array, 0.0)
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    nan = compute.is_nan(array)
    if compute.any(nan).as_py():
        array = compute.if_else(nan, pa.scalar(float("nan"), array.type), array)
    _feed(hasher, _buffer(array, array.type.bit_width // 8))


def _update_text(hasher: Any, array: pa.Array) -> None:
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if array.null_count:
        array = _filled(array, "" if pa.types.is_string(array.type) or pa.types.is_large_string(array.type) else b"")
    _feed(hasher, _buffer(compute.binary_length(array), 8 if wide else 4))
    _, offsets, data = array.buffers()
    if data is None or len(array) == 0:
        _feed(hasher, b"")
        return
    width = 8 if wide else 4
    first = int.from_bytes(offsets[array.offset * width : (array.offset + 1) * width], "little")
    end = array.offset + len(array)
    last = int.from_bytes(offsets[end * width : (end + 1) * width], "little")
    _feed(hasher, data[first:last])


def _update_fixed(hasher: Any, array: pa.Array) -> None:
    width = array.type.bit_width // 8
    if array.null_count:
        zero = pa.Array.from_buffers(array.type, 1, [None, pa.py_buffer(bytes(width))])[0]
        array = compute.if_else(compute.is_valid(array), array, zero)
    _feed(hasher, _buffer(array, width))


def _buffer(array: pa.Array, width: int) -> Any:
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return b""
    return data[array.offset * width : (array.offset + len(array)) * width]


def _feed(hasher: Any, data: Any) -> None:
    hasher.update(len(data).to_bytes(8, "big"))
    hasher.update(memoryview(data))
