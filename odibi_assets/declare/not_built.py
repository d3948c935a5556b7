"""Fields and values of the design that this version does not act on.

They are refused, since a field that is accepted and ignored is a promise broken in silence.
"""

from __future__ import annotations

NOT_BUILT_PIPELINE = frozenset("partitions watch automation".split())
NOT_BUILT_STEP = frozenset("expect preview columns partitions".split())
NOT_BUILT = "a field that this version acts on (this one is not built yet)"
NOT_BUILT_NESTED = frozenset(
    {
        ("alerts", "layers"),
        ("alerts", "channel"),
    }
)
NOT_BUILT_VALUES = frozenset({("engine", "spark"), ("format", "skops")})
