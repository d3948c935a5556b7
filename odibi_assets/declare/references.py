"""Names by which a pipeline refers to its own steps: inputs, ``after``, jobs; no cycle, no step of a later layer."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.input import Input
from odibi_assets.declare.mistake import nearest
from odibi_assets.declare.yaml_source import Place


class References:
    """One pass over the names in a pipeline; each method checks one kind and notes what is wrong.

    Args:
        raw_steps: Place → what is declared there, also of steps with mistakes.
        jobs: As declared.
    """

    def __init__(
        self,
        definition: Definition,
        prefix: Place,
        layers: Sequence[str],
        raw_steps: Sequence[tuple[Place, Mapping[str, Any]]],
        jobs: object,
    ) -> None:
        self.definition, self.prefix, self.layers = definition, prefix, layers
        self.raw_steps, self.jobs = raw_steps, jobs

    def check(self) -> None:
        """Note every name that stands for nothing, or that must not be taken there."""
        layer_of = {raw["name"]: raw.get("layer") for _, raw in self.raw_steps if isinstance(raw.get("name"), str)}
        raw_of = {raw["name"]: raw for _, raw in self.raw_steps if isinstance(raw.get("name"), str)}
        self.definition.names = frozenset(layer_of)
        graph: dict[str, set[str]] = {name: set() for name in layer_of}
        place_of: dict[str, Place] = {}
        for place, raw in self.raw_steps:
            name = raw.get("name")
            if isinstance(name, str):
                place_of.setdefault(name, place)
            for at, named in _named_steps(raw):
                where = (*place, *at)
                upstream = Input.parse(named).step
                if upstream not in layer_of:
                    self.definition.mistake(
                        where,
                        upstream,
                        f"a step of this pipeline ({names_shown(layer_of)})",
                        nearest(upstream, layer_of),
                    )
                elif upstream == name:
                    self.definition.mistake(where, upstream, "another step: a step can't take its own result")
                else:
                    self._check_output_of(where, at, named, raw_of[upstream])
                    self._check_layers(where, name, raw.get("layer"), upstream, layer_of[upstream])
                    if isinstance(name, str):
                        graph[name].add(upstream)
        self._check_jobs(layer_of)
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            cycle = error.args[1]
            self.definition.mistake(
                (*place_of[cycle[0]], "inputs"), " → ".join(reversed(cycle)), "steps without a cycle"
            )

    def _check_jobs(self, names: Mapping[str, object]) -> None:
        for job, steps in self.jobs.items() if isinstance(self.jobs, Mapping) else ():
            for i, name in enumerate(steps) if isinstance(steps, list) else ():
                if name not in names:
                    where = (*self.prefix, "jobs", job, i)
                    self.definition.mistake(
                        where, name, f"a step of this pipeline ({names_shown(names)})", nearest(name, names)
                    )

    def _check_output_of(self, where: Place, at: Place, named: str, upstream: Mapping[str, Any]) -> None:
        """Does the text name one output of the step?"""
        taken, declared = Input.parse(named), upstream.get("outputs")
        outputs = [str(name) for name in declared] if isinstance(declared, Mapping) else []
        if at[0] == "after":
            if taken.output is not None:
                self.definition.mistake(where, named, "a step, since after hands on no data", taken.step)
        elif taken.output is None and len(outputs) > 1:
            choices = [f"{taken.step}.{output}" for output in outputs]
            self.definition.mistake(where, named, f"one of its outputs: {', '.join(choices)}")
        elif taken.output is not None and taken.output not in outputs:
            choices = [f"{taken.step}.{output}" for output in outputs] or [taken.step]
            self.definition.mistake(where, named, f"one of {', '.join(choices)}", nearest(named, choices))

    def _check_layers(self, where: Place, name: object, layer: object, upstream: str, upstream_layer: object) -> None:
        if layer not in self.layers or upstream_layer not in self.layers:
            return
        if self.layers.index(str(upstream_layer)) > self.layers.index(str(layer)):
            expected = f"a step in {layer} or an earlier layer, since {name} is {layer}"
            self.definition.mistake(where, f"{upstream} ({upstream_layer})", expected)


def _named_steps(raw: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    inputs, after = raw.get("inputs"), raw.get("after")
    if isinstance(inputs, Mapping):
        for key, value in inputs.items():
            if isinstance(value, str):
                yield ("inputs", key), value
            elif isinstance(value, Mapping) and isinstance(value.get("step"), str):
                yield ("inputs", key, "step"), value["step"]
    elif isinstance(inputs, list):
        yield from ((("inputs", i), value) for i, value in enumerate(inputs) if isinstance(value, str))
    if isinstance(after, list):
        yield from ((("after", i), value) for i, value in enumerate(after) if isinstance(value, str))


def names_shown(names: Iterable[object]) -> str:
    """Names in a message."""
    return ", ".join(map(str, names)) or "none"
