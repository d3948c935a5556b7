"""The colours of outcomes in pictures; dark text reads well on all of them."""

from __future__ import annotations

from typing import NamedTuple


class Colours(NamedTuple):
    fill: str
    line: str


FILLS = {
    "computed": Colours("#d3f2d9", "#2da44e"),
    "cached": Colours("#d5ecff", "#218bff"),
    "failed": Colours("#ffd8d3", "#cf222e"),
    "skipped": Colours("#eaeef2", "#8c959f"),
    "absent": Colours("#eaeef2", "#8c959f"),
    "waiting": Colours("#fff1c2", "#bf8700"),
}
NEVER_RUN = Colours("#ffffff", "#57606a")
