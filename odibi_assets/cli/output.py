"""Standard output under ``--json`` belongs to the document; whatever else is printed goes to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator


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


def print_json(data: object) -> None:
    print(json.dumps(data, ensure_ascii=False, default=str))
