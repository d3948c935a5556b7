"""The saved state of unfinished steps: one for each key, replaced as a whole, gone when the key has a result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.errors import DamagedObject
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.observation import Observation
from odibi_assets.keep import canonical_json
from odibi_assets.keep.store import Store

_ABOUT = "about"


@dataclass(frozen=True)
class SavedState:
    """What is known of the state of one step; the value itself is a file of its own.

    Attributes:
        key: What the step was computing.
        params: Salted digest of the params that the attempt had, which may differ from attempt to attempt.
        format: How the file is to be read.
        data: Digest of the file.
        root_run_id: The first of the runs that saved it and that re-execute one another.
        began_at: When the first attempt began whose work is in it; ISO 8601, UTC.
        trace: What was read to come so far: a result that builds on the state depends on it.
        obstacles: What was done meanwhile that makes such a result non-reusable.
    """

    pipeline: str
    step: str
    key: Digest
    params: str
    format: str
    data: Digest
    root_run_id: str
    began_at: str
    saved_at: str
    trace: tuple[Observation, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        found |= {"key": str(self.key), "data": str(self.data)}
        found["trace"] = [observation.to_json() for observation in self.trace]
        found["obstacles"] = [list(obstacle) for obstacle in self.obstacles]
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SavedState:
        fields = {name: data[name] for name in cls.__dataclass_fields__}
        fields |= {"key": Digest.parse(data["key"]), "data": Digest.parse(data["data"])}
        fields["trace"] = tuple(map(Observation.from_json, data["trace"]))
        fields["obstacles"] = tuple((kind, text) for kind, text in data["obstacles"])
        return cls(**fields)


@dataclass(frozen=True)
class SavedStates:
    """The saved states in a store.

    A state is a file named by its digest and a small record that names it. The record is written
    last, so that whoever is killed leaves the earlier state or the new one.
    """

    store: Store

    def save(self, state: SavedState, source: Path) -> None:
        """Move a finished file into the store as the state of its key, in place of an earlier one.

        Raises:
            StoreError: The store could not be written; the earlier state stands.
        """
        folder = _folder(state.pipeline, state.key)
        data, about = f"{folder}/{state.data.hex}", f"{folder}/{_ABOUT}"
        self.store.put_file(data, source)
        self.store.put(about, canonical_json.dump_sealed(state.to_json()))
        for name in list(self.store.list(folder)):
            if name not in (data, about):
                self.store.delete(name)

    def get(self, pipeline: str, key: Digest) -> SavedState | None:
        """What is saved for a key.

        Raises:
            StoreError: The record can't be read.
        """
        name = f"{_folder(pipeline, key)}/{_ABOUT}"
        data = self.store.get(name)
        if data is None:
            return None
        try:
            state = SavedState.from_json(canonical_json.load_sealed(data, name))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise DamagedObject(f"The stored object {name!r} is no saved state: it is damaged.") from error
        if (state.pipeline, state.key) != (pipeline, key):
            raise DamagedObject(f"The stored object {name!r} is the state of another key: it is damaged.")
        return state

    def open(self, state: SavedState) -> Path:
        """A local file with a state's bytes, verified, to be read and not changed.

        Raises:
            DamagedObject: It is missing, or its bytes are not what was saved.
        """
        name = f"{_folder(state.pipeline, state.key)}/{state.data.hex}"
        path = self.store.fetch(name)
        if path is None or Digest.of_file(path) != state.data:
            raise DamagedObject(f"The stored object {name!r} is missing or damaged.")
        return path

    def discard(self, pipeline: str, key: Digest) -> None:
        """Forget the state of a key."""
        folder = _folder(pipeline, key)
        self.store.delete(f"{folder}/{_ABOUT}")
        for name in list(self.store.list(folder)):
            self.store.delete(name)

    def discard_obsolete(self, pipeline: str, root_run_id: str) -> None:
        """Forget what a run and its re-executions saved, since one of them succeeded.

        Steps that succeeded left none; what is there belongs to keys that an edit made another of since.
        """
        for _, key in list(self.all(pipeline)):
            with contextlib.suppress(DamagedObject):  # Collection sees to those.
                state = self.get(pipeline, key)
                if state is not None and state.root_run_id == root_run_id:
                    self.discard(pipeline, key)

    def all(self, pipeline: str | None = None) -> Iterator[tuple[str, Digest]]:
        """Pipeline and key of every state that has a record, or of those of one pipeline."""
        for name in self.store.list("state" if pipeline is None else f"state/{pipeline}"):
            _, pipeline, key, what = name.split("/")
            if what == _ABOUT:
                yield pipeline, Digest(key)

    def names(self, pipeline: str | None = None, key: Digest | None = None) -> tuple[str, ...]:
        """The stored objects of all states, of a pipeline's, or of one; records first."""
        prefix = "state" if pipeline is None else f"state/{pipeline}" if key is None else _folder(pipeline, key)
        return tuple(sorted(self.store.list(prefix), key=lambda name: not name.endswith(f"/{_ABOUT}")))


def _folder(pipeline: str, key: Digest) -> str:
    return f"state/{pipeline}/{key.hex}"
