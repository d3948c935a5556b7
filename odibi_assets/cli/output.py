"""Standard output under ``--json`` belongs to the document; whatever else is printed goes to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from odibi_assets.errors import UsageError


@contextlib.contextmanager
def stdout_reserved(reserve: bool) -> Iterator[None]:
    """Send everything that steps and libraries print, by whatever means, to standard error."""
    if not reserve:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def check_folder_of(path: Path) -> None:
    """
    Raises:
        UsageError: A file that is to be written has no folder.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path} can't be written: the folder {path.parent} does not exist.")


def print_json(data: object) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str))
