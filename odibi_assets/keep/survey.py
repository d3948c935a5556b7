"""What a store holds, and by name what of it nothing keeps."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from odibi_assets.declare.policies import Retention
from odibi_assets.errors import DamagedObject, UnknownLayout
from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.effects import run_entries
from odibi_assets.keep.garbage import Holdings, Kept, Line, Stored, what_is_kept
from odibi_assets.keep.guard import Guarded
from odibi_assets.keep.lease import stale_leases
from odibi_assets.keep.pin import pins
from odibi_assets.keep.process import may_go_on
from odibi_assets.keep.result import Result
from odibi_assets.keep.results import Results, blob_name, result_name, revoked_name
from odibi_assets.keep.run_record import Run, Runs
from odibi_assets.keep.saved_state import SavedStates
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.keep.store import Store

RESTED = datetime.timedelta(hours=1)
"""A temporary file that was not written for so long, and whose process is gone, is garbage."""


@dataclass(frozen=True)
class Garbage:
    """The names of the stored objects that nothing keeps.

    Attributes:
        runs: The objects of each run, the start first, without which there is no run.
        states: What steps saved of work that nobody took up again.
        notes: What was noted of results whose record is gone: that they were accepted, or came out otherwise.
        sizes: Name → bytes, for blobs, temporary files and states.
        kept: Reason → how many results stay for it.
    """

    snapshots: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    revocations: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    runs: tuple[tuple[str, ...], ...] = ()
    temporary: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)

    @property
    def freed_bytes(self) -> int:
        return sum(self.sizes.get(name, 0) for name in (*self.blobs, *self.temporary, *self.states))


def garbage_in(results: Results, retention: Callable[[str], Retention], now: datetime.datetime) -> Garbage:
    """Find what nothing keeps.

    Args:
        retention: A pipeline's name → what it declares.

    Raises:
        UnknownLayout: Another version of odibi-assets wrote something: what that relies on is not known here.
    """
    return garbage_among(results, *holdings_of(results, now), retention, now)


def garbage_among(
    results: Results,
    holdings: Holdings,
    damaged: Iterable[str],
    retention: Callable[[str], Retention],
    now: datetime.datetime,
) -> Garbage:
    """As ``garbage_in``, for whoever knows already what the store holds."""
    kept = what_is_kept(holdings, retention, now)
    states = tuple(_abandoned_states(results.store, holdings, retention, now))
    at_once = isinstance(results.store, Guarded)
    return garbage_of(results, holdings, damaged, kept, now, at_once=at_once, states=states)


def _abandoned_states(
    store: Store, holdings: Holdings, retention: Callable[[str], Retention], now: datetime.datetime
) -> Iterator[str]:
    """States older than the grace period; none of a pipeline that runs, nor one that can't be read."""
    states = SavedStates(store)
    busy = {run.start.pipeline for run in holdings.runs if run.start.run_id in holdings.running}
    for pipeline, key in states.all():
        if pipeline in busy:
            continue
        with contextlib.suppress(UnknownLayout, DamagedObject):
            state = states.get(pipeline, key)
            grace = datetime.timedelta(days=retention(pipeline).grace_days)
            if state is not None and datetime.datetime.fromisoformat(state.saved_at) <= now - grace:
                yield from states.names(pipeline, key)


def holdings_of(results: Results, now: datetime.datetime) -> tuple[Holdings, tuple[str, ...]]:
    """What a store holds, and the names of result records that are damaged.

    Raises:
        UnknownLayout: Another version of odibi-assets wrote a record, a pin or a head.
    """
    store = results.store
    found, damaged = [], []
    revoked = set(store.list("revoked"))
    for name in store.list("results"):
        data = store.get(name)
        if data is None:
            continue
        try:
            result = Result.from_json(canonical_json.load_sealed(data, name))
        except UnknownLayout:
            raise
        except canonical_json.UNREADABLE:
            damaged.append(name)
            continue
        stored = Stored.of(result, is_revoked=revoked_name(*result.id) in revoked)
        if result_name(*stored.id) == name:
            found.append(stored)
        else:
            damaged.append(name)
    runs = tuple(Runs(store).all())
    running = frozenset(run.start.run_id for run in runs if goes_on(run, now))
    return Holdings(tuple(found), tuple(lines(store)), runs, running, pins(store, now)[0]), tuple(damaged)


