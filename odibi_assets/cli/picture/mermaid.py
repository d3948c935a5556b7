"""A picture as a Mermaid flowchart, which GitHub and many editors draw."""

from __future__ import annotations

from odibi_assets.cli.picture.colours import FILLS, Colours
from odibi_assets.cli.picture.picture import Picture


def mermaid(picture: Picture) -> str:
    """One subgraph for each layer, one class for each last outcome; a dotted arrow is an order without data."""
    lines = [f"%% {picture.pipeline}", "flowchart LR"]
    for layer, nodes in picture.by_layer.items():
        lines.append(f'    subgraph layer_{layer}["{layer}"]')
        lines += [f'        step_{node.name}["{node.name}"]{_class(node.outcome)}' for node in nodes]
        lines.append("    end")
    for edge in picture.edges:
        arrow = {"data": "-->", "optional": "-->|optional|", "after": "-.->"}[edge.kind]
        lines.append(f"    step_{edge.source} {arrow} step_{edge.target}")
    outcomes = dict.fromkeys(node.outcome for node in picture.nodes if node.outcome in FILLS)
    lines += [f"    classDef {outcome} {_style(FILLS[outcome])}" for outcome in outcomes if outcome]
    return "\n".join(lines)


def _class(outcome: str | None) -> str:
    return f":::{outcome}" if outcome in FILLS else ""


def _style(colours: Colours) -> str:
    return f"fill:{colours.fill},stroke:{colours.line},color:#1f2328"
