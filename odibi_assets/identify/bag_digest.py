"""The digest of a frame's rows whatever their order: a sum over the digests of rows (truth.md 3.1).

Not built from digests of columns, under which rows that swap one value with each other would be equal,
and no exclusive or, under which a row that stands twice would vanish. Each row has 128 bits, made of its
values' bits column by column; the sum is modulo 2^128. All of it is arithmetic on whole columns. The
mixing is that of splitmix64, which is no cryptography: who compares two frames with a key of chance
leaves nobody a way to make two of one digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from odibi_assets.errors import NotStorable
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.frame_version import column_digest

compute: Any = pc
Words = npt.NDArray[np.uint64]
Lanes = tuple[Words, Words]
"""128 bits for each value, in two halves."""

_BLOCK_ROWS = 2**16
_ONE, _TWO, _THREE = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_FOUR, _FIVE = np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_30, _27, _31, _32 = (np.uint64(n) for n in (30, 27, 31, 32))
_LOW = np.uint64(0xFFFFFFFF)


def bag_digest(table: pa.Table, *, key: bytes = bytes(16)) -> Digest:
    """Digest of the columns' names and types and of the rows, in any order, each as often as it stands there.

    Args:
        key: 16 bytes that the digests of rows depend on: frames of one key can be compared.

    Raises:
        NotStorable: A column's type has no canonical form; the message names it.
    """
    seeds = np.frombuffer(key, np.uint64)
    total = 0
    with np.errstate(over="ignore"):
        for start in range(0, table.num_rows, _BLOCK_ROWS):
            block = table.slice(start, _BLOCK_ROWS)
            low = np.full(block.num_rows, seeds[0] ^ _ONE)
            high = np.full(block.num_rows, seeds[1] ^ _FOUR)
            for i, name in enumerate(table.column_names):
                array = block.column(i).combine_chunks()
                array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
                low, high = _mixed((low, high), _lanes(array, name))
            total += _sum(low) + (_sum(high) << 64)
    columns = [(field.name, str(field.type)) for field in table.schema]
    categories = [_categories(table.column(i)) for i in range(table.num_columns)]
    metadata = (table.schema.metadata or {}).get(b"pandas", b"")
    return Digest.of_struct("bag", [table.num_rows, total % 2**128, columns, categories, metadata])


def _categories(column: pa.ChunkedArray) -> Digest | None:
    """Identity of a category's values and their order, which is no matter of rows."""
    if not pa.types.is_dictionary(column.type) or not column.num_chunks:
        return None
    return column_digest(pa.chunked_array([column.unify_dictionaries().chunk(0).dictionary]))


def _sum(words: Words) -> int:
    return int((words & _LOW).sum(dtype=np.uint64)) + (int((words >> _32).sum(dtype=np.uint64)) << 32)


def _mix(words: Words) -> Words:
    words = (words ^ (words >> _30)) * _TWO
    words = (words ^ (words >> _27)) * _THREE
    return words ^ (words >> _31)


def _mixed(into: Lanes, what: Lanes) -> Lanes:
    """What was there and what comes next, in this order."""
    low = _mix(into[0] * _FIVE + what[0] + _ONE)
    high = _mix((into[1] ^ what[1]) * _FOUR + low)
    return low, high


def _of_words(words: Words) -> Lanes:
    return _mix(words + _ONE), _mix((words ^ _FIVE) * _ONE + _FOUR)


def _lanes(array: pa.Array, name: str) -> Lanes:
    """128 bits for each value of an array; what lies under a null does not count."""
    low, high = _valid_lanes(array, name)
    if array.null_count:
        valid = compute.is_valid(array).to_numpy(zero_copy_only=False)
        low, high = np.where(valid, low, _TWO), np.where(valid, high, _THREE)
    return low, high


