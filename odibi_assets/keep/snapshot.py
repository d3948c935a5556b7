"""A snapshot says what is current for one pipeline in one environment; the head names the newest.

Snapshots are immutable and have a parent, so the history of a pipeline is a log of them, as
git's is of commits. Steps beyond a few lie in subtrees named by content, so that publishing one
step of a thousand rewrites little. Only the head moves, by compare-and-swap.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from odibi_assets.errors import DamagedObject, ResultGone, StoreError, UnknownLayout
from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.guard import Guarded, rely_on, writing
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.store import Store

_log = logging.getLogger(__name__)
_MOST_INLINE = 64


@dataclass(frozen=True)
class Snapshot:
    """What is current: step → result.

    Attributes:
        id: Digest of its content.
        sequence: Counts the snapshots of a line, from 1.
        published_at: ISO 8601, UTC.
        parts: The stored objects that hold its steps, where they are many.
        restores: The earlier snapshot that all or some of its steps return to.
    """

    id: Digest
    parent: Digest | None
    sequence: int
    run_id: str | None
    published_at: str
    steps: Mapping[str, ResultReference]
    parts: tuple[Digest, ...] = ()
    restores: Digest | None = None


class Snapshots:
    """The line of snapshots of one pipeline in one environment.

    Args:
        has: Says whether a result is still stored. Asked of what becomes current, while nothing is collected.
    """

    def __init__(
        self, store: Store, environment: str, pipeline: str, *, has: Callable[[ResultReference], bool] | None = None
    ) -> None:
        self.store, self.environment, self.pipeline, self.has = store, environment, pipeline, has
        self.head_name = f"heads/{environment}/{pipeline}"
        self._last: Snapshot | None = None

    def current(self) -> Snapshot | None:
        """The snapshot that readers see; None before the first."""
        return self._current()[1]

    def publish(
        self,
        steps: Mapping[str, ResultReference],
        *,
        run_id: str | None,
        at: str,
        keep_only: frozenset[str] | None = None,
    ) -> Snapshot:
        """Make results current, merged into what is current; nothing moves if they are already.

        Args:
            keep_only: Names of the pipeline's steps; what is current for others is dropped.

        Raises:
            ResultGone: One of them was collected since it was found; nothing moved.
        """
        while True:
            with writing(self.store):
                head, present = self._current()
                kept = {} if present is None else dict(present.steps)
                if keep_only is not None:
                    kept = {name: reference for name, reference in kept.items() if name in keep_only}
                merged = {**kept, **steps}
                if present is not None and merged == dict(present.steps):
                    return present
                self._check_there(steps, kept)
                sequence = 1 if present is None else present.sequence + 1
                snapshot = self._write(merged, present, sequence, run_id, at)
                if self.move_head(head, snapshot.id):
                    self._last = snapshot
                    return snapshot

    def restore(
        self,
        choose: Callable[[Mapping[str, ResultReference]], Mapping[str, ResultReference]],
        *,
        restores: Digest | None,
        at: str,
    ) -> tuple[Snapshot | None, Snapshot | None]:
        """Make current what was before, as a snapshot of its own: the history goes on, and nothing in it is lost.

        Args:
            choose: What is current → what shall be; asked again where another process moved the head meanwhile.
            restores: The snapshot from which that is taken.

        Returns:
            What was current, and what is now: the same one if nothing changes.

        Raises:
            ResultGone: A result was collected since; nothing moved.
        """
        while True:
            with writing(self.store):
                head, present = self._current()
                before = {} if present is None else dict(present.steps)
                steps = dict(choose(before))
                if steps == before:
                    return present, present
                self._check_there(steps, before)
                sequence = 1 if present is None else present.sequence + 1
                snapshot = self._write(steps, present, sequence, None, at, restores)
                if self.move_head(head, snapshot.id):
                    self._last = snapshot
                    return present, snapshot

    def is_kept(self, id: Digest) -> bool:
        """Is a snapshot still in the store?"""
        return self.store.size(self._name(id)) is not None

    def find(self, text: str) -> tuple[Snapshot, ...]:
        """The kept snapshots of this line whose id is, or begins with, a text."""
        beginning = text.removeprefix("b3:")
        found = []
        for name in self.store.list(f"snapshots/{self.pipeline}"):
            hex = name.rpartition("/")[2]
            with contextlib.suppress(*canonical_json.UNREADABLE):
                if hex.startswith(beginning) and self._object(Digest(hex)).get("environment") == self.environment:
                    found.append(self.get(Digest(hex)))
        return tuple(found)

    def move_head(self, head: bytes | None, id: Digest) -> bool:
        """Name another snapshot the current one, unless the head moved meanwhile; says whether it did."""
        return self.store.swap(self.head_name, head, canonical_json.dump({"snapshot": str(id)}))

    def _check_there(self, steps: Mapping[str, ResultReference], kept: Mapping[str, ResultReference]) -> None:
        """What is current already can't have been collected. In a store that can't lock, collection waits instead."""
        if self.has is None or not isinstance(self.store, Guarded):
            return
        gone = [name for name, reference in steps.items() if kept.get(name) != reference and not self.has(reference)]
        if gone:
            raise ResultGone(
                f"The result of step {', '.join(sorted(gone))} was collected from the store {self.store.name} before "
                "it became current. Run the pipeline again: what is missing is computed."
            )

    def get(self, id: Digest) -> Snapshot:
        """The snapshot with an id.

        Raises:
            DamagedObject: It, or a part of it, is missing or damaged.
        """
        data = self._object(id)
        steps: dict[str, Any] = dict(data["steps"])
        parts = tuple(Digest.parse(part) for part in data["parts"])
        for part in parts:
            steps.update(self._object(part)["steps"])
        return Snapshot(
            id,
            Digest.parse(data["parent"]) if data["parent"] else None,
            data["sequence"],
            data["run_id"],
            data["published_at"],
            {name: ResultReference.from_json(reference) for name, reference in sorted(steps.items())},
            parts,
            Digest.parse(data["restores"]) if data.get("restores") else None,
        )

    def history(self) -> Iterator[Snapshot]:
        """The current snapshot, its parent, and so on, as far as they are kept."""
        snapshot = self.current()
        while snapshot is not None:
            yield snapshot
            if snapshot.parent is None or self.store.size(self._name(snapshot.parent)) is None:
                return
            try:
                snapshot = self.get(snapshot.parent)
            except StoreError as error:
                _log.warning("The history of %s ends early: %s", self.pipeline, error)
                return

    def objects(self, id: Digest) -> tuple[str, ...]:
        """The names of the stored objects that a snapshot consists of, itself last.

        Raises:
            DamagedObject: It is missing or damaged.
        """
        parts = [Digest.parse(part) for part in self._object(id)["parts"]]
        return tuple(self._name(part) for part in [*parts, id])

    def _current(self) -> tuple[bytes | None, Snapshot | None]:
        head = self.store.get(self.head_name)
        if head is None:
            return None, None
        try:
            id = Digest.parse(canonical_json.load(head, self.head_name)["snapshot"])
            if self._last is None or self._last.id != id:
                self._last = self.get(id)
            return head, self._last
        except UnknownLayout:
            raise  # It is sound, and another version's: what that published must not be overwritten.
        except canonical_json.UNREADABLE as error:
            _log.warning(
                "The head of %s is damaged (%s); using the newest snapshot that can be read.", self.pipeline, error
            )
            return head, self._newest()

    def _newest(self) -> Snapshot | None:
        newest = None
        for name in self.store.list(f"snapshots/{self.pipeline}"):
            try:
                data = canonical_json.load(self.store.get(name) or b"", name)
                if data.get("environment") != self.environment:
                    continue
                found = self.get(Digest(name.rpartition("/")[2]))
            except canonical_json.UNREADABLE:
                continue
            if newest is None or found.sequence > newest.sequence:
                newest = found
        return newest

    def _write(
        self,
        steps: Mapping[str, ResultReference],
        parent: Snapshot | None,
        sequence: int,
        run_id: str | None,
        at: str,
        restores: Digest | None = None,
    ) -> Snapshot:
        entries: dict[str, Any] = {}
        parts: tuple[Digest, ...] = ()
        if len(steps) > _MOST_INLINE:
            parts = self._write_parts(steps, parent)
        else:
            entries = {name: reference.to_json() for name, reference in sorted(steps.items())}
        data = {
            "environment": self.environment,
            "pipeline": self.pipeline,
            "parent": str(parent.id) if parent else None,
            "sequence": sequence,
            "run_id": run_id,
            "published_at": at,
            "steps": entries,
            "parts": [str(part) for part in parts],
        }
        if restores is not None:
            data["restores"] = str(restores)
        return Snapshot(self._put(data), parent.id if parent else None, sequence, run_id, at, steps, parts, restores)

    def _write_parts(self, steps: Mapping[str, ResultReference], parent: Snapshot | None) -> tuple[Digest, ...]:
        """Write the parts that changed; the current snapshot names the others, and they stay while it is that."""
        before = _parts(parent.steps) if parent is not None and parent.parts else {}
        there = dict(zip(before, parent.parts, strict=True)) if parent is not None and before else {}
        written = []
        for prefix, part in _parts(steps).items():
            if prefix in there and before[prefix] == part:
                written.append(there[prefix])
            else:
                written.append(self._put({"steps": {name: found.to_json() for name, found in sorted(part.items())}}))
        return tuple(written)

    def _put(self, data: Mapping[str, Any]) -> Digest:
        encoded = canonical_json.dump(data)
        digest = Digest.of_bytes(encoded)
        if not self.store.create(self._name(digest), encoded):
            rely_on(self.store, self._name(digest))
        return digest

    def _object(self, id: Digest) -> dict[str, Any]:
        name = self._name(id)
        data = self.store.get(name)
        if data is None or Digest.of_bytes(data) != id:
            state = "missing" if data is None else "damaged"
            raise DamagedObject(f"The stored object {name!r} is {state} in the store {self.store.name}.")
        return canonical_json.load(data, name)

    def _name(self, id: Digest) -> str:
        return f"snapshots/{self.pipeline}/{id.hex}"


def _parts(steps: Mapping[str, ResultReference]) -> dict[str, dict[str, ResultReference]]:
    """Sixteen parts by the name's digest, so that one step's change touches one part."""
    parts: dict[str, dict[str, ResultReference]] = {}
    for name, reference in steps.items():
        parts.setdefault(_prefix(name), {})[name] = reference
    return dict(sorted(parts.items()))


@functools.lru_cache(maxsize=65_536)
def _prefix(name: str) -> str:
    return Digest.of_bytes(name.encode()).hex[0]
