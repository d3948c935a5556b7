"""Push and pull copy results from one store to another, and what is current; only what is missing.

Blobs go before the results that name them, results before snapshots, snapshots before the head, so
that a transfer can be stopped anywhere and repeated. What arrives is verified against its digest.

A key or trace that rests on a variable's value holds a digest salted by its store (truth.md 2.4). An
empty store takes the salt of the other. Where the salts differ, such a result could never be
reused there, so the transfer is refused, or leaves those results out when told to.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from odibi_assets.errors import DamagedObject, StoreError, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.observation import variable_state
from odibi_assets.keep.guard import check_reached, rely_on, writing
from odibi_assets.keep.line_transfer import LineMove, copy_line
from odibi_assets.keep.pin import pinned
from odibi_assets.keep.result import Blob, Result, ResultId, ResultReference
from odibi_assets.keep.results import Results, blob_name, content_of, nondeterministic_name
from odibi_assets.keep.survey import lines

Progress = Callable[[int, int, int], None]
"""Called with the results done, all there are, and the bytes copied so far."""

_UNSET = Digest.of_struct("variable", variable_state("", b"", {}))


@dataclass
class Transferred:
    """What a transfer came to.

    Attributes:
        copied: Results that were not there.
        present: Results that were there.
        blobs: Stored files that were copied.
        left_out: A sentence for each result that was not copied.
        lines: What became of each line of snapshots.
    """

    copied: int = 0
    present: int = 0
    blobs: int = 0
    size_bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    lines: list[LineMove] = field(default_factory=list)


def rests_on_salt(result: Result) -> bool:
    """Does its key or trace hold the digest of a variable's value?"""
    return any(item.digest != _UNSET for item in result.key.env.values()) or any(
        seen.kind == "variable" and seen.state is not None for seen in result.trace
    )


def transfer(
    source: Results, target: Results, *, at: str, skip_salted: bool = False, tell: Progress = lambda *_: None
) -> Transferred:
    """Copy every usable result, and move what is current forward.

    Args:
        at: ISO 8601, UTC.
        skip_salted: Where the salts differ, leave out what rests on them.

    Raises:
        UsageError: Both are one store, or the salts differ.
        StoreError: A store can't be read or written; what was copied stays.
    """
    _check(source, target, skip_salted)
    with_salt = source.salt == target.salt or target.take_salt(source)
    found = [result for result in source.all() if not source.is_revoked(*result.id)]
    found.sort(key=lambda result: len(_origins(result)))  # Those that others were accepted from come first.
    done = Transferred()
    names: dict[ResultId, ResultReference] = {}
    with pinned(target.store, [result.id for result in found], at=at):
        for number, result in enumerate(found):
            tell(number, len(found), done.size_bytes)
            if rests_on_salt(result) and not with_salt:
                done.left_out.append(f"{_shown(result)}: it rests on a variable, salted by {source.store.name}")
                continue
            reference = _copy(source, target, _renamed(result, names), done)
            if reference is not None:
                names[result.id] = reference
                _copy_mark(source, target, result, reference)
        tell(len(found), len(found), done.size_bytes)
        for line in lines(source.store):
            done.lines.append(copy_line(source, target, line.environment, line.pipeline, names, at=at))
    for store in (source.store, target.store):
        check_reached(store, "The copy did not get to its end")
    return done


def _check(source: Results, target: Results, skip_salted: bool) -> None:
    for store in (source.store, target.store):
        check_reached(store, "Nothing was copied")
    if source.store_id == target.store_id:
        raise UsageError(f"{source.store.name} and {target.store.name} are one store: expected two.")
    if source.salt != target.salt and not skip_salted and not target.is_empty:
        raise UsageError(
            f"The store {target.store.name} has another salt than {source.store.name}, so results that rest on "
            "environment variables could never be reused there. Copy to an empty store, which takes the salt, "
            "or give --skip-salted to copy the others."
        )


def _copy(source: Results, target: Results, result: Result, done: Transferred) -> ResultReference | None:
    """Copy one result; returns its name at the target, None if it was left out."""
    present = _same(target, result)
    if present is not None and target.is_whole(present):
        done.present += 1
        return present.reference
    if any(target.is_revoked(*id) for id in (result.id, *_origins(result))):
        done.left_out.append(f"{_shown(result)}: it was taken out of use in {target.store.name}")
        return None
    arrived: dict[Blob, Path] = {}
    try:
        while True:
            for blob in _missing(target, result, arrived):
                arrived[blob] = target.store.temporary()
                shutil.copyfile(source.open_blob(blob), arrived[blob])
            with writing(target.store):
                if not _missing(target, result, arrived):
                    return _recorded(target, result, arrived, done)
    except DamagedObject as error:
        done.left_out.append(f"{_shown(result)}: {error}")
        return None
    finally:
        for path in arrived.values():
            path.unlink(missing_ok=True)


def _origins(result: Result) -> tuple[ResultId, ...]:
    return result.accepted.chain if result.accepted is not None else ()


def _renamed(result: Result, names: Mapping[ResultId, ResultReference]) -> Result:
    """An accepted result, with what it was taken from under the numbers that it has at the target."""
    if result.accepted is None:
        return result
    chain = tuple(names[id].id if id in names else id for id in result.accepted.chain)
    return replace(result, accepted=replace(result.accepted, chain=chain))


def _copy_mark(source: Results, target: Results, result: Result, reference: ResultReference) -> None:
    """That a result came out otherwise when it was computed again is known on both sides then."""
    data = source.store.get(nondeterministic_name(*result.id))
    if data is not None:
        target.store.create(nondeterministic_name(*reference.id), data)


def _missing(target: Results, result: Result, arrived: Mapping[Blob, Path]) -> list[Blob]:
    """The result's blobs that neither lie in the target nor have arrived to be put there."""
    return [
        b
        for b in dict.fromkeys(result.blobs)
        if b not in arrived and target.store.size(blob_name(b.digest)) != b.size_bytes
    ]


def _recorded(target: Results, result: Result, arrived: Mapping[Blob, Path], done: Transferred) -> ResultReference:
    for blob in result.blobs:
        if blob not in arrived:
            rely_on(target.store, blob_name(blob.digest))
    for blob, path in arrived.items():
        if target.put_blob(path) != blob or target.store.size(blob_name(blob.digest)) != blob.size_bytes:
            raise StoreError(
                f"What arrived of {blob.digest.hex[:12]}… in the store {target.store.name} is not what was sent. "
                "Repeat the transfer: what arrived whole is not copied again."
            )
        done.blobs += 1
        done.size_bytes += blob.size_bytes
    done.copied += 1
    present = _same(target, result)
    return (present if present is not None and target.is_whole(present) else target.adopt(result)).reference


def _same(target: Results, result: Result) -> Result | None:
    """The result as the target has it: under its own name, or equal under another number."""
    named = target.get(result.reference)
    if named is not None and not target.is_revoked(*named.id):
        return named
    candidates = target.candidates(result.key.digest())
    return next((found for found in candidates if content_of(found) == content_of(result)), None)


def _shown(result: Result) -> str:
    return f"{result.key.step} {result.key.digest().hex[:12]}"