def _valid_lanes(array: pa.Array, name: str) -> Lanes:
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), _TWO), np.full(len(array), _THREE)
    if pa.types.is_dictionary(kind):
        low, high = _lanes(array.dictionary, name)
        indices = compute.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)
        return (low[indices], high[indices]) if len(low) else _of_words(np.zeros(len(array), np.uint64))
    if pa.types.is_struct(kind):
        lanes = _of_words(np.zeros(len(array), np.uint64))
        for i in range(kind.num_fields):
            lanes = _mixed(lanes, _lanes(compute.struct_field(array, i), f"{name}.{kind.field(i).name}"))
        return lanes
    if pa.types.is_map(kind):
        pairs = pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])
        return _list_lanes(pa.ListArray.from_arrays(array.offsets, pairs), name, compute.is_valid(array))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_lanes(array, name, compute.is_valid(array))
    if _is_text(kind):
        return _text_lanes(array)
    if pa.types.is_floating(kind):
        array = array.cast(pa.float32()) if pa.types.is_float16(kind) else array
        array = compute.if_else(compute.is_nan(array), pa.scalar(float("nan"), array.type), array)
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind)):
        raise NotStorable(f"Column {name!r} has the type {kind}, which has no canonical form.")
    return _fixed_lanes(array)


def _is_text(kind: pa.DataType) -> bool:
    tests: tuple[Callable[[Any], bool], ...] = (
        pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
        pa.types.is_string_view, pa.types.is_binary_view,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _fixed_lanes(array: pa.Array) -> Lanes:
    width, count = array.type.bit_width // 8, len(array)
    data = array.buffers()[1]
    if data is None or not count:
        return _of_words(np.zeros(count, np.uint64))
    found = np.frombuffer(data, np.uint8)[array.offset * width : (array.offset + count) * width]
    if width in (1, 2, 4, 8):
        return _of_words(found.view(f"u{width}").astype(np.uint64))
    words = -(-width // 8)
    padded = np.zeros((count, words * 8), np.uint8)
    padded[:, :width] = found.reshape(count, width)
    lanes = _of_words(np.full(count, np.uint64(width)))
    for i in range(words):
        lanes = _mixed(lanes, _of_words(padded[:, i * 8 : i * 8 + 8].copy().view(np.uint64).ravel()))
    return lanes


def _text_lanes(array: pa.Array) -> Lanes:
    """Eight bytes of all texts at a time, as far as each of them goes."""
    array = array.cast(pa.large_binary())
    count = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + count + 1]
    data = array.buffers()[2]
    content = np.frombuffer(data, np.uint8)[: offsets[-1]] if data is not None else np.zeros(0, np.uint8)
    content = np.concatenate([content[offsets[0] :], np.zeros(8, np.uint8)])
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    words = np.lib.stride_tricks.sliding_window_view(content, 8)

    def part(active: npt.NDArray[np.intp], i: int) -> Lanes:
        taken = words[starts[active] + 8 * i].view(np.uint64).ravel()
        left = np.minimum(lengths[active] - 8 * i, 8).astype(np.uint64)
        shift = (np.uint64(8) - left) * np.uint64(8)
        return _of_words((taken << shift) >> shift)

    return _folded(lengths, -(-lengths // 8), part)


def _list_lanes(array: pa.Array, name: str, valid: pa.Array) -> Lanes:
    lengths = compute.fill_null(compute.list_value_length(array), 0)
    lengths = compute.if_else(valid, lengths, pa.scalar(0, lengths.type)).to_numpy(zero_copy_only=False)
    lengths = lengths.astype(np.int64)
    low, high = _lanes(compute.filter(array, valid).flatten(), f"{name}[]")
    starts = np.cumsum(lengths) - lengths

    def part(active: npt.NDArray[np.intp], i: int) -> Lanes:
        return low[starts[active] + i], high[starts[active] + i]

    return _folded(lengths, lengths, part)


def _folded(
    lengths: npt.NDArray[np.int64],
    parts: npt.NDArray[np.int64],
    part: Callable[[npt.NDArray[np.intp], int], Lanes],
) -> Lanes:
    """Mix the parts of each value in their order; ``part`` gives the i-th of those that have so many."""
    low, high = _of_words(lengths.astype(np.uint64))
    active = np.flatnonzero(parts)
    i = 0
    while len(active):
        low[active], high[active] = _mixed((low[active], high[active]), part(active, i))
        i += 1
        active = active[parts[active] > i]
    return low, high
