"""The formats by name, and which of them suits a value that no declaration speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odibi_assets.keep.formats.arrays import ArraysFormat
from odibi_assets.keep.formats.files import FilesFormat, FileTree, captured, put_at
from odibi_assets.keep.formats.frame import FrameFormat
from odibi_assets.keep.formats.kept import Format, Kept
from odibi_assets.keep.formats.pickled import PickleFormat
from odibi_assets.keep.formats.plain import BYTES, JSON, TEXT
from odibi_assets.keep.result import Output
from odibi_assets.keep.results import Results

FORMATS: Mapping[str, Format] = {
    found.name: found
    for found in (
        FrameFormat(), TEXT, JSON, BYTES, ArraysFormat(), FilesFormat("file"), FilesFormat("folder"), PickleFormat(),
    )
}  # fmt: skip


def read_output(output: Output, results: Results) -> Kept:
    """An output's value, its bytes verified.

    Raises:
        DamagedObject: They are missing, or not what they were.
    """
    return FORMATS[output.format].read(output, results)


def put_kept(kept: Kept, path: Path, folder: Path) -> None:
    """Make a path hold a value: a tree of files as it is, another as its format writes it for other programs.

    Args:
        folder: For a file on its way.
    """
    if isinstance(kept.value, FileTree):
        put_at(kept.value, path)
        return
    near = FORMATS[kept.format].as_path(kept, folder)
    try:
        put_at(captured(near), path)
    finally:
        near.unlink(missing_ok=True)


def suitable(value: Any) -> str:
    """The name of the format that keeps a value; frames are for an engine to recognise.

    >>> suitable("text"), suitable(b"bytes"), suitable({"auc": 0.9})
    ('text', 'bytes', 'json')
    """
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(value, Path):
        return "folder" if value.is_dir() else "file"
    if _is_array(value) or (isinstance(value, Mapping) and value and all(map(_is_array, value.values()))):
        return "numpy"
    if isinstance(value, (bool, int, float, list, tuple, Mapping)):
        return "json"
    return FrameFormat.name


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ == "ndarray"
