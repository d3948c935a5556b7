"""The fields of the YAML, as the models declare them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from generate.python_api import as_markdown
from odibi_assets.declare import not_built
from odibi_assets.declare.pipeline import Pipeline

Schema = Mapping[str, Any]


def fields() -> str:
    """A table for each model: the pipeline, its steps, then what these hold, in the order in which it is met."""
    whole = Pipeline.model_json_schema()
    models = {"Pipeline": whole, **whole["$defs"]}
    return "\n\n".join(_table(name, models[name]) for name in _order(models))


def refused() -> str:
    """The fields and values that are known, and refused since nothing acts on them yet."""
    nested = [".".join(place) for place in not_built.NOT_BUILT_NESTED]
    values = [f"{field}: {value}" for field, value in not_built.NOT_BUILT_VALUES]
    return "\n".join(
        f"- {where}: {', '.join(f'`{name}`' for name in sorted(names))}"
        for where, names in (
            ("of a pipeline", not_built.NOT_BUILT_PIPELINE),
            ("of a step", not_built.NOT_BUILT_STEP),
            ("below other fields", [*nested, *values]),
        )
    )


def _order(models: Mapping[str, Schema]) -> list[str]:
    found = ["Pipeline", "Step"]
    for name in found:
        found += [met for met in _references(models[name].get("properties", {})) if met not in found]
    return found


def _references(schema: Any) -> list[str]:
    if isinstance(schema, Mapping):
        here = [schema["$ref"].rpartition("/")[2]] if "$ref" in schema else []
        return here + [name for value in schema.values() for name in _references(value)]
    return [name for value in schema for name in _references(value)] if isinstance(schema, list) else []


def _table(name: str, model: Schema) -> str:
    required = model.get("required", ())
    rows = [
        f"| `{field}` | {kind(schema)} | {'required' if field in required else _default(schema)} "
        f"| {cell(schema.get('description', ''))} |"
        for field, schema in model["properties"].items()
    ]
    about = as_markdown(model.get("description", ""))
    return "\n".join(
        [f"### {name}", "", about, "", "| field | takes | unless given | meaning |", "|---|---|---|---|", *rows]
    )


def kind(schema: Schema) -> str:
    """What a field takes, in words.

    >>> kind({"type": "array", "items": {"type": "integer", "minimum": 0}})
    'list of whole number, at least 0'
    >>> kind({"anyOf": [{"$ref": "#/$defs/Retry"}, {"type": "null"}]})
    '[Retry](#retry)'
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(kind(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    of: dict[str, Callable[[], str]] = {
        "array": lambda: f"list of {kind(schema['items'])}",
        "object": lambda: _mapping(schema),
        "string": lambda: "name" if "pattern" in schema else "text",
        "boolean": lambda: "`true`, `false`",
        "integer": lambda: "whole number" + _bounds(schema),
        "number": lambda: "number" + _bounds(schema),
    }
    return of[schema["type"]]() if "type" in schema else "any value"


def _mapping(schema: Schema) -> str:
    by_pattern = list(schema.get("patternProperties", {}).values())
    values = by_pattern[0] if by_pattern else schema.get("additionalProperties", True)
    return "mapping" if values is True or not values else f"mapping to {kind(values)}"


def _bounds(schema: Schema) -> str:
    return f", at least {schema['minimum']}" if "minimum" in schema else ""


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if "$ref" in schema or value in (None, {}, [], ()):
        return ""
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def cell(text: str) -> str:
    """Text as one cell of a table; templates as code, since nothing fills them in here."""
    return re.sub(r"(\{\{.*?\}\})", r"`\1`", text.replace("|", "\\|").replace("\n", " "))
