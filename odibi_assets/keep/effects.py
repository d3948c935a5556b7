"""The side effects of a run's steps, journalled before they begin, so that they can be undone whatever is killed.

A step that declares how it is undone is noted before it computes, and again when it has. A run that
is to be undone unless it succeeds says so before its first step. What was undone is noted as well,
so that whoever finishes a rollback that another process began repeats nothing.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.process import may_go_on, this_process
from odibi_assets.keep.run_record import RunStart, Undone
from odibi_assets.keep.store import Store

FOLDER = "journal/effects"


@dataclass(frozen=True)
class Effect:
    """What one step of one run did, or may have done.

    Attributes:
        undo: ``module:function`` as it was declared then; empty where no reference names the function.
        keys: What was computed under its name: more than one where its files changed meanwhile.
        begun_at: When the first attempt began; ISO 8601, UTC, as ``done_at``.
        done_at: When it had computed; None if it was killed in between, or raised.
        starts: How often its undo was begun.
        undone: What became of that.
    """

    step: str
    undo: str
    keys: tuple[Digest, ...]
    begun_at: str
    done_at: str | None = None
    starts: int = 0
    undone: Undone | None = None


@dataclass(frozen=True)
class RunEffects:
    """The journal of one run."""

    store: Store
    folder: str

    def want_undone(self) -> None:
        """Have the run undone by whoever comes next, unless it succeeds or goes on."""
        self.store.create(f"{self.folder}/wanted", canonical_json.dump({}))

    def begin(self, step: str, undo: str, key: Digest, *, at: str) -> None:
        """Note that a step is about to be computed."""
        name = f"{self.folder}/steps/{step}/begun"
        earlier = self._load(name)
        keys = [] if earlier is None else [*earlier["keys"]]
        if str(key) not in keys:
            began_at = at if earlier is None else earlier["at"]
            self.store.put(name, canonical_json.dump({"undo": undo, "keys": [*keys, str(key)], "at": began_at}))
        if earlier is not None:
            self.store.delete(f"{self.folder}/steps/{step}/done")

    def done(self, step: str, *, at: str) -> None:
        """Note that it was."""
        self.store.put(f"{self.folder}/steps/{step}/done", canonical_json.dump({"at": at}))

    def all(self) -> list[Effect]:
        """In the order in which they are to be undone: what was not done first, then the last that was."""
        names = {name.split("/")[-2] for name in self.store.list(f"{self.folder}/steps")}
        found = [effect for step in sorted(names) if (effect := self._effect(step)) is not None]
        return sorted(found, key=lambda effect: (effect.done_at or "~", effect.begun_at), reverse=True)

    def start_undo(self, effect: Effect) -> bool:
        """Claim the undo of an effect, before it runs; of many, one succeeds."""
        claim = canonical_json.dump({"by": this_process()})
        return self.store.create(f"{self.folder}/steps/{effect.step}/undo-{effect.starts + 1}", claim)

    def note_undone(self, undone: Undone) -> None:
        """Note what became of an undo."""
        self.store.put(f"{self.folder}/steps/{undone.step}/undone", canonical_json.dump(asdict(undone)))

    def claim(self, *, at: str, now: datetime.datetime) -> str | None:
        """Take on to undo the run; returns the claim's name, or None while a process that may live has it."""
        claims = sorted(self.store.list(f"{self.folder}/claims"))
        for name in claims:
            held = self._load(name)
            if held is not None and may_go_on(held["by"], began_at=held["at"], now=now):
                return None
        number = int(claims[-1].rpartition("/")[2]) + 1 if claims else 1
        name = f"{self.folder}/claims/{number:06d}"
        return name if self.store.create(name, canonical_json.dump({"by": this_process(), "at": at})) else None

    def settle(self) -> None:
        """Forget what is undone; of what raised it stays known that it began, so that it can be asked for again."""
        left = {e.step for e in self.all() if e.undone is not None and e.undone.error is not None}
        # In this order a beginning goes before what says that it is undone, wherever this is killed.
        for name in sorted(self.store.list(f"{self.folder}/steps")):
            *_, step, entry = name.split("/")
            if step not in left or entry != "begun":
                self.store.delete(name)
        self.store.delete(f"{self.folder}/wanted")
        for name in list(self.store.list(f"{self.folder}/claims")):
            self.store.delete(name)

    def forget(self) -> None:
        """Forget everything: the run succeeded, and its effects stand."""
        for name in list(self.store.list(self.folder)):
            self.store.delete(name)

    def _effect(self, step: str) -> Effect | None:
        folder = f"{self.folder}/steps/{step}"
        begun = self._load(f"{folder}/begun")
        if begun is None:
            if self.store.size(f"{folder}/begun") is None:
                return None
            begun = {"undo": "", "keys": [], "at": ""}  # Damaged, and something began all the same.
        done, undone = self._load(f"{folder}/done"), self._load(f"{folder}/undone")
        return Effect(
            step,
            begun["undo"],
            tuple(Digest.parse(key) for key in begun["keys"]),
            begun["at"],
            done["at"] if done is not None else None,
            sum(name.rpartition("/")[2].startswith("undo-") for name in self.store.list(folder)),
            Undone.from_json(undone) if undone is not None else None,
        )

    def _load(self, name: str) -> dict[str, Any] | None:
        """What an entry says; an unreadable one counts as none."""
        data = self.store.get(name)
        if data is None:
            return None
        with contextlib.suppress(*canonical_json.UNREADABLE):
            return canonical_json.load(data, name)
        return None


@dataclass(frozen=True)
class Effects:
    """The journal of a pipeline's runs in one environment."""

    store: Store
    environment: str
    pipeline: str

    def of(self, start: RunStart) -> RunEffects:
        """The journal of a run."""
        return self.of_run(start.root_run_id, start.run_id)

    def of_run(self, root_run_id: str, run_id: str) -> RunEffects:
        return RunEffects(self.store, f"{FOLDER}/{self.environment}/{self.pipeline}/{root_run_id}/{run_id}")

    @property
    def is_waiting(self) -> bool:
        """Is there a run that may have to be rolled back?"""
        return next(self.wanted(), None) is not None

    def wanted(self) -> Iterator[tuple[str, str]]:
        """Root and id of each run that is to be undone unless it succeeds."""
        for name in self.store.list(f"{FOLDER}/{self.environment}/{self.pipeline}"):
            *_, root, run, last = name.split("/")
            if last == "wanted":
                yield root, run


def run_entries(store: Store) -> dict[str, tuple[bool, list[str]]]:
    """Folder of a run's records → whether it waits to be undone, and its entries, for collection."""
    found: dict[str, tuple[bool, list[str]]] = {}
    for name in store.list(FOLDER):
        _, _, _, _, root, run, *rest = name.split("/")
        waits, names = found.get(f"runs/{root}/{run}", (False, []))
        found[f"runs/{root}/{run}"] = (waits or rest == ["wanted"], [*names, name])
    return found
