"""A reader that watches all the time what is published, in a process of its own.

    python -m torture.watching STORE FOLDER LAYER…

A layer is the names of its steps, joined by commas, where a layer is published together. It ends when
its input does: with status 0 and the number of snapshots that it saw, or before with 1 and what it saw
that nobody must see.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.results import open_results
from odibi_assets.keep.snapshot import Snapshot, Snapshots
from torture.generations import generation_of


class Watcher:
    """Looks at every published result, once."""

    def __init__(self, store: Path, folder: Path, layers: list[list[str]]) -> None:
        self.results = open_results(store)
        self.snapshots = Snapshots(self.results.store, "default", "shaken")
        self.folder, self.layers = folder, layers
        self.seen: set[Digest] = set()
        self.generations: dict[tuple[Digest, int], int] = {}

    def look(self) -> None:
        snapshot = self.snapshots.current()
        if snapshot is not None and snapshot.id not in self.seen:
            self.seen.add(snapshot.id)
            self.check(snapshot)

    def check(self, snapshot: Snapshot) -> None:
        found = {step: self.generation(step, reference) for step, reference in snapshot.steps.items()}
        for layer in self.layers:
            own = {found.get(step) for step in layer}
            assert len(own) == 1, f"a layer is half-published: {found}"

    def generation(self, step: str, reference: ResultReference) -> int:
        if reference.id not in self.generations:
            result = self.results.get(reference)
            assert result is not None, f"{step} is published, and its result is not in the store"
            self.generations[reference.id] = generation_of(result, self.results, self.folder)
        return self.generations[reference.id]


def main() -> None:
    store, folder, *layers = sys.argv[1:]
    watcher = Watcher(Path(store), Path(folder), [layer.split(",") for layer in layers])
    print("watching", flush=True)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        watcher.look()
    watcher.look()
    print(len(watcher.seen))


if __name__ == "__main__":
    main()
