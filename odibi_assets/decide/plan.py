"""A plan says for each step of a pipeline whether it must run, before anything does."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from odibi_assets.decide.decision import Candidate, Decision, Known, decide, rejection, skipped
from odibi_assets.decide.reason import Reason
from odibi_assets.declare.project import Project
from odibi_assets.declare.template import fill_env
from odibi_assets.errors import SourceError, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.file_digest import FileDigests, match, partition_of
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import variable_state
from odibi_assets.identify.url_digest import UrlDigests, UrlSource
from odibi_assets.keep.result import Absent, Result, ResultReference, Taken, absent_item, binding_item
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshot, Snapshots

AT_ONCE = 32
"""Keys that a shared store is asked for at the same time."""

MISSING = "missing file"
URL = "url"


# Where one file is taken, its name does not count.
_ONLY = "000000"


def url_item(source: UrlSource, digest: Digest) -> Item:
    """What a URL answers, as the part of a key that a file with the same content is."""
    return Item(digest, URL, shown=source.url)


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Plan:
    """Decisions on the selected steps, in the order of the pipeline."""

    decisions: Mapping[str, Decision]

    @property
    def to_run(self) -> tuple[str, ...]:
        """Steps that run, or may turn out to."""
        return tuple(name for name, decision in self.decisions.items() if decision.action in ("miss", "unknown"))

    @property
    def absences(self) -> Mapping[str, Absent]:
        """Steps that have no result, without that being a failure."""
        return {name: decision.absence for name, decision in self.decisions.items() if decision.absence is not None}

    @property
    def hits(self) -> Mapping[str, ResultReference]:
        return {
            name: decision.result.reference for name, decision in self.decisions.items() if decision.result is not None
        }

    def causes(self, step: str) -> tuple[str, ...]:
        """The steps at or above one that miss, nearest first."""
        found, waiting, seen = [], [step], {step}
        while waiting:
            decision = self.decisions.get(waiting.pop(0))
            if decision is None:
                continue
            if decision.action == "miss":
                found.append(decision.step.name)
            for upstream in decision.step.upstream:
                if upstream not in seen:
                    seen.add(upstream)
                    waiting.append(upstream)
        return tuple(found)


@dataclass(frozen=True)
class _Stored:
    """A result with some key, and whether every blob of it is there."""

    result: Result
    is_whole: bool


@dataclass(frozen=True)
class _OfKey:
    """What the store has under a key: the numbers of all its results, and those that are not revoked."""

    generations: Sequence[int]
    usable: Sequence[_Stored]


@dataclass
class World:
    """What a plan looks at: the store, the files, the variables, the clock.

    Attributes:
        local: Folder for files of this machine, safe to delete.
        urls: What URLs answer; None where the network is not asked, and what the current result was made of
            stands for it.
        current: What is current, for inputs that are not selected and for reasons.
        columns: Version of a frame → its column digests, for results that are not committed yet.
    """

    root: Path
    results: Results
    env: Mapping[str, str]
    files: FileDigests
    local: Path
    current: Snapshot | None = None
    now: Callable[[], datetime.datetime] = utc_now
    urls: UrlDigests | None = None
    columns: dict[Digest, Mapping[str, Digest]] = field(default_factory=dict)
    _previous: dict[str, Result | None] = field(default_factory=dict)
    _ahead: dict[Digest, _OfKey] = field(default_factory=dict)

    def move_to(self, current: Snapshot | None) -> None:
        """Look at another snapshot as the current one."""
        self.current = current
        self._previous.clear()

    def plan(
        self,
        pipeline: PipelineIdentity,
        *,
        selected: Iterable[str] | None = None,
        skip: Iterable[str] = (),
        forced: Iterable[str] = (),
        finished: Mapping[str, ResultReference] | None = None,
    ) -> Plan:
        """Decide on every selected step.

        Args:
            selected: Steps that may run (all unless given); other inputs are what is current.
            skip: Steps to pass over: what needs one takes its current result, or is skipped where there is none.
            forced: Steps that run in any case.
            finished: Results of the runs that this one re-executes.

        Raises:
            UsageError: A step that is not selected has no current result and is needed.
        """
        by_name = pipeline.by_name
        chosen = set(by_name) if selected is None else set(selected)
        passed, forced = set(skip), set(forced)
        if self.urls is not None:
            asked = [self.source(step) for step in pipeline.steps if step.name in chosen - passed]
            self.urls.ask_all(source for source in asked if source is not None)
        self._look_ahead(chosen)
        without: set[str] = set()
        decisions: dict[str, Decision] = {}
        references: dict[str, Taken | None] = {}
        for step in pipeline.steps:
            if step.name in passed:
                references[step.name] = self._current(step.name) or Absent("skipped", "as asked")
                if isinstance(references[step.name], Absent):
                    without.add(step.name)
                if step.name in chosen:
                    decisions[step.name] = skipped(step, "skipped, as asked")
                continue
            if step.name not in chosen:
                continue
            lacking = [name for name in step.upstream if name in without and not step.does_without(name)]
            if lacking:
                without.add(step.name)
                references[step.name] = Absent("skipped", "it needs what is skipped")
                decisions[step.name] = skipped(step, f"needs {', '.join(lacking)}, skipped without a current result")
                continue
            for upstream in step.upstream:
                if upstream not in chosen and upstream not in passed:
                    references[upstream] = self.inherited(by_name[upstream], step, pipeline)
            decision = self.decide(
                step, references, forced=step.name in forced, finished=(finished or {}).get(step.name)
            )
            decisions[step.name] = decision
            references[step.name] = decision.result.reference if decision.result is not None else decision.absence
        self._ahead = {}
        return Plan(decisions)

    def _look_ahead(self, chosen: set[str]) -> None:
        """Ask a shared store at once for all that the current results predict, not for step after step (truth.md 5)."""
        if self.current is None or not self.results.store.is_shared:
            return
        from concurrent.futures import ThreadPoolExecutor

        predicted = {name: reference for name, reference in self.current.steps.items() if name in chosen}
        keys = {reference.key for reference in predicted.values()}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            self._ahead = dict(zip(keys, pool.map(self._stored, keys), strict=True))
        for name, reference in predicted.items():
            for stored in self._ahead[reference.key].usable:
                if stored.result.reference == reference:
                    self._previous[name] = stored.result

    def _stored(self, digest: Digest, like: Key | None = None) -> _OfKey:
        generations = self.results.generations(digest)
        found = self.results.candidates(digest, like=like, generations=generations)
        return _OfKey(generations, [_Stored(result, self.results.is_whole(result)) for result in found])

    def decide(
        self,
        step: StepIdentity,
        references: Mapping[str, Taken | None],
        *,
        forced: bool = False,
        finished: ResultReference | None = None,
    ) -> Decision:
        """Decide on one step, given what the steps above came to (None where open)."""
        if not self.is_wanted(step):
            return decide(step, Known(None, is_unwanted=True))
        lacking = {
            taken.step: above.outcome
            for name, taken in step.bindings.items()
            if isinstance(above := references.get(taken.step), Absent) and name not in step.accepts
        }
        if lacking:
            return decide(step, Known(None, lacking=lacking))
        waits_for = tuple(name for name in step.upstream if references.get(name) is None)
        if waits_for:
            return decide(step, Known(None, waits_for))
        taken_of = {name: reference for name in step.upstream if (reference := references[name]) is not None}
        key = self.key(step, taken_of)
        digest = key.digest()
        stored = self._ahead[digest] if digest in self._ahead else self._stored(digest, key)
        candidates = tuple(self._candidate(step, each) for each in stored.usable)
        previous = self.previous(step.name) if not candidates else None  # Only a new key is told from the one before.
        known = Known(
            key,
            missing=tuple(str(item.shown) for item in key.files.values() if item.kind == MISSING),
            forced=forced,
            candidates=candidates,
            finished=self._finished(finished, digest),
            previous=previous.key if previous is not None else None,
            revoked=None if candidates else self._revocation(digest, stored.generations),
        )
        decision = decide(step, known)
        for output in decision.result.outputs.values() if decision.result is not None else ():
            self.columns.setdefault(output.version, output.columns)
        return decision

    def is_wanted(self, step: StepIdentity) -> bool:
        """Is the step's condition true, if it has one?

        Raises:
            UsageError: That can't be told.
        """
        try:
            return step.when is None or step.when.holds(self.env)
        except UsageError as error:
            raise UsageError(f"Step {step.name!r}: {error}") from error

    def source(self, step: StepIdentity) -> UrlSource | None:
        """The URL that the step reads, unless its condition is false and nobody asks for it."""
        return step.source if step.source is not None and self.is_wanted(step) else None

    def key(self, step: StepIdentity, references: Mapping[str, Taken]) -> Key:
        """The step's key with the files, variables and versions of now."""
        bindings = {}
        for name, taken in step.bindings.items():
            reference = references[taken.step]
            if isinstance(reference, Absent):
                bindings[name] = absent_item(taken)
                continue
            output = reference.output(taken.output)
            bindings[name] = binding_item(taken, step.handed_as[name], output, self._columns(reference, output.version))
        return replace(
            step.key,
            bindings=bindings,
            files=self.file_items(step),
            env={name: self.env_item(name) for name in step.env},
            settings={**step.key.settings, **(self._date_item() if step.takes_date else {})},
        )

    def _columns(self, reference: ResultReference, version: Digest) -> Mapping[str, Digest]:
        if version not in self.columns:
            result = self.results.get(reference)
            for output in result.outputs.values() if result is not None else ():
                self.columns[output.version] = output.columns
        return self.columns.get(version, {})

    def file_items(self, step: StepIdentity) -> dict[str, Item]:
        """The files that a step declares, and what the URL that it reads answers, by content.

        What is not there is an item of the kind ``MISSING``, which is nothing that a result could be stored under.
        """
        items: dict[str, Item] = {}
        if step.source is not None:
            items[_ONLY] = self._url_item(step, step.source)
        for pattern in step.reads:
            try:
                paths = match(self.root, fill_env(pattern, self.env))
            except UsageError as error:
                items[pattern] = Item(Digest.of_struct("no file", pattern), MISSING, shown=str(error).rstrip("."))
                continue
            for path in paths:
                shown = str(path.relative_to(self.root))
                name = shown
                if step.kind == "read":
                    # Where a reader takes the files, their order counts and their names do not (truth.md 4.1),
                    # apart from folders that it makes columns of.
                    hive = "".join(f" {key}={value}" for key, value in partition_of(path, self.root))
                    name = f"{len(items):06d}{hive}"
                items[name] = Item(self.files.digest(path), "file", shown=shown)
        return items

    def _url_item(self, step: StepIdentity, source: UrlSource) -> Item:
        if self.urls is None:
            previous = self.previous(step.name)
            known = previous.key.files.get(_ONLY) if previous is not None else None
            return known or Item(Digest.of_struct("never read", source.url), URL, shown=source.url)
        try:
            return url_item(source, self.urls.digest(source))
        except (SourceError, UsageError) as error:
            return Item(Digest.of_struct("no answer", source.url), MISSING, shown=str(error).rstrip("."))

    def previous(self, step: str) -> Result | None:
        """The step's current result, for reasons."""
        if step not in self._previous:
            reference = self.current.steps.get(step) if self.current is not None else None
            self._previous[step] = self.results.get(reference) if reference is not None else None
        return self._previous[step]

    def rejection(self, step: StepIdentity, result: Result) -> tuple[Reason, ...] | None:
        """Why a result with the step's key can't be reused now; None if it can."""
        return rejection(step, self._candidate(step, _Stored(result, self.results.is_whole(result))))

    def _revocation(self, key: Digest, generations: Sequence[int]) -> str | None:
        """Why the newest result of a key is out of use; None if it is not, or there is none."""
        newest = max(generations, default=None)
        return self.results.revocation(key, newest) if newest is not None else None

    def _candidate(self, step: StepIdentity, stored: _Stored) -> Candidate:
        result = stored.result
        broken = tuple(
            observation.describe()
            for observation in result.trace
            if not observation.holds(self.root, self.results.salt, self.env)
        )
        return Candidate(result, stored.is_whole, self._is_expired(step, result), broken)

    def _is_expired(self, step: StepIdentity, result: Result) -> bool:
        now = self.now()
        produced = datetime.datetime.fromisoformat(result.produced_at)
        if produced > now + datetime.timedelta(minutes=5):
            return step.ttl_s is not None
        return step.ttl_s is not None and (now - produced).total_seconds() >= step.ttl_s

    def _finished(self, reference: ResultReference | None, key: Digest) -> Result | None:
        if reference is None or reference.key != key:
            return None
        if self.results.is_revoked(key, reference.generation):
            return None
        result = self.results.get(reference)
        return result if result is not None and self.results.is_whole(result) else None

    def _current(self, name: str) -> ResultReference | None:
        return self.current.steps.get(name) if self.current is not None else None

    def inherited(self, step: StepIdentity, needed_by: StepIdentity, pipeline: PipelineIdentity) -> Taken:
        """What a step takes of one that is not selected: what is current, or that its condition is false.

        Raises:
            UsageError: It has no current result, and that is not accepted.
        """
        name = step.name
        if not self.is_wanted(step):
            return Absent("absent", f"its condition is false: {step.when}")
        reference = self._current(name)
        if reference is None and needed_by.does_without(name):
            return Absent("absent", "it is not selected, and has no current result")
        if reference is None:
            raise UsageError(
                f"Step {needed_by.name!r} needs {name!r}, which is not selected and has no current result. "
                f"Select it too, or run {pipeline.name!r} once."
            )
        return reference

    def env_item(self, name: str) -> Item:
        state = variable_state(name, self.results.salt, self.env)
        return Item(Digest.of_struct("variable", state), "variable", shown="set" if state else "not set")

    def _date_item(self) -> dict[str, Item]:
        today = self.now().date()
        return {"date": Item(Digest.of_struct("setting", today), "setting", shown=today.isoformat())}


def open_world(project: Project, pipeline: str, store: str | None, *, asks_urls: bool = False) -> World:
    """The world in which a pipeline of a project is planned.

    Args:
        pipeline: Its name.
        store: Where it says that its results live, if it does.
        asks_urls: URLs are asked what they answer now; otherwise the network is left alone.

    Raises:
        UsageError: The store can't be used.
        UnknownLayout: Another version of odibi-assets wrote it.
    """
    results = open_results(project.store_root(store))
    world = World(project.root, results, project.env, FileDigests(project.local / "files.json"), project.local)
    if asks_urls:
        world.urls = UrlDigests(project.local / "urls", results.salt, project.env)
    world.current = snapshots_of(world, project, pipeline).current()
    return world


def snapshots_of(world: World, project: Project, pipeline: str) -> Snapshots:
    """The line of snapshots that the project's environment gives a pipeline."""
    return Snapshots(world.results.store, project.environment, pipeline, has=world.results.has)
