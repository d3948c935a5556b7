"""The presets, as the table of them declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.presets import MEANT_FOR, PRESETS


def presets() -> str:
    """What each is for, then a row for each policy that any of them names; what one does not name is the default."""
    meant = [f"- `{name}`: {text}" for name, text in MEANT_FOR.items()]
    names = list(dict.fromkeys(name for values in PRESETS.values() for name, _ in _flat(values)))
    fields = {name.partition(".")[0] for name in names}
    defaults = dict(_flat(Pipeline.model_construct().model_dump(mode="json", include=fields)))
    rows = [["policy", *(f"`{name}`" for name in PRESETS)], ["---"] * (len(PRESETS) + 1)]
    for policy in names:
        cells = [_shown(dict(_flat(values)).get(policy, defaults[policy])) for values in PRESETS.values()]
        rows.append([f"`{policy}`", *cells])
    return "\n".join([*meant, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += (
            [(f"{name}.{key}", item) for key, item in value.items()] if isinstance(value, Mapping) else [(name, value)]
        )
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
