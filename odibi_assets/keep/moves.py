"""Moves of a head that Dagster has not been told of: queued by whoever moves it without a run."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping

from odibi_assets.keep import canonical_json
from odibi_assets.keep.store import Store


def queue_move(
    store: Store, environment: str, pipeline: str, moved: Mapping[str, str], *, at: datetime.datetime
) -> None:
    """Have Dagster told by the next process that has it loaded.

    Args:
        moved: Step → the version that is current now.
    """
    stamp = at.isoformat(timespec="milliseconds").replace(":", "")
    name = f"{_folder(environment, pipeline)}/{stamp}-{uuid.uuid4().hex[:8]}"
    store.put(name, canonical_json.dump({"moved": dict(moved)}))


def queued_moves(store: Store, environment: str, pipeline: str) -> dict[str, frozenset[str] | None]:
    """Journal entry → the steps that moved, oldest first; None where it can't be read."""
    found: dict[str, frozenset[str] | None] = {}
    for name in store.list(_folder(environment, pipeline)):
        try:
            found[name] = frozenset(canonical_json.load(store.get(name) or b"", name)["moved"])
        except canonical_json.UNREADABLE:
            found[name] = None
    return found


def _folder(environment: str, pipeline: str) -> str:
    return f"journal/moves/{environment}/{pipeline}"
