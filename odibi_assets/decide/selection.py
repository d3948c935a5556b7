"""Which steps an expression of ``--select`` names: a pure function over the graph, in dbt's words.

| expression | selects |
|---|---|
| ``totals`` | the step |
| ``dim_*`` | every step whose name matches; ``*`` is all of them |
| ``layer:gold`` | every step of a layer |
| ``+totals`` | and all that it needs |
| ``totals+`` | and all that needs it |
| ``2+totals``, ``totals+1`` | as above, so many steps away at most |
| ``+totals,layer:silver`` | what both sides select |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.errors import UsageError
from odibi_assets.identify.identity import PipelineIdentity

_EXPRESSION = re.compile(r"(?:(?P<up>\d*)\+)?(?P<term>[^+]+)(?:\+(?P<down>\d*))?")
_LAYER = "layer:"


def select(pipeline: PipelineIdentity, expressions: Iterable[str]) -> tuple[str, ...]:
    """The steps that at least one expression selects, in the order of the pipeline.

    Raises:
        UsageError: An expression can't be read, names what is not there, or selects nothing.
    """
    chosen: set[str] = set()
    for expression in expressions:
        sides = [_side(pipeline, part.strip(), expression) for part in expression.split(",")]
        found = set.intersection(*sides)
        if not found:
            raise UsageError(f"{expression!r} selects no step of pipeline {pipeline.name!r}: no step is on both sides.")
        chosen |= found
    return tuple(step.name for step in pipeline.steps if step.name in chosen)


def _side(pipeline: PipelineIdentity, text: str, expression: str) -> set[str]:
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"The selection {expression!r} can't be read: expected STEP, a pattern or layer:NAME, "
            "with '+' before or behind it for what it needs or what needs it."
        )
    found = _named(pipeline, match["term"])
    needs = {step.name: step.upstream for step in pipeline.steps}
    chosen = set(found)
    if match["up"] is not None:
        chosen |= _reached(found, needs, match["up"])
    if match["down"] is not None:
        chosen |= _reached(found, _reversed(needs), match["down"])
    return chosen


def _named(pipeline: PipelineIdentity, term: str) -> set[str]:
    is_layer = term.startswith(_LAYER)
    wanted = term.removeprefix(_LAYER)
    places = {step.name: step.layer if is_layer else step.name for step in pipeline.steps}
    found = {name for name, place in places.items() if fnmatchcase(place, wanted)}
    if not found and not (is_layer and wanted in pipeline.layers):
        choices = pipeline.layers if is_layer else tuple(places)
        what = f"layer {wanted!r}" if is_layer else f"step {wanted!r}"
        raise UsageError(f"Pipeline {pipeline.name!r} has no {what}: {expected_one_of(wanted, choices)}")
    return found


def _reached(start: Iterable[str], edges: Mapping[str, Iterable[str]], most: str) -> set[str]:
    """What can be reached in at most so many steps (any number, if empty)."""
    seen: set[str] = set()
    frontier, left = set(start), int(most) if most else len(edges)
    while frontier and left > 0:
        frontier = {name for at in frontier for name in edges.get(at, ())} - seen
        seen |= frontier
        left -= 1
    return seen


def _reversed(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    turned: dict[str, list[str]] = {}
    for name, others in edges.items():
        for other in others:
            turned.setdefault(other, []).append(name)
    return turned
