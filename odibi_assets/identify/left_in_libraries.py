"""What the import of the user's modules left in libraries: functions on their classes and modules, and options.

A statement that does so is an effect (``effects.py``). A decorator, or a function whose call makes a
value, does it without any statement that shows it; what it left is the same, and counts for all Python steps.
"""

from __future__ import annotations

import decimal
import functools
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odibi_assets.identify.attribute import text_attribute
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.fingerprint import fingerprint, value_digest
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.shown_value import safe_repr


@dataclass(frozen=True)
class Left:
    """What counts for all Python steps of a pipeline.

    Attributes:
        items: Code of the modules that libraries hold, with all that it reaches; options that are not what libraries
            begin with.
        obstacles: What that code does that makes results non-reusable.
    """

    items: Mapping[str, Item]
    obstacles: tuple[Obstacle, ...]


def left_in_libraries(modules: Mapping[str, types.ModuleType], root: Path) -> Left:
    """
    Args:
        modules: The first-party modules that are loaded for a pipeline.
    """
    items: dict[str, Item] = {}
    obstacles: list[Obstacle] = []
    functions = list(_held(modules))
    for name, value in _options():
        if callable(value):
            functions.append((name, value))
        else:
            items[name] = Item(value_digest(name, value, root), "setting", shown=safe_repr(value))
    for name, function in functions:
        found = fingerprint(function, root)
        items |= _under(name, found.items)
        obstacles += found.obstacles
    return Left(items, tuple(dict.fromkeys(obstacles)))


def _under(name: str, found: Mapping[str, Item]) -> dict[str, Item]:
    """What a function reaches, under names that nothing else in a key has: two lambdas may have one name."""
    items = {
        own if item.kind == "distribution" else f"{own} in {name}": replace(item, kind="helper")
        if item.kind == "function"
        else item
        for own, item in found.items()
    }
    # Under which name a library holds it counts by itself.
    return {**items, name: Item(Digest.of_struct("held", sorted(found)), "helper")}


def _held(modules: Mapping[str, types.ModuleType]) -> Iterator[tuple[str, Any]]:
    """Functions and classes of the modules that a library's class or module has as an attribute, by its name there."""
    for name, owner in sorted(_owners(modules.values()).items()):
        for attribute, value in sorted(vars(owner).items()):
            for number, part in enumerate(_parts(value)):
                if text_attribute(part, "__module__") in modules:
                    yield f"{name}.{attribute}" + (f" #{number + 1}" if number else ""), part


def _owners(modules: Iterable[types.ModuleType]) -> dict[str, types.ModuleType | type]:
    """Libraries' modules and classes that the modules' own names lead to, and the classes that those offer."""
    found: dict[str, types.ModuleType | type] = {}
    for module in modules:
        for value in list(vars(module).values()):
            if isinstance(value, types.ModuleType) and not is_first_party_module(value):
                found[value.__name__] = value
                classes = [each for each in list(vars(value).values()) if isinstance(each, type)]
            else:
                classes = [value] if isinstance(value, type) else []
            for cls in classes:
                home = sys.modules.get(cls.__module__)
                if home is not None and not is_first_party_module(home):
                    found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return found


def _parts(value: Any) -> tuple[Any, ...]:
    """What an attribute is, or holds one step further in: the function of a property, the class of an accessor."""
    if isinstance(value, types.ModuleType):
        return ()
    if isinstance(value, (types.FunctionType, type)):
        return (value,)
    if isinstance(value, (staticmethod, classmethod)):
        return (value.__func__,)
    if isinstance(value, property):
        return tuple(part for part in (value.fget, value.fset, value.fdel) if part is not None)
    if isinstance(value, (functools.partial, functools.partialmethod, functools.cached_property)):
        return (value.func,)
    try:
        state = object.__getattribute__(value, "__dict__")  # a library's own way to it may do anything
    except AttributeError:
        return ()
    return tuple(part for part in state.values() if isinstance(part, (types.FunctionType, type)))


_NUMPY_BEGINS_WITH = {
    "numpy errors": {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    "numpy print options": {
        "edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False, "linewidth": 75,
        "nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False, "override_repr": None,
    },
}  # fmt: skip


def _options() -> Iterator[tuple[str, Any]]:
    """Options of pandas, NumPy and ``decimal`` that are not as they begin."""
    config = sys.modules.get("pandas._config.config")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading a deprecated option is no use of it
        for name, registered in getattr(config, "_registered_options", {}).items():
            value = config.get_option(name)  # type: ignore[union-attr]
            if value != registered.defval:
                yield f"pandas option {name}", value
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        for name, value in (("numpy errors", numpy.geterr()), ("numpy print options", numpy.get_printoptions())):
            if value != _NUMPY_BEGINS_WITH[name]:
                yield name, value
    context = decimal.getcontext()
    found = (context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp)
    if found != (28, decimal.ROUND_HALF_EVEN, -999999, 999999, 1, 0):
        yield "decimal context", found
