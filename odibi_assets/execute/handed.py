"""A kept value as its taker asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from odibi_assets.engines.engine import Engine
from odibi_assets.identify.transform import PATH
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import FORMATS


def handed(kept: Kept, handed_as: str, engine: Engine, folder: Path) -> Any:
    """A value for one taker, who may change it freely: a frame of the type asked for, another as it was returned.

    Args:
        handed_as: One of ``identify.transform.FRAMES``, or what a value that is no frame is annotated as.
        folder: Where files are put.
    """
    format = FORMATS[kept.format]
    if handed_as == PATH:
        return format.as_path(kept, folder)
    if kept.format == "parquet":
        return engine.hand_over(kept.value, handed_as)
    return format.hand_over(kept, folder)
