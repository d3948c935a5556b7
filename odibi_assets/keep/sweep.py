"""Collection looks for garbage and deletes it, in an order in which whoever runs beside it is never wrong.

In a store that can lock (``keep/guard.py``) nothing is committed or published between looking and
deleting: a commit that found a blob there has written the result that names it, or has not looked
yet, will find the blob gone and write it; a publication has moved the head, or will find the result
gone and plan again. Snapshots go before the results that they name, results before their blobs, so
that whatever is still there is whole wherever collection is killed; the next one takes the rest.
Readers hold no lock: what they may have seen as current stays for the grace period.

A store that can't lock is given time instead. Collection first notes what it would delete: it
revokes a result, so that no plan reuses it any more, and condemns a blob or snapshot. What is still
garbage an hour later goes. In that hour, whoever had planned with the result has published it (it is
current then, and stays), and whoever found the blob there has taken the note away (``rely_on``) and
named it. What remains is the moment between looking at a note and deleting its object: a commit that
falls into it leaves a result without its blob, which counts as a miss and is computed again, and
never gives wrong data.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from odibi_assets.declare.policies import Retention
from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.guard import Guarded, check_reached, collecting, condemned_name
from odibi_assets.keep.results import Results, revoked_name
from odibi_assets.keep.store import Store
from odibi_assets.keep.survey import Garbage, garbage_in, record_of

WAIT = datetime.timedelta(hours=1)
"""Between noting and deleting, in a store that can't lock."""


@dataclass(frozen=True)
class Collected:
    """What a collection came to.

    Attributes:
        garbage: What was deleted, or would be.
        noted: How many objects a collection after ``WAIT`` will delete, in a store that can't lock.
    """

    garbage: Garbage
    noted: int = 0


def collect(
    results: Results, retention: Callable[[str], Retention], *, now: datetime.datetime, dry_run: bool = False
) -> Collected:
    """Delete what nothing keeps.

    Args:
        retention: A pipeline's name → what it declares.
        dry_run: Only look.

    Raises:
        UnknownLayout: Another version of odibi-assets wrote something: what that relies on is not known here.
        StoreAway: The store does not answer.
    """
    if dry_run:
        return Collected(garbage_in(results, retention, now))
    with collecting(results.store):
        garbage = garbage_in(results, retention, now)
        check_reached(results.store, "Nothing was collected")
        if not isinstance(results.store, Guarded):
            collected = _Patience(results.store, now).delete(garbage)
            check_reached(results.store, "The collection did not get to its end")
            return collected
        for name in in_order(garbage):
            results.store.delete(name)
        return Collected(garbage)


def in_order(garbage: Garbage) -> Iterator[str]:
    """Everything in the order in which it is deleted."""
    yield from (*garbage.snapshots, *garbage.results, *garbage.revocations, *garbage.notes, *garbage.blobs)
    for names in garbage.runs:
        yield from names
    yield from (*garbage.temporary, *garbage.pins, *garbage.leases, *garbage.states)


class _Patience:
    """Deleting in a store that can't lock: noted first, gone when the note is old."""

    def __init__(self, store: Store, now: datetime.datetime) -> None:
        self.store, self.now, self.noted = store, now, 0

    def delete(self, garbage: Garbage) -> Collected:
        # Whose record is gone: its number may be taken again when no delete of it can still be on its way.
        revocations = tuple(
            name for name in garbage.revocations if self.store.size(record_of(name)) is None and self._is_due(name)
        )
        done = replace(
            garbage,
            snapshots=self._deleted(garbage.snapshots, condemned_name),
            results=self._deleted(garbage.results, _revocation_of),
            revocations=revocations,
            blobs=self._deleted(garbage.blobs, condemned_name),
        )
        for name in in_order(replace(done, snapshots=(), results=(), blobs=())):
            self.store.delete(name)
        waiting = {condemned_name(name) for name in (*garbage.snapshots, *garbage.blobs)}
        for note in self.store.list("condemned"):
            if note not in waiting:
                self.store.delete(note)
        return Collected(done, self.noted)

    def _deleted(self, names: tuple[str, ...], note_of: Callable[[str], str]) -> tuple[str, ...]:
        """Delete those that were noted long enough ago, note the others."""
        deleted = []
        for name in names:
            note = note_of(name)
            if self._is_due(note):
                self.store.delete(name)
                deleted.append(name)
                if note == condemned_name(name):
                    self.store.delete(note)
            else:
                self.noted += 1
        return tuple(deleted)

    def _is_due(self, note: str) -> bool:
        """Is the note old? One that is not there, or can't be read, is written."""
        data = self.store.get(note)
        if data is not None:
            try:
                at = datetime.datetime.fromisoformat(canonical_json.load(data, note)["at"])
                return self.now - at >= WAIT
            except canonical_json.UNREADABLE:
                pass
        self.store.put(note, canonical_json.dump({"why": "collected", "at": self.now.isoformat()}))
        return False


def _revocation_of(record: str) -> str:
    _, _, key, generation = record.split("/")
    return revoked_name(Digest(key), int(generation))
