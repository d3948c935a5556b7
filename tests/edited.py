"""Documents with something wrong in them: what reads one must survive any."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner)
)


@st.composite
def edits(draw: st.DrawFn, document: Any) -> Any:
    """The document with one value somewhere inside replaced or removed."""
    document = copy.deepcopy(document)
    inside = document
    while True:
        spots = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        spot = draw(st.sampled_from(spots))
        value = inside[spot]
        if isinstance(value, (dict, list)) and value and draw(st.integers(0, 3)):
            inside = value
            continue
        if draw(st.booleans()):
            del inside[spot]
        else:
            inside[spot] = draw(ANYTHING)
        return document
