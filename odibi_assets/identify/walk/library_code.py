"""Code of libraries, by itself and around the user's code."""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
import types
from typing import Any

from odibi_assets.identify.attribute import real_attribute, text_attribute
from odibi_assets.identify.code_object import Reference
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.item import Item
from odibi_assets.identify.machine_fact import fact_behind
from odibi_assets.identify.observation import note_machine_fact
from odibi_assets.identify.volatile import PUBLIC_MODULES, volatility
from odibi_assets.identify.walk.walk import SCALARS, Walk, annotations_of, is_first_party_code


def add_foreign(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """Add a compiled function or descriptor: its name, its library's version, and the object it is bound to."""
    module = text_attribute(value, "__module__") or type(real_attribute(value, "__self__")).__module__
    walk.add_distribution(module, name)
    walk.note_module(module)
    judge_held(walk, value, place)
    told = ("builtin", text_attribute(value, "__module__"), text_attribute(value, "__qualname__") or repr(value))
    return ("bound", told, walk.add(f"{name}.__self__", value.__self__, place)) if is_bound(value) else told


def add_wrapper(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """Add what Python's own wrappers hold: a method, a partial, a property."""
    parts: list[object] = [type(value).__qualname__]
    for attribute in ("__func__", "func", "dispatcher", "__self__", "fget", "fset", "fdel", "args", "keywords"):
        part = getattr(value, attribute, None)
        if part is not None and not (attribute == "__self__" and isinstance(value, (staticmethod, classmethod))):
            parts.append((attribute, walk.add(f"{name}.{attribute}", part, place)))
    return tuple(parts)


def add_held_by_a_library(walk: Walk, full: str, function: types.FunctionType, place: str | None) -> None:
    """A library's function that holds one of the user's in its closure: a decorator's wrapper.

    The user's part counts, and what else the closure holds as far as it can be told.
    """
    cells: list[tuple[str, Any]] = list(vars(function).items())
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not filled yet
            cells.append((variable, cell.cell_contents))
    if not any(_holds_first_party(value, 4) for _, value in cells):
        return
    told: list[object] = []
    for variable, value in cells:
        if _holds_first_party(value, 4):
            told.append((variable, _add_held(walk, f"{full}.{variable}", value, place)))
        elif type(value) in SCALARS:
            told.append((variable, value))
    walk.result.items[full] = Item(Digest.of_struct("wrapper", walk.encoded(full, told)), "helper", place=place)


def _add_held(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """The user's code inside a library's object, whose own state is the library's."""
    if isinstance(value, types.FunctionType):
        return (walk.add(name, value, place), annotations_of(value))
    if isinstance(value, (type, functools.partial, types.MethodType)):
        return walk.add(name, value, place)
    return [
        (str(key), _add_held(walk, f"{name}.{key}", part, place))
        for key, part in _parts(value)
        if _holds_first_party(part, 4)
    ]


def _holds_first_party(value: Any, depth: int) -> bool:
    if isinstance(value, types.FunctionType):
        if is_first_party_code(value.__code__):
            return True
        held = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
        held.append(vars(value).get("__wrapped__"))
        return depth > 0 and any(_holds_first_party(part, depth - 1) for part in held)
    if isinstance(value, type):
        module = sys.modules.get(value.__module__)
        return module is not None and is_first_party_module(module)
    if isinstance(value, functools.partial):
        return _holds_first_party(value.func, depth)
    if isinstance(value, types.MethodType):
        return _holds_first_party(value.__func__, depth)
    return depth > 0 and any(_holds_first_party(part, depth - 1) for _, part in _parts(value))


def is_bound(value: Any) -> bool:
    """Is it a builtin method of an object, ``RATES.get``, that no library offers as a function of its own?"""
    owner = real_attribute(value, "__self__")
    if owner is None or isinstance(owner, (type, types.ModuleType)):
        return False
    module = sys.modules.get(type(owner).__module__)
    offered = (
        module is not None
        and module is not builtins
        and not is_first_party_module(module)
        and getattr(module, value.__name__, None) is value  # ``random.random``
    )
    return not offered


def judge_held(walk: Walk, value: Any, place: str | None) -> None:
    """Judge a library's function that some value holds: a default, a class, a partial, a table of functions."""
    if id(value) in walk.named:
        return  # it is judged by how it is called
    for name in public_names(value, []):
        verdict = volatility(name, Reference(name, (), 0))
        if verdict:
            walk.obstruct(*verdict, place)
        add_fact(walk, name, place or "")


def add_fact(walk: Walk, name: str, place: str) -> None:
    """A fact of the machine that the code asks for counts by what it is now."""
    fact = fact_behind(name)
    if fact is None or f"machine {fact}" in walk.result.items:
        return
    state = note_machine_fact(fact)
    walk.result.items[f"machine {fact}"] = Item(Digest.of_struct("machine", state), "machine", place=place)


def public_names(target: Any, attributes: list[str]) -> tuple[str, ...]:
    """Under which public name, if any, a library's function is known, with what is taken of it."""
    name = text_attribute(target, "__qualname__", "__name__")
    module = text_attribute(target, "__module__") or type(real_attribute(target, "__self__")).__module__
    if name is None:
        return ()
    module = PUBLIC_MODULES.get(module, module)
    own = name.rpartition(".")[2] if isinstance(target, types.BuiltinFunctionType) else name
    return (".".join((module, own, *attributes)),)


def _parts(value: Any) -> list[tuple[object, Any]]:
    """What a container or an instance holds, under a name each."""
    if isinstance(value, (dict, types.MappingProxyType)):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    held = real_attribute(value, "__dict__")
    is_library = isinstance(value, (type, types.ModuleType))
    return list(held.items()) if isinstance(held, dict) and not is_library else []
