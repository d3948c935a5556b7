"""Values: containers, instances of the user's classes, and the kinds of libraries that can be told."""

from __future__ import annotations

import builtins
import collections.abc
import contextlib
import dataclasses
import enum
import os
import re
import struct
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify.attribute import real_attribute, text_attribute
from odibi_assets.identify.digest import encode
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.library_value import library_value
from odibi_assets.identify.walk.library_code import add_foreign
from odibi_assets.identify.walk.walk import Walk, is_first_party_code

COLLECTIONS = frozenset({list, tuple, set, frozenset})


def add_enum(walk: Walk, name: str, value: enum.Enum, place: str | None) -> object:
    """Add a member of an enumeration, with its class."""
    held = walk.add(f"{name}.value", value.value, place)
    return ("enum", walk.add(name, type(value), place), value.name, held)


def add_mapping(walk: Walk, name: str, value: Mapping[Any, Any], place: str | None) -> object:
    """Add what a mapping holds, in its order."""
    walk.result.mutable.add(id(value))
    return (
        "mapping",
        [
            (walk.add(f"a key of {name}", key, place), walk.add(f"{name}[{key!r}]", item, place))
            for key, item in list(value.items())  # some fill themselves as their parts are looked at
            if item is not vars(builtins)  # in the namespace of what ``exec`` ran
        ],
    )


def add_extended(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """A mapping or collection of a class of its own: its methods and further state count beside what it holds."""
    walk.result.mutable.add(id(value))
    held = add_mapping if isinstance(value, dict) else add_collection
    state = {**(real_attribute(value, "__dict__") or {}), **_slot_values(value)}
    if isinstance(value, collections.defaultdict):
        state["default_factory"] = value.default_factory
    return (
        "extended",
        walk.add(name, type(value), place),
        held(walk, name, value, place),
        walk.add(f"{name}.__dict__", state, place),
    )


def add_collection(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """Add what a list, tuple or set holds."""
    if isinstance(value, (list, set)):
        walk.result.mutable.add(id(value))
    items = [walk.add(f"{name}[{i}]", item, place) for i, item in enumerate(list(value))]
    if isinstance(value, (set, frozenset)):
        items = sorted(items, key=lambda item: walk.encoded(name, item, place or "").hex)
    kind = next(base for base in type(value).__mro__ if base in COLLECTIONS)
    return (kind.__name__, items)


def add_instance(walk: Walk, name: str, value: Any, place: str | None) -> object:
    """Add an instance, by whichever of its class, its library or its own state tells what it is."""
    walk.result.mutable.add(id(value))
    cls = type(value)
    module = sys.modules.get(cls.__module__)
    if module is not None and is_first_party_module(module):
        state = {**(real_attribute(value, "__dict__") or {}), **_slot_values(value), **_inherited_value(value)}
        return ("instance", walk.add(name, cls, place), walk.add(f"{name}.__dict__", state, place))
    wrapped = real_attribute(value, "__wrapped__")
    if wrapped is None:
        wrapped = real_attribute(value, "py_func")  # as numba has it
    if value is os.environ or value is os.environb:
        return ("by name", "os.environ")  # what is taken of it is observed
    if callable(real_attribute(value, "cache_clear")) and _is_memo(wrapped):
        walk.result.memos.append(value)
    if _is_library_callable(value):
        return add_foreign(walk, name, value, place)
    if wrapped is not None and callable(value):
        walk.add(f"{name} wrapper", cls, place)
        return ("wraps", walk.add(name, wrapped, place))
    if cls is object or cls in _SENTINELS or value is NotImplemented:
        return ("sentinel", cls.__qualname__)
    offered = _offered_as(value)
    if offered is not None:
        walk.add_distribution(offered.partition(".")[0], name)
        return ("library's", offered)
    if isinstance(value, struct.Struct):
        return ("struct", value.format)
    if isinstance(value, re.Pattern):
        return ("pattern", value.pattern, int(value.flags))
    library = cls.__module__.partition(".")[0]
    if library in ("numpy", "pandas", "pyarrow", "polars"):
        encoded = library_value(value)
        if encoded is not None:
            walk.add_distribution(library, name)
            return encoded
    try:
        encode(value)
        return value
    except NotFingerprintable:
        pass
    if isinstance(value, (types.GenericAlias,)) or library == "typing":
        return ("annotation", str(value))
    if library in sys.stdlib_module_names:
        reduced = _reduced(value)
        if reduced is not None:
            return ("reduced", walk.add(f"{name} made", reduced, place))
    walk.obstruct("value", f"{name} is a {cls.__module__}.{cls.__qualname__}, whose state can't be told", place)
    return ("opaque", cls.__qualname__)


def _is_memo(wrapped: Any) -> bool:
    code = real_attribute(wrapped, "__code__")
    return isinstance(code, types.CodeType) and is_first_party_code(code)


def _is_library_callable(value: Any) -> bool:
    """Is it a compiled function that its own library offers under its name, ``numpy.random.default_rng``?"""
    module, name = text_attribute(value, "__module__"), text_attribute(value, "__name__")
    owner = sys.modules.get(module) if module is not None else None
    return (
        callable(value)
        and owner is not None
        and name is not None
        and getattr(owner, name, None) is value
        and not (is_first_party_module(owner) and (owner.__file__ or "").endswith(".py"))
    )


def _offered_as(value: Any) -> str | None:
    """Under which name a library offers that very object, ``polars.col``; None if it does not, or if it has a state."""
    library = type(value).__module__.partition(".")[0]
    module = sys.modules.get(library)
    if module is None or library in sys.stdlib_module_names or is_first_party_module(module):
        return None
    if isinstance(value, (collections.abc.Mapping, collections.abc.Sequence, collections.abc.Set)):
        return None
    if real_attribute(value, "__dict__") or _slot_values(value):
        return None
    return next((f"{library}.{name}" for name, one in list(vars(module).items()) if one is value), None)


_SENTINELS = frozenset(type(getattr(dataclasses, name)) for name in ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY"))


def _slot_values(value: Any) -> dict[str, Any]:
    found = {}
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__"):
                with contextlib.suppress(Exception):  # not filled yet, and whatever the class does about that
                    found[slot] = getattr(value, slot)
    return found


def _inherited_value(value: Any) -> dict[str, Any]:
    """What an instance is as its builtin base, which is none of its attributes."""
    for base, taken in ((int, "__int__"), (float, "__float__"), (str, "__str__"), (bytes, "__bytes__")):
        if isinstance(value, base):
            return {"(value)": getattr(base, taken)(value)}
    return {"(args)": value.args} if isinstance(value, BaseException) else {}


def _reduced(value: Any) -> tuple[Any, ...] | None:
    """How a value of the standard library is made, as it tells pickle; None for what is no value: files, sockets."""
    try:
        made = value.__reduce_ex__(4)
    except Exception:
        return None
    if not isinstance(made, tuple):
        return None
    function, arguments, *further = made
    return (function, arguments, *(list(part) if isinstance(part, Iterator) else part for part in further))
