"""A fingerprint is the identity of a function's code, and of all first-party code that it reaches.

The walk goes over live objects, starting at the function: the globals its bytecode names, their
globals in turn, classes whole, closures, defaults, containers, imports inside functions
(truth.md 1.1). Following objects instead of text gets decorators, re-exports and star imports
right without a rule for each.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.import_purity import Judgement
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.shown_value import safe_repr
from odibi_assets.identify.walk.classes import add_class
from odibi_assets.identify.walk.functions import add_function
from odibi_assets.identify.walk.library_code import add_foreign, add_wrapper
from odibi_assets.identify.walk.modules import add_effects, add_module, add_told
from odibi_assets.identify.walk.names import BY_NAME
from odibi_assets.identify.walk.values import (
    COLLECTIONS,
    add_collection,
    add_enum,
    add_extended,
    add_instance,
    add_mapping,
)
from odibi_assets.identify.walk.walk import Adder, Walk


@dataclass
class Fingerprint:
    """The code behind one step.

    Attributes:
        items: Name → item, one for each function, class, value, effect and distribution reached.
        obstacles: What the code does that makes its result non-reusable.
        modules: First-party modules reached.
        values: Module values reached: name → module, and name there.
        names: Global names that were followed, each with its module.
        mutable: Identities of the objects reached that can be changed in place.
        computes_imports: It imports modules by computed names, so every source below the root counts.
        seeded: Modules whose global random generator it seeds.
        memos: Functions reached that remember what they returned, as ``functools.lru_cache`` makes them.
    """

    items: dict[str, Item] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    names: set[tuple[str, str]] = field(default_factory=set)
    mutable: set[int] = field(default_factory=set)
    computes_imports: bool = False
    seeded: set[str] = field(default_factory=set)
    memos: list[Any] = field(default_factory=list)


def fingerprint(
    function: Callable[..., Any], root: Path, *, extra_modules: Iterable[types.ModuleType] = ()
) -> Fingerprint:
    """Identity of a function and of everything first-party that it reaches.

    Args:
        function: What a step calls.
        root: The project root: paths below it count relative to it.
        extra_modules: First-party modules loaded for the pipeline, whose top-level effects count too.
    """
    walk = _walk(root)
    _add_start(walk, function)
    for module in extra_modules:
        walk.result.modules.setdefault(module.__name__, module)
    add_effects(walk)
    add_told(walk)
    return walk.result


def judgement(function: Any, root: Path) -> Judgement:
    """Does a first-party function or class answer the same at the next import, as far as its code tells?"""
    walk = _walk(root)
    walk.add("a function called by an import", function)
    found = walk.result.obstacles
    if walk.whole_modules:
        return Judgement("it computes names", frozenset(walk.result.names))
    return Judgement(found[0].text if found else None, frozenset(walk.result.names))


def value_digest(name: str, value: Any, root: Path) -> Digest:
    """Identity of a value by itself; one that has none counts by its type."""
    walk = _walk(root)
    return walk.encoded(name, walk.add(name, value))


def _walk(root: Path) -> Walk:
    return Walk(root, Fingerprint(), _adder_of)


def _add_start(walk: Walk, function: Callable[..., Any]) -> None:
    """Add the step's own function, which is shown as such, all else as its helpers.

    A step may name any callable: the arguments of a partial, and the state of an instance, count too.
    """
    items = walk.result.items
    stand_in = walk.add("the step's function", function)
    if not (isinstance(stand_in, tuple) and stand_in[0] in ("function", "class")):
        digest = Digest.of_struct("value", walk.encoded("the step's function", stand_in))
        items["the step's function"] = Item(digest, "value", shown=safe_repr(function))
    name = walk.name_of(inspect.unwrap(function), "")
    if name in items:
        items[name] = replace(items[name], kind="function")


def _adder_of(value: Any) -> Adder:
    for kinds, adder in _ADDERS:
        if isinstance(value, kinds):
            return adder
    if isinstance(value, (dict, types.MappingProxyType)):
        return add_mapping if type(value) in (dict, types.MappingProxyType) else add_extended
    if isinstance(value, (list, tuple, set, frozenset)):
        return add_collection if type(value) in COLLECTIONS else add_extended
    return add_instance


def _add_by_name(walk: Walk, name: str, value: Any, place: str | None) -> object:
    return ("by name", type(value).__qualname__)


_WRAPPERS = (
    types.MethodType,
    functools.partial,
    functools.partialmethod,
    functools.singledispatchmethod,
    staticmethod,
    classmethod,
    property,
    functools.cached_property,
)
_COMPILED = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.ClassMethodDescriptorType,
    types.MethodWrapperType,
)
_ADDERS: tuple[tuple[tuple[type, ...], Adder], ...] = (
    ((types.ModuleType,), add_module),
    ((types.FunctionType,), add_function),
    ((type,), add_class),
    (_WRAPPERS, add_wrapper),
    (_COMPILED, add_foreign),
    (BY_NAME, _add_by_name),
    ((enum.Enum,), add_enum),
)
