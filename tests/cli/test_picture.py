"""A pipeline's picture: nothing overlaps, nothing is lost, and each format is what its readers expect."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from odibi_assets.cli.picture.layout import Layout, layout
from odibi_assets.cli.picture.mermaid import mermaid
from odibi_assets.cli.picture.picture import Edge, Node, Picture
from odibi_assets.cli.picture.svg import svg
from odibi_assets.cli.picture.text import text

SVG = "{http://www.w3.org/2000/svg}"


def picture(edges: str, layers: str, outcomes: str = "") -> Picture:
    """``a>b`` is an edge, ``a~b`` an order; ``a:bronze`` a step's layer, ``a:failed`` its outcome."""
    found = dict(part.split(":") for part in outcomes.split())
    nodes = [Node(*part.split(":"), "sql", found.get(part.split(":")[0])) for part in layers.split()]
    names = tuple(dict.fromkeys(node.layer for node in nodes))
    parsed = [re.fullmatch(r"(\w+)([>~])(\w+)", part) for part in edges.split()]
    listed = [Edge(m[1], m[3], "data" if m[2] == ">" else "after") for m in parsed if m is not None]
    return Picture("pipe", names, tuple(nodes), tuple(listed))


DIAMOND = picture(
    "a>c b>c c>d c>e d>f e>f a>f b~f",
    "a:bronze b:bronze c:silver d:silver e:silver f:gold",
    "a:cached b:computed c:failed d:skipped",
)
WIDE = picture(
    " ".join(f"s{i}>m{i % 7} m{i % 7}>g{i % 3}" for i in range(30)) + " s0>g2 s29>g0",
    " ".join([*(f"s{i}:bronze" for i in range(30)), *(f"m{i}:silver" for i in range(7)), "g0:gold g1:gold g2:gold"]),
)
ALONE = picture("", "only:bronze")
PICTURES = {"diamond": DIAMOND, "wide": WIDE, "alone": ALONE}


@pytest.fixture(params=PICTURES.values(), ids=PICTURES.keys())
def drawn(request: pytest.FixtureRequest) -> Picture:
    assert isinstance(request.param, Picture)
    return request.param


def overlaps(placed: Layout) -> list[object]:
    pairs = itertools.combinations(placed.boxes, 2)
    return [
        (one, other)
        for one, other in pairs
        if one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    ]


def test_every_step_has_a_box_of_its_own_inside_the_band_of_its_layer(drawn: Picture) -> None:
    placed = layout(drawn)
    assert overlaps(placed) == []
    bands = {band.layer: band for band in placed.bands}
    boxes = [box for box in placed.boxes if box.node is not None]
    assert {box.node.name for box in boxes if box.node} == {node.name for node in drawn.nodes}
    for box in boxes:
        assert box.node is not None
        band = bands[box.node.layer]
        assert band.left < box.x and box.x + box.width < band.right < placed.width
        assert box.y + box.height < placed.bottom


def test_edges_lead_to_the_right_and_through_lanes_only(drawn: Picture) -> None:
    for edge, route in layout(drawn).routes:
        first, *lanes, last = route
        assert first.node is not None and first.node.name == edge.source
        assert last.node is not None and last.node.name == edge.target
        assert all(lane.node is None for lane in lanes)
        assert all(one.right[0] < other.left[0] for one, other in itertools.pairwise(route))


def test_layers_stand_from_left_to_right() -> None:
    bands = layout(DIAMOND).bands
    assert [band.layer for band in bands] == ["bronze", "silver", "gold"]
    assert all(one.right < other.left for one, other in itertools.pairwise(bands))


def test_edges_that_need_not_cross_do_not() -> None:
    crossed = picture("a>y b>x", "a:bronze b:bronze x:silver y:silver")
    places = {box.node.name: box.y for box in layout(crossed).boxes if box.node is not None}
    assert (places["a"] < places["b"]) == (places["y"] < places["x"])


def test_the_svg_is_well_formed_and_has_every_step_and_edge(drawn: Picture) -> None:
    root = ElementTree.fromstring(svg(drawn))
    shapes = [element.get("class", "") for element in root.iter(f"{SVG}rect")]
    assert sum(name.startswith("step ") for name in shapes) == len(drawn.nodes)
    edges = [element for element in root.iter(f"{SVG}path") if element.get("class") == "edge"]
    assert len(edges) == len(drawn.edges)
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {node.name for node in drawn.nodes} | set(drawn.by_layer) <= texts


def test_the_svg_shows_outcomes_and_orders_without_data() -> None:
    drawn = svg(DIAMOND)
    for name in ("step failed", "step cached", "step never-run", "sql · skipped", ">never run<"):
        assert name in drawn
    assert drawn.count("stroke-dasharray") == 1


def test_mermaid_has_a_subgraph_for_each_layer_and_a_class_for_each_outcome() -> None:
    lines = mermaid(DIAMOND).splitlines()
    assert lines[1] == "flowchart LR"
    assert [line.strip() for line in lines if "subgraph" in line] == [
        'subgraph layer_bronze["bronze"]',
        'subgraph layer_silver["silver"]',
        'subgraph layer_gold["gold"]',
    ]
    assert sum(line.strip() == "end" for line in lines) == 3
    assert '        step_c["c"]:::failed' in lines
    assert '        step_f["f"]' in lines
    assert "    step_a --> step_f" in lines
    assert "    step_b -.-> step_f" in lines
    assert {line.split()[1] for line in lines if "classDef" in line} == {"cached", "computed", "failed", "skipped"}
    known = re.compile(
        r"%% \w+|flowchart LR|\s+subgraph \w+\[\"\w+\"\]|\s+end|\s+\w+\[\"\w+\"\](:::\w+)?"
        r"|\s+\w+ (-->|-\.->) \w+|\s+classDef \w+ [\w:#,]+"
    )
    assert [line for line in lines if not known.fullmatch(line)] == []


def test_the_text_is_a_tree_of_layers() -> None:
    assert text(DIAMOND) == "\n".join(
        [
            "pipe",
            "├─ bronze",
            "│  ├─ a  sql      cached",
            "│  └─ b  sql      computed",
            "├─ silver",
            "│  ├─ c  sql      failed    ← a, b",
            "│  ├─ d  sql      skipped   ← c",
            "│  └─ e  sql      -         ← c",
            "└─ gold",
            "   └─ f  sql      -         ← d, e, a, (b)",
        ]
    )
