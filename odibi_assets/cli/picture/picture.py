"""A pipeline as a picture shows it: steps in layers, what each waits for, and how it last ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from odibi_assets.declare.pipeline import Pipeline


@dataclass(frozen=True)
class Node:
    """One step.

    Attributes:
        kind: ``read``, ``sql``, ``python`` or ``command``.
        outcome: Of the last run that listed it; None where none did.
    """

    name: str
    layer: str
    kind: str
    outcome: str | None = None


@dataclass(frozen=True)
class Edge:
    """``target`` waits for ``source``: for its ``data``, also if they may be absent (``optional``), or only for its end
    (``after``)."""

    source: str
    target: str
    kind: str = "data"


@dataclass(frozen=True)
class Picture:
    """Steps in an order in which each follows what it waits for."""

    pipeline: str
    layers: tuple[str, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, outcomes: Mapping[str, str]) -> Picture:
        """The picture of a declared pipeline.

        Args:
            outcomes: Step → its last outcome.
        """
        nodes, edges = [], []
        for step in pipeline.ordered:
            nodes.append(Node(step.name, step.layer, step.kind, outcomes.get(step.name)))
            needed = {taken.step for name, taken in step.bindings.items() if name not in step.accepts}
            accepted = {step.bindings[name].step for name in step.accepts}
            for name in step.upstream:
                kind = "data" if name in needed else "optional" if name in accepted else "after"
                edges.append(Edge(name, step.name, kind))
        return cls(pipeline.name, pipeline.layers, tuple(nodes), tuple(edges))

    @cached_property
    def by_layer(self) -> Mapping[str, tuple[Node, ...]]:
        """The layers that have steps, in order."""
        found = {layer: tuple(node for node in self.nodes if node.layer == layer) for layer in self.layers}
        return {layer: nodes for layer, nodes in found.items() if nodes}

    @cached_property
    def inputs(self) -> Mapping[str, tuple[Edge, ...]]:
        """Step → what it waits for."""
        return {node.name: tuple(edge for edge in self.edges if edge.target == node.name) for node in self.nodes}

    def to_json(self) -> dict[str, object]:
        return {
            "pipeline": self.pipeline,
            "layers": list(self.layers),
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [asdict(edge) for edge in self.edges],
        }
