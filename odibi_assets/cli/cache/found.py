"""Finding stored results by what a user gives: a step's name, or the beginning of a key."""

from __future__ import annotations

from collections.abc import Mapping

from odibi_assets.errors import UsageError
from odibi_assets.keep.result import Result, ResultId
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.keep.survey import lines

LEAST = 4
"""Digits of a key that are enough to look for it."""


def by_key(results: Results, key: str) -> list[Result]:
    """Every generation of the one key that begins so, newest first.

    Raises:
        UsageError: None does, or several do.
    """
    digits = key.removeprefix("b3:")
    found = [result for result in results.all() if len(digits) >= LEAST and result.key.digest().hex.startswith(digits)]
    keys = sorted({result.key.digest().hex[:16] for result in found})
    if len(keys) != 1:
        names = f" ({', '.join(keys[:5])})" if keys else ""
        raise UsageError(
            f"{len(keys)} stored keys begin with {key!r}{names}: expected one, from its first {LEAST} digits on. "
            "See oda cache ls."
        )
    return sorted(found, key=lambda result: result.generation, reverse=True)


def current_in(results: Results) -> Mapping[ResultId, list[tuple[str, str, str]]]:
    """Result → where it is current: environment, pipeline and step."""
    found: dict[ResultId, list[tuple[str, str, str]]] = {}
    for line in lines(results.store):
        snapshot = Snapshots(results.store, line.environment, line.pipeline).current()
        for step, reference in snapshot.steps.items() if snapshot is not None else ():
            place = (line.environment, line.pipeline, step)
            found.setdefault(reference.id, []).append(place)
    return found
