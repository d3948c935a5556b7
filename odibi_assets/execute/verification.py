"""Checking a receipt: is everything that a skip relied on still so here? Part by part, with what differs, and where."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from odibi_assets.decide.plan import MISSING, World
from odibi_assets.decide.reason import Reason, differences
from odibi_assets.execute.receipt import Receipt, ReceiptStep, salt_digest
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import SECTIONS, Key
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep import canonical_json
from odibi_assets.keep.formats.known import read_output
from odibi_assets.keep.result import Absent, Output, Taken
from odibi_assets.keep.results import blob_name

_OTHER_SALT = "can't be compared: the store here has another salt"


@dataclass(frozen=True)
class Check:
    """One part of a receipt, held against what is here.

    Attributes:
        part: Which, as ``code rules.is_big`` or ``output result``.
        outcome: ``unknown`` where it can't be told here.
        text: What differs, or why it can't be told; empty where it holds.
        place: ``file:line``.
    """

    step: str
    part: str
    outcome: Literal["holds", "differs", "unknown"]
    text: str = ""
    place: str | None = None


def verify(receipt: Receipt, pipeline: PipelineIdentity, world: World) -> tuple[Check, ...]:
    """Check every part of a receipt against the code, the files, the variables and the store that are here.

    The versions of inputs are those of the receipt's own steps above, whose keys are checked in the same way.
    """
    has_salt = salt_digest(world.results.salt) == receipt.salt
    references: dict[str, Taken] = {name: Absent("absent", why) for name, why in receipt.absent.items()}
    checks: list[Check] = []
    for name in receipt.absent:
        checks += _absence(name, pipeline, world)
    for entry in receipt.steps:
        step = pipeline.by_name.get(entry.step)
        if step is None:
            checks.append(Check(entry.step, "step", "differs", f"pipeline {pipeline.name} has no such step here"))
        else:
            checks += _step(entry, step, references, world, has_salt=has_salt)
        references[entry.step] = entry.reference
    checks += _stored(receipt, world)
    return tuple(checks)


def _absence(name: str, pipeline: PipelineIdentity, world: World) -> Iterator[Check]:
    step = pipeline.by_name.get(name)
    if step is None:
        yield Check(name, "step", "differs", f"pipeline {pipeline.name} has no such step here")
    elif step.when is not None and world.is_wanted(step):
        yield Check(name, "condition", "differs", "it is true now, so the step has a result")
    else:
        yield Check(name, "condition", "holds")


def _step(
    entry: ReceiptStep, step: StepIdentity, references: Mapping[str, Taken], world: World, *, has_salt: bool
) -> Iterator[Check]:
    name = entry.step
    if entry.key.digest() != entry.digest or entry.key.step != name:
        yield Check(name, "key", "differs", "its parts do not make the key that it names: the receipt was changed")
    for obstacle in step.obstacles:
        yield Check(name, "reuse", "differs", f"always runs: {obstacle.text}", obstacle.place)
    if not world.is_wanted(step):
        yield Check(name, "condition", "differs", f"it is false now: {step.when}")
    if entry.expires_at is not None:
        expired = datetime.datetime.fromisoformat(entry.expires_at) <= world.now()
        yield Check(name, "ttl", "differs", "it is over") if expired else Check(name, "ttl", "holds")
    unbound = sorted({taken.step for taken in step.bindings.values()} - references.keys())
    if unbound:
        yield Check(name, "bindings", "differs", f"it takes data of {', '.join(unbound)} here, which it did not")
        return
    now = world.key(step, references)
    if now.digest() == entry.digest:
        yield Check(name, "key", "holds")
    yield from _parts(entry.key, now, has_salt=has_salt)
    for seen in entry.trace:
        part = f"read {seen.kind} {seen.name}"
        if seen.kind == "variable" and seen.state is not None and not has_salt:
            yield Check(name, part, "unknown", _OTHER_SALT)
        elif seen.holds(world.root, world.results.salt, world.env):
            yield Check(name, part, "holds")
        else:
            yield Check(name, part, "differs", seen.describe())


def _parts(then: Key, now: Key, *, has_salt: bool) -> Iterator[Check]:
    for section in SECTIONS:
        before: Mapping[str, Item] = getattr(then, section)
        after: Mapping[str, Item] = getattr(now, section)
        for name in dict.fromkeys((*before, *after)):
            old, new = before.get(name), after.get(name)
            item = new or old
            assert item is not None
            shows_path = section == "files" and item.kind != MISSING
            part = f"{section} {item.shown if shows_path and item.shown else name}"
            if old is not None and new is not None and old.digest == new.digest:
                yield Check(now.step, part, "holds", place=item.place)
            elif section == "env" and not has_salt:
                yield Check(now.step, part, "unknown", _OTHER_SALT)
            elif new is not None and new.kind == MISSING:
                yield Check(now.step, part, "differs", str(new.shown))
            else:
                reason = _difference(section, name, old, new)
                yield Check(now.step, part, "differs", reason.text, reason.place)


def _difference(section: str, name: str, old: Item | None, new: Item | None) -> Reason:
    """One part that is not the same, in the words of ``oda why``."""
    keys = [Key("", **{section: {name: item} if item is not None else {}}) for item in (old, new)]
    try:
        return next(differences(*keys))
    except canonical_json.UNREADABLE:  # What is told of a part in the receipt is not what it should be.
        return Reason(section, f"{name} changed")


def _stored(receipt: Receipt, world: World) -> Iterator[Check]:
    """The step's data, where the store that has them is here."""
    entry, results = receipt.step, world.results
    is_same_store = results.store_id == receipt.store_id
    revocation = results.revocation(*entry.reference.id)
    if is_same_store and revocation is not None:
        yield Check(entry.step, "result", "differs", revocation)
    for name, output in entry.outputs.items():
        part = f"output {name}"
        there = [results.store.size(blob_name(blob.digest)) for blob in output.blobs]
        if None in there:
            told = "its data are missing in the store" if is_same_store else "its data are not in the store here"
            yield Check(entry.step, part, "differs" if is_same_store else "unknown", told)
        elif there != [blob.size_bytes for blob in output.blobs]:
            yield Check(entry.step, part, "differs", "its data in the store have another size")
        else:
            yield _content(entry.step, part, output, world)


def _content(step: str, part: str, output: Output, world: World) -> Check:
    try:
        with unobserved():
            kept = read_output(output, world.results)
    except Exception as error:  # A receipt may say anything of a file.
        return Check(step, part, "differs", f"its data can't be read as it says: {error}")
    version = frame_version(kept.value).digest if kept.format == "parquet" else kept.version
    if version != output.version:
        return Check(step, part, "differs", f"its data have version {version.hex[:12]}, not {output.version.hex[:12]}")
    return Check(step, part, "holds")
