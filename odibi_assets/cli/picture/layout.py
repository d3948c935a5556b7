"""Where a picture's steps are drawn: layers from left to right, boxes in columns, lanes for edges that pass by.

A layer whose steps wait for each other has several columns. An edge that crosses columns has a
lane of its own in each, shared by the edges of one step. Within a column, boxes and lanes are ordered
by where their neighbours are, so that few edges cross.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from odibi_assets.cli.picture.picture import Edge, Node, Picture

MARGIN, TITLE, PADDING, HEIGHT = 24.0, 40.0, 16.0, 44.0
_GAP_X, _GAP_Y, _LANE, _LETTER, _LEAST_WIDTH, _SWEEPS = 52.0, 18.0, 6.0, 7.6, 124.0, 8


@dataclass(frozen=True)
class Box:
    """Where a step, or a lane (without a node), lies: its left upper corner and its size."""

    node: Node | None
    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width, self.y + self.height / 2


@dataclass(frozen=True)
class Band:
    """The part of the picture that is a layer's."""

    layer: str
    left: float
    right: float


@dataclass(frozen=True)
class Layout:
    """Everything in its place.

    Attributes:
        routes: For each edge the boxes and lanes that it goes through, both ends included.
    """

    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]
    routes: tuple[tuple[Edge, tuple[Box, ...]], ...]
    width: float
    bottom: float


@dataclass(frozen=True, order=True)
class _Slot:
    """A step's place in its column, or a lane of the edges that leave it."""

    step: str
    column: int
    is_lane: bool = False


def layout(picture: Picture) -> Layout:
    """Place the steps of a picture."""
    layers, column_of = _column_of(picture)
    steps = {name: _Slot(name, column) for name, column in column_of.items()}
    routes = [(edge, _route(steps[edge.source], steps[edge.target])) for edge in picture.edges]
    columns: list[list[_Slot]] = [[] for _ in layers]
    for slot in dict.fromkeys([*steps.values(), *(slot for _, route in routes for slot in route)]):
        columns[slot.column].append(slot)
    _order(columns, [route for _, route in routes])
    return _placed(picture, layers, columns, routes)


def _column_of(picture: Picture) -> tuple[list[str], dict[str, int]]:
    """The layer of each column, and the column of each step."""
    layer_of = {node.name: node.layer for node in picture.nodes}
    depth: dict[str, int] = {}
    for node in picture.nodes:
        own = [edge.source for edge in picture.inputs[node.name] if layer_of[edge.source] == node.layer]
        depth[node.name] = max((depth[source] + 1 for source in own), default=0)
    deepest = {layer: max(depth[node.name] for node in nodes) for layer, nodes in picture.by_layer.items()}
    layers = [layer for layer in deepest for _ in range(deepest[layer] + 1)]
    return layers, {name: layers.index(layer_of[name]) + depth[name] for name in depth}


def _route(source: _Slot, target: _Slot) -> tuple[_Slot, ...]:
    lanes = (_Slot(source.step, column, is_lane=True) for column in range(source.column + 1, target.column))
    return (source, *lanes, target)


def _order(columns: list[list[_Slot]], routes: Sequence[tuple[_Slot, ...]]) -> None:
    """Sort each column by the mean place of its neighbours, sweeping to the right and back."""
    pairs = {pair for route in routes for pair in itertools.pairwise(route)}
    before: dict[_Slot, list[_Slot]] = {}
    behind: dict[_Slot, list[_Slot]] = {}
    for left, right in sorted(pairs):
        before.setdefault(right, []).append(left)
        behind.setdefault(left, []).append(right)
    places = {slot: (i + 0.5) / len(column) for column in columns for i, slot in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours = behind if sweep % 2 else before
        for column in reversed(columns) if sweep % 2 else columns:
            wanted = {slot: _mean([places[other] for other in neighbours.get(slot, [slot])]) for slot in column}
            column.sort(key=wanted.__getitem__)
            places |= {slot: (i + 0.5) / len(column) for i, slot in enumerate(column)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _placed(
    picture: Picture,
    layers: Sequence[str],
    columns: Sequence[Sequence[_Slot]],
    routes: Sequence[tuple[Edge, tuple[_Slot, ...]]],
) -> Layout:
    nodes = {node.name: node for node in picture.nodes}
    heights = [sum(_height(slot) + _GAP_Y for slot in column) - _GAP_Y for column in columns]
    boxes: dict[_Slot, Box] = {}
    bands: dict[str, Band] = {}
    x = MARGIN
    for i, (layer, column) in enumerate(zip(layers, columns, strict=True)):
        is_first, is_last = layer not in bands, i + 1 == len(layers) or layers[i + 1] != layer
        start = x if is_first else bands[layer].left
        x += PADDING if is_first else _GAP_X
        width = max(_LEAST_WIDTH, *(len(slot.step) * _LETTER + 24 for slot in column if not slot.is_lane))
        y = MARGIN + TITLE + (max(heights) - heights[i]) / 2
        for slot in column:
            boxes[slot] = Box(None if slot.is_lane else nodes[slot.step], x, y, width, _height(slot))
            y += _height(slot) + _GAP_Y
        x += width
        if is_last:
            x += PADDING
        bands[layer] = Band(layer, start, x)
        if is_last:
            x += _GAP_X
    return Layout(
        boxes=tuple(boxes.values()),
        bands=tuple(bands.values()),
        routes=tuple((edge, tuple(boxes[slot] for slot in route)) for edge, route in routes),
        width=x - _GAP_X + MARGIN,
        bottom=MARGIN + TITLE + max(heights) + PADDING,
    )


def _height(slot: _Slot) -> float:
    return _LANE if slot.is_lane else HEIGHT
