"""Functions: their bytecode, defaults and closure, and all that their names lead to."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from odibi_assets.identify import distribution
from odibi_assets.identify.code_object import Reference, code_digest, usage
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.item import Item
from odibi_assets.identify.volatile import computed_volatility, free_volatility, seeded_modules, volatility
from odibi_assets.identify.walk.library_code import add_fact, add_held_by_a_library, judge_held, public_names
from odibi_assets.identify.walk.names import add_named, add_value, name_reached
from odibi_assets.identify.walk.walk import Walk, is_first_party_code


def add_function(walk: Walk, name: str, function: types.FunctionType, place: str | None) -> object:
    """Add a function and what it reaches; of a library's, what of the user's code it holds."""
    code = function.__code__
    full = walk.seen[id(function)][1]
    if not is_first_party_code(code):
        walk.add_distribution(function.__module__, full)
        add_held_by_a_library(walk, full, function, place)
        judge_held(walk, function, place)
        return ("function", full)
    walk.result.names.add((str(function.__module__), function.__qualname__.partition(".")[0]))
    where = walk.place(code.co_filename, code.co_firstlineno)
    defaults = [walk.add(f"{full} default", item, where) for item in (function.__defaults__ or ())]
    keywords = {key: walk.add(f"{full} {key}", item, where) for key, item in (function.__kwdefaults__ or {}).items()}
    shape = walk.encoded(full, ("defaults", defaults, keywords), where)
    digest = Digest.of_struct("function", [code_digest(code), shape])
    walk.result.items[full] = Item(digest, "helper", place=where)
    walk.note_module(function.__module__)
    bindings: list[object] = []
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        bindings.append((variable, _add_cell(walk, f"{full}.{variable}", cell, where)))
    for attribute, value in vars(function).items():
        # What other tools hang on a function is theirs, unless the code asks for it.
        if attribute == "__wrapped__" or not attribute.startswith("__"):
            bindings.append((attribute, _add_attribute(walk, f"{full}.{attribute}", value, where)))
    bindings += _add_references(walk, function)
    # Bytecode holds the names that a function uses; to which function each name led counts as well.
    bound = walk.encoded(full, bindings, where)
    walk.result.items[full] = replace(walk.result.items[full], digest=Digest.of_struct("bound", [digest, bound]))
    return ("function", full)


def _add_attribute(walk: Walk, name: str, value: Any, where: str) -> object:
    if callable(value):
        return walk.add(name, value, where)
    # A decorator's arguments may stand here, and nowhere else.
    add_value(walk, name, value, where)
    return None


def _add_cell(walk: Walk, name: str, cell: types.CellType, where: str) -> str | None:
    try:
        contents = cell.cell_contents
    except ValueError:  # not filled yet: a function that refers to itself
        return None
    add_value(walk, name, contents, where)
    return name_reached(walk, contents)


def _add_references(walk: Walk, function: types.FunctionType) -> list[object]:
    found = usage(function.__code__)
    file = function.__code__.co_filename
    bindings: list[object] = []
    followed: list[tuple[tuple[str, ...], Reference]] = []
    for reference in found.references:
        place = walk.place(file, reference.line)
        qualified, bound = _add_reference(walk, reference, function.__globals__, place)
        followed.append((qualified, reference))
        if bound is not None:
            bindings.append((reference.name, reference.attributes, bound))
    seeded = seeded_modules(followed)
    walk.result.seeded |= seeded
    is_hash = function.__code__.co_name == "__hash__"  # what it answers is for dicts and sets, not for data
    for qualified, reference in followed:
        place = walk.place(file, reference.line)
        names = () if is_hash and qualified[:1] in (("builtins.hash",), ("builtins.id",)) else qualified
        verdict = next(filter(None, (volatility(name, reference, seeded) for name in names)), None)
        takes_by_name = found.takes_attributes or found.computes_names is not None
        if verdict is None and takes_by_name and reference.whole and qualified:
            verdict = computed_volatility(qualified[0])
        if verdict:
            walk.obstruct(*verdict, place)
        for name in qualified:
            add_fact(walk, name, place)
    free = free_volatility(found)
    if free:
        kind, text, place = free[0], free[1], walk.place(file, free[2])
        if not any(known.kind == kind and known.place == place for known in walk.result.obstacles):
            walk.obstruct(kind, text, place)
    for name in sorted(found.named_in_texts & function.__globals__.keys()):
        line = function.__code__.co_firstlineno
        _add_reference(walk, Reference(name, (), line), function.__globals__, walk.place(file, line))
    walk.tells |= found.tells
    walk.whole_modules |= found.computes_names is not None
    walk.result.computes_imports |= found.computes_imports is not None
    return bindings


def _add_reference(
    walk: Walk, reference: Reference, namespace: Mapping[str, Any], place: str
) -> tuple[tuple[str, ...], str | None]:
    """Follow a reference as far as it goes.

    Returns:
        Its fully qualified names, as it is used and as it was defined; the name of what it is bound to,
        values excepted.
    """
    if reference.imported:
        target = _imported(walk, reference, namespace, place)
        if target is None:
            return (".".join((reference.name, *reference.attributes)),), None
        base = reference.name
    elif reference.name in namespace:
        target, base = namespace[reference.name], reference.name
    else:
        is_builtin = hasattr(builtins, reference.name)  # else it will raise NameError
        return (f"builtins.{reference.name}",) if is_builtin else (), None
    attributes = list(reference.attributes)
    owner: types.ModuleType | None = None
    while isinstance(target, types.ModuleType) and attributes:
        owner = target
        attribute = attributes.pop(0)
        if reference.imported and not hasattr(target, attribute):
            _import_submodule(target, attribute)
        if not hasattr(target, attribute):
            if not is_first_party_module(target):
                attributes.insert(0, attribute)
                break
            return (), None
        target, base = getattr(target, attribute), attribute
    if isinstance(target, types.ModuleType):
        if reference.whole or not is_first_party_module(target):
            walk.add(target.__name__, target, place)
        name = ".".join((target.__name__, *attributes))
        return (name,), name
    add_named(walk, base, target, owner, namespace, place)
    if owner is not None and not is_first_party_module(owner):
        used = f"{owner.__name__}.{base}"
        return (".".join((used, *attributes)), *public_names(target, attributes)), used
    return public_names(target, attributes), name_reached(walk, target)


def _import_submodule(package: types.ModuleType, name: str) -> None:
    """``from package import name`` inside a function may name a module that nothing imported yet."""
    if hasattr(package, "__path__") and is_first_party_module(package):
        with contextlib.suppress(ModuleNotFoundError):  # an attribute that is set later, or never
            importlib.import_module(f"{package.__name__}.{name}")


def _imported(walk: Walk, reference: Reference, namespace: Mapping[str, Any], place: str) -> types.ModuleType | None:
    name = "." * reference.level + reference.name
    package = str(namespace.get("__package__") or "")
    try:
        full = importlib.util.resolve_name(name, package) if reference.level else reference.name
        if full in sys.modules:
            return sys.modules[full]
        top = full.partition(".")[0]
        spec = importlib.util.find_spec(top)
        if spec is None or (spec.origin is None and not spec.submodule_search_locations):
            return None
        origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
        if not distribution.is_first_party(origin):
            walk.add_distribution(full, full)
            return None
        return importlib.import_module(full)
    except Exception as error:  # the user's module, whatever it raises
        walk.obstruct("value", f"importing {name} fails with {type(error).__name__}: {error}", place)
        return None
