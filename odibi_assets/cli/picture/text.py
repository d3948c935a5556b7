"""A picture as lines of text: a tree of layers and steps, each with what it waits for."""

from __future__ import annotations

from odibi_assets.cli.picture.picture import Edge, Picture
from odibi_assets.cli.render import coloured


def text(picture: Picture) -> str:
    """One line for each step, below its layer; ``(name)`` is an order without data."""
    widest = max(len(node.name) for node in picture.nodes)
    lines = [picture.pipeline]
    layers = list(picture.by_layer.items())
    for layer, nodes in layers:
        is_last = layer == layers[-1][0]
        lines.append(f"{'└─' if is_last else '├─'} {layer}")
        stem = "   " if is_last else "│  "
        for node in nodes:
            branch = "└─" if node is nodes[-1] else "├─"
            outcome = coloured(f"{node.outcome or '-':<8}", node.outcome or "")
            inputs = ", ".join(map(_shown, picture.inputs[node.name]))
            line = f"{stem}{branch} {node.name:<{widest}}  {node.kind:<7}  {outcome}" + (
                f"  ← {inputs}" if inputs else ""
            )
            lines.append(line.rstrip())
    return "\n".join(lines)


def _shown(edge: Edge) -> str:
    return {"data": edge.source, "optional": f"{edge.source}?", "after": f"({edge.source})"}[edge.kind]
