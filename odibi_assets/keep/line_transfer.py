"""What is current moves forward with the results: the history is continued, or both sides are merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from odibi_assets.keep.guard import rely_on, writing
from odibi_assets.keep.result import ResultId, ResultReference
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshot, Snapshots

Moved = Literal["unchanged", "created", "forwarded", "ahead", "merged", "left"]
Names = Mapping[ResultId, ResultReference]


@dataclass(frozen=True)
class LineMove:
    """What became of one pipeline's line in one environment.

    Attributes:
        moved: ``created`` where there was none; ``forwarded`` where the target's was the beginning of the source's;
            ``ahead`` where it is the other way round; ``merged`` where each side had moved; ``unchanged``; ``left``
            where nothing of it could be copied.
    """

    environment: str
    pipeline: str
    moved: Moved


def copy_line(source: Results, target: Results, environment: str, pipeline: str, names: Names, *, at: str) -> LineMove:
    """Make current at the target what is current at the source, forward only.

    Args:
        names: Result at the source → its name at the target, for those that are there.
    """
    own = Snapshots(source.store, environment, pipeline)
    there = Snapshots(target.store, environment, pipeline, has=target.has)
    while True:
        moved = _tried(own, there, names, at)
        if moved is not None:
            return LineMove(environment, pipeline, moved)


def _tried(own: Snapshots, there: Snapshots, names: Names, at: str) -> Moved | None:
    """Move the target's line once; None if somebody else moved it meanwhile."""
    history = list(own.history())
    old = list(there.history())
    if not history:
        return "left"
    if old and history[0].id in {snapshot.id for snapshot in old}:
        return "unchanged" if history[0].id == old[0].id else "ahead"
    continues = not old or old[0].id in {snapshot.id for snapshot in history}
    if continues and _is_there(history[0], names):
        with writing(there.store):
            head = there.store.get(there.head_name)
            _copy_snapshots(own, there, history, names)
            current = there.current()
            if (current.id if current else None) != (old[0].id if old else None):
                return None
            if not there.move_head(head, history[0].id):
                return None
        return "forwarded" if old else "created"
    merged = _merged(history, old, names)
    if not merged:
        return "left" if not old else "unchanged"
    before = there.current()
    after = there.publish(merged, run_id=history[0].run_id, at=at)
    return "unchanged" if before is not None and after.id == before.id else "merged"


def _is_there(snapshot: Snapshot, names: Names) -> bool:
    """Is everything that it names at the target, under the same name?"""
    return all(names.get(reference.id) == reference for reference in snapshot.steps.values())


def _copy_snapshots(own: Snapshots, there: Snapshots, history: list[Snapshot], names: Names) -> None:
    """Copy the newest snapshots back to one that the target has, or whose results it lacks; the oldest first."""
    missing: list[Snapshot] = []
    for snapshot in history:
        if there.store.size(own.objects(snapshot.id)[-1]) is not None or not _is_there(snapshot, names):
            break
        missing.append(snapshot)
    for snapshot in reversed(missing):
        for name in own.objects(snapshot.id):
            if not there.store.create(name, own.store.get(name) or b""):
                rely_on(there.store, name)


def _merged(history: list[Snapshot], old: list[Snapshot], names: Names) -> dict[str, ResultReference]:
    """Steps that the source moved since both sides agreed; where both moved one, whoever published last counts."""
    known = {snapshot.id: snapshot for snapshot in old}
    base = next((snapshot for snapshot in history if snapshot.id in known), None)
    agreed = dict(base.steps) if base is not None else {}
    present = dict(old[0].steps) if old else {}
    is_later = not old or history[0].published_at > old[0].published_at
    merged = {}
    for step, reference in history[0].steps.items():
        name = names.get(reference.id)
        moved_here, moved_there = reference != agreed.get(step), present.get(step) != agreed.get(step)
        if name is not None and moved_here and (is_later or not moved_there):
            merged[step] = name
    return merged