def goes_on(run: Run, now: datetime.datetime) -> bool:
    """Must collection reckon with a run that relies on results?"""
    return run.end is None and may_go_on(run.start.process, began_at=run.start.started_at, now=now)


def lines(store: Store) -> Iterator[Line]:
    """Every pipeline in every environment that has a head."""
    for name in store.list("heads"):
        _, environment, pipeline = name.split("/")
        yield Line(environment, pipeline, Snapshots(store, environment, pipeline).history())


def record_of(note: str) -> str:
    """The name of the result that a revocation, or another note, is on."""
    _, key, generation = note.split("/")
    return result_name(Digest(key), int(generation))


def garbage_of(
    results: Results,
    holdings: Holdings,
    damaged: Iterable[str],
    kept: Kept,
    now: datetime.datetime,
    *,
    at_once: bool,
    states: tuple[str, ...] = (),
) -> Garbage:
    """The names of everything that is not kept.

    Args:
        damaged: Result records that can't be read.
        at_once: Results are deleted now, so that they name no blob any more.
        states: Objects of states that are not kept.
    """
    store = results.store
    kept_names = {result_name(*id) for id in kept.results}
    stays = [stored for stored in holdings.results if stored.id in kept.results]
    naming = stays if at_once else holdings.results
    named = {blob_name(blob.digest) for stored in naming for blob in stored.blobs}
    blobs = tuple(name for name in store.list("blobs") if name not in named)
    temporary = tuple(_stale_files(store, now))
    names = (*(result_name(*stored.id) for stored in holdings.results), *damaged)
    return Garbage(
        snapshots=tuple(_snapshot_garbage(store, kept)),
        results=tuple(name for name in names if name not in kept_names),
        revocations=tuple(name for name in store.list("revoked") if record_of(name) not in kept_names),
        blobs=blobs,
        runs=tuple(_run_garbage(store, holdings, kept)),
        temporary=temporary,
        pins=pins(store, now)[1],
        leases=tuple(stale_leases(store)),
        states=states,
        notes=tuple(_notes_of_none(store, kept_names if at_once else set(names))),
        sizes={name: store.size(name) or 0 for name in (*blobs, *temporary, *states)},
        kept=dict(Counter(kept.results[stored.id] for stored in stays)),
    )


def _notes_of_none(store: Store, records: Collection[str]) -> Iterator[str]:
    yield from (name for name in store.list("nondeterministic") if record_of(name) not in records)
    keys = {name.split("/")[2] for name in records}
    yield from (name for name in store.list("accepted") if name.rpartition("/")[2] not in keys)


def _snapshot_garbage(store: Store, kept: Kept) -> Iterator[str]:
    stays = set()
    for line, snapshots in kept.snapshots:
        own = Snapshots(store, line.environment, line.pipeline)
        stays |= {name for snapshot in snapshots for name in own.objects(snapshot.id)}
    return (name for name in store.list("snapshots") if name not in stays)


def _run_garbage(store: Store, holdings: Holdings, kept: Kept) -> Iterator[tuple[str, ...]]:
    """Runs that are not kept, and what is left of runs without a start. One whose start can't be read stays.

    So does one that is yet to be undone; what another journalled goes with its records.
    """
    effects = run_entries(store)
    folders: dict[str, list[str]] = {}
    for name in store.list("runs"):
        folders.setdefault("/".join(name.split("/")[:3]), []).append(name)
    readable = {f"runs/{run.start.root_run_id}/{run.start.run_id}": run.start.run_id for run in holdings.runs}
    for folder, names in folders.items():
        is_garbage = readable[folder] not in kept.runs if folder in readable else f"{folder}/start" not in names
        waits, entries = effects.get(folder, (False, []))
        if is_garbage and not waits:
            yield (*sorted(names, key=lambda name: not name.endswith("/start")), *entries)


def _stale_files(store: Store, now: datetime.datetime) -> Iterator[str]:
    """Temporary files, and damaged blobs moved aside, of processes that are gone."""
    for name in store.list("tmp"):
        pid = name.rpartition("/")[2].partition("-")[0]
        path = store.fetch(name)
        if path is None or not pid.isdigit() or os.path.exists(f"/proc/{pid}"):
            continue
        try:
            rested_s = now.timestamp() - path.stat().st_mtime
        except FileNotFoundError:
            continue
        if rested_s >= RESTED.total_seconds():
            yield name
