"""A picture as SVG: layers are bands, steps boxes in the colour of their last outcome, edges curves."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from odibi_assets.cli.picture.colours import FILLS, NEVER_RUN
from odibi_assets.cli.picture.layout import MARGIN, PADDING, Band, Box, layout
from odibi_assets.cli.picture.picture import Edge, Picture

_FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
_INK, _FAINT = "#1f2328", "#57606a"


def svg(picture: Picture) -> str:
    """An SVG document; a dashed edge is an order without data."""
    placed = layout(picture)
    width, height = placed.width, placed.bottom + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="{_FONT}" font-size="13" role="img">',
        f"<title>{escape(picture.pipeline)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{_FAINT}"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
    ]
    for band in placed.bands:
        lines += _band(band, placed.bottom)
    lines += [_edge(edge, route) for edge, route in placed.routes]
    for box in placed.boxes:
        lines += _box(box)
    lines += _legend(picture, placed.bottom + MARGIN)
    return "\n".join([*lines, "</svg>"])


def _band(band: Band, bottom: float) -> Iterator[str]:
    yield (
        f'<rect class="layer" x="{band.left:g}" y="{MARGIN:g}" width="{band.right - band.left:g}" '
        f'height="{bottom - MARGIN:g}" rx="10" fill="#f6f8fa" stroke="#d0d7de"/>'
    )
    yield f'<text x="{band.left + PADDING:g}" y="{MARGIN + 24:g}" font-weight="600">{escape(band.layer)}</text>'


def _edge(edge: Edge, route: tuple[Box, ...]) -> str:
    """A curve from box to box, straight along the lanes between them."""
    x, y = route[0].right
    path = f"M{x:g} {y:g}"
    for box in route[1:]:
        to_x, to_y = box.left
        middle = (x + to_x) / 2
        path += f"C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
        x, y = box.right
        if box.node is None:
            path += f"H{x:g}"
    dashes = ' stroke-dasharray="5 4"' if edge.kind == "after" else ""
    return (
        f'<path class="edge" d="{path}" fill="none" stroke="{_FAINT}"{dashes} marker-end="url(#tip)">'
        f"<title>{escape(edge.source)} → {escape(edge.target)}</title></path>"
    )


def _box(box: Box) -> Iterator[str]:
    node = box.node
    if node is None:
        return
    colours = FILLS.get(node.outcome or "", NEVER_RUN)
    middle = box.x + box.width / 2
    below = f"{node.kind} · {node.outcome}" if node.outcome else node.kind
    yield (
        f'<rect class="step {node.outcome or "never-run"}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
        f'height="{box.height:g}" rx="6" fill="{colours.fill}" stroke="{colours.line}"/>'
    )
    yield f'<text x="{middle:g}" y="{box.y + 19:g}" text-anchor="middle" fill="{_INK}">{escape(node.name)}</text>'
    yield (
        f'<text x="{middle:g}" y="{box.y + 35:g}" text-anchor="middle" fill="{_FAINT}" font-size="11">{below}</text>'
    )


def _legend(picture: Picture, y: float) -> Iterator[str]:
    x = MARGIN
    for outcome in dict.fromkeys(node.outcome or "never run" for node in picture.nodes):
        colours = FILLS.get(outcome, NEVER_RUN)
        yield (
            f'<rect x="{x:g}" y="{y - 10:g}" width="12" height="12" rx="3" '
            f'fill="{colours.fill}" stroke="{colours.line}"/>'
        )
        yield f'<text x="{x + 18:g}" y="{y:g}" font-size="11" fill="{_FAINT}">{outcome}</text>'
        x += 38 + len(outcome) * 6.5
