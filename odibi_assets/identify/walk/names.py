"""Names that code or a namespace leads to, and the values behind them."""

from __future__ import annotations

import logging
import sys
import threading
import types
from collections.abc import Mapping
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.item import Item
from odibi_assets.identify.shown_value import safe_repr
from odibi_assets.identify.walk.library_code import is_bound
from odibi_assets.identify.walk.walk import Walk, label

BY_NAME = (logging.Logger, logging.LoggerAdapter, type(threading.Lock()), type(threading.RLock()))
"""Kinds of objects whose state no result depends on."""


def add_named(
    walk: Walk, base: str, target: Any, owner: types.ModuleType | None, namespace: Mapping[str, Any], place: str
) -> None:
    """Add what a name is bound to: in a module that owns it, or in a namespace."""
    module = owner.__name__ if owner is not None else str(namespace.get("__name__", ""))
    walk.result.names.add((module, base))
    if isinstance(target, (types.FunctionType, type)) or (
        isinstance(target, types.BuiltinFunctionType) and not is_bound(target)
    ):
        walk.named.add(id(target))
        walk.add(base, target, place)
        return
    if owner is not None and not is_first_party_module(owner):
        walk.add_distribution(owner.__name__, base)
        return
    source = owner if owner is not None else sys.modules.get(module)
    walk.result.values[f"{label(module)}.{base}"] = (module, base)
    add_value(walk, f"{label(module)}.{base}", target, walk.assignment(source, base) or place)


def add_value(walk: Walk, name: str, value: Any, place: str) -> None:
    """Add a value as an item of its own, once per name."""
    if name in walk.values:
        return
    walk.values.add(name)
    before = len(walk.result.obstacles)
    stand_in = walk.add(name, value, place)
    if len(walk.result.obstacles) > before or (
        isinstance(stand_in, tuple) and stand_in[:1] in (("function",), ("class",), ("module",))
    ):
        return
    if isinstance(value, BY_NAME):
        return
    digest = Digest.of_struct("value", walk.encoded(name, stand_in, place))
    # A decorated function is a value under the name of the function inside it.
    free = name if name not in walk.result.items else f"{name} (value)"
    walk.result.items[free] = Item(digest, "value", shown=safe_repr(value), place=place)


def name_reached(walk: Walk, value: Any) -> str | None:
    """The name of a function, class or module that was reached; None for a value, which is an item of its own."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    known = isinstance(value, (types.FunctionType, type, types.BuiltinFunctionType)) and id(value) in walk.seen
    return walk.seen[id(value)][1] if known else None
