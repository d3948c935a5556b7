"""A fingerprint is the identity of a function's code, and of all first-party code that it reaches.

The walk goes over live objects, starting at the function: the globals its bytecode names, their
globals in turn, classes whole, closures, defaults, containers, imports inside functions
(truth.md 1.1). Following objects instead of text gets decorators, re-exports and star imports
right without a rule for each.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import dataclasses
import enum
import functools
import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify import distribution
from odibi_assets.identify.code_object import Reference, code_digest, usage
from odibi_assets.identify.digest import Digest, encode
from odibi_assets.identify.effects import (
    ClassSource,
    binding_line,
    class_source,
    effects_of,
    imported_modules,
    module_digest,
    source_digest,
    sources_below,
)
from odibi_assets.identify.import_purity import Judgement
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.library_value import library_value
from odibi_assets.identify.machine_fact import fact_behind
from odibi_assets.identify.observed_inputs import note_machine_fact
from odibi_assets.identify.shown_value import safe_repr
from odibi_assets.identify.source_loader import source_of
from odibi_assets.identify.volatile import (
    PUBLIC_MODULES,
    computed_volatility,
    free_volatility,
    seeded_modules,
    volatility,
)


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
    walk = _Walk(root)
    walk.add_start(function)
    for module in extra_modules:
        walk.result.modules.setdefault(module.__name__, module)
    walk.add_effects()
    walk.add_told()
    return walk.result


def judgement(function: Any, root: Path) -> Judgement:
    """Does a first-party function or class answer the same at the next import, as far as its code tells?"""
    walk = _Walk(root)
    walk.add("a function called by an import", function)
    found = walk.result.obstacles
    if walk.whole_modules:
        return Judgement("it computes names", frozenset(walk.result.names))
    return Judgement(found[0].text if found else None, frozenset(walk.result.names))


def is_first_party_module(module: types.ModuleType) -> bool:
    """Is a module the user's own code?"""
    file = getattr(module, "__file__", None)
    if file is None:
        folders = list(getattr(module, "__path__", ()))
        return bool(folders) and all(
            distribution.is_first_party(os.path.join(folder, "__init__.py")) for folder in folders
        )
    return distribution.is_first_party(file)


def value_digest(name: str, value: Any, root: Path) -> Digest:
    """Identity of a value by itself; one that has none counts by its type."""
    walk = _Walk(root)
    return walk.encoded(name, walk.add(name, value))


_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, range, type(...)})
_COLLECTIONS = frozenset({list, tuple, set, frozenset})
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


class _Walk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.result = Fingerprint()
        self.seen: dict[int, tuple[Any, str]] = {}
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.named: set[int] = set()
        self.whole_modules = False
        self.tells: set[str] = set()

    # What each kind of object adds, and how it is named inside a value that holds it.

    def add(self, name: str, value: Any, place: str | None = None) -> object:
        """Add what a value brings with it; returns an encodable stand-in for the value."""
        if type(value) is str and (value == str(self.root) or value.startswith(f"{self.root}{os.sep}")):
            return ("path text", value[len(str(self.root)) :])
        if type(value) in _SCALARS:
            return value
        if isinstance(value, PurePath):
            return ("path", self._relative(str(value)))
        if id(value) in self.seen:
            return ("again", self.seen[id(value)][1])
        self.seen[id(value)] = (value, self._unique(self._name_of(value, name)))
        adder = self._adder(value)
        if adder in (self._add_mapping, self._add_extended, self._add_instance) or isinstance(value, (list, set)):
            self.result.mutable.add(id(value))
        return adder(name, value, place)

    def _unique(self, name: str) -> str:
        """A name of its own for each object: lambdas, and functions made by one factory, share theirs."""
        number, unique = 1, name
        while unique in self.names:
            number += 1
            unique = f"{name} #{number}"
        self.names.add(unique)
        return unique

    def _adder(self, value: Any) -> Callable[[str, Any, str | None], object]:
        if isinstance(value, types.ModuleType):
            return self._add_module
        if isinstance(value, types.FunctionType):
            return self._add_function
        if isinstance(value, type):
            return self._add_class
        if isinstance(
            value,
            (
                types.MethodType,
                functools.partial,
                functools.partialmethod,
                functools.singledispatchmethod,
                staticmethod,
                classmethod,
                property,
                functools.cached_property,
            ),
        ):
            return self._add_wrapper
        if isinstance(
            value,
            (
                types.BuiltinFunctionType,
                types.MethodDescriptorType,
                types.WrapperDescriptorType,
                types.GetSetDescriptorType,
                types.MemberDescriptorType,
                types.ClassMethodDescriptorType,
                types.MethodWrapperType,
            ),
        ):
            return self._add_foreign
        if isinstance(value, (logging.Logger, logging.LoggerAdapter, *_LOCKS)):
            return lambda name, value, place: ("by name", type(value).__qualname__)
        if isinstance(value, enum.Enum):
            return self._add_enum
        if isinstance(value, (dict, types.MappingProxyType)):
            return self._add_mapping if type(value) in (dict, types.MappingProxyType) else self._add_extended
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._add_collection if type(value) in _COLLECTIONS else self._add_extended
        return self._add_instance

    def add_start(self, function: Callable[..., Any]) -> None:
        """Add the step's own function, which is shown as such, all else as its helpers.

        A step may name any callable: the arguments of a partial, and the state of an instance, count too.
        """
        stand_in = self.add("the step's function", function)
        if not (isinstance(stand_in, tuple) and stand_in[0] in ("function", "class")):
            digest = Digest.of_struct("value", self.encoded("the step's function", stand_in))
            self.result.items["the step's function"] = Item(digest, "value", shown=safe_repr(function))
        name = self._name_of(inspect.unwrap(function), "")
        if name in self.result.items:
            self.result.items[name] = replace(self.result.items[name], kind="function")

    def _add_function(self, name: str, function: types.FunctionType, place: str | None) -> object:
        code = function.__code__
        full = self.seen[id(function)][1]
        if not self._first_party_code(code):
            self._add_distribution(function.__module__, full)
            self._add_wrapped(full, function, place)
            self._judge_held(function, place)
            return ("function", full)
        self.result.names.add((str(function.__module__), function.__qualname__.partition(".")[0]))
        where = self._place(code.co_filename, code.co_firstlineno)
        defaults = [self.add(f"{full} default", item, where) for item in (function.__defaults__ or ())]
        keywords = {
            key: self.add(f"{full} {key}", item, where) for key, item in (function.__kwdefaults__ or {}).items()
        }
        shape = self.encoded(full, ("defaults", defaults, keywords), where)
        digest = Digest.of_struct("function", [code_digest(code), shape])
        self.result.items[full] = Item(digest, "helper", place=where)
        self._note_module(function.__module__, code.co_filename)
        bindings: list[object] = []
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            bindings.append((variable, self._add_cell(f"{full}.{variable}", cell, where)))
        for attribute, value in vars(function).items():
            # What other tools hang on a function is theirs, unless the code asks for it.
            if attribute == "__wrapped__" or not attribute.startswith("__"):
                bindings.append((attribute, self._add_attribute(f"{full}.{attribute}", value, where)))
        bindings += self._add_references(function)
        # Bytecode holds the names that a function uses; to which function each name led counts as well.
        bound = self.encoded(full, bindings, where)
        self.result.items[full] = replace(self.result.items[full], digest=Digest.of_struct("bound", [digest, bound]))
        return ("function", full)

    def _add_attribute(self, name: str, value: Any, where: str) -> object:
        if callable(value):
            return self.add(name, value, where)
        # A decorator's arguments may stand here, and nowhere else.
        self._add_value(name, value, where)
        return None

    def _add_wrapped(self, full: str, function: types.FunctionType, place: str | None) -> None:
        """A library's function that holds one of the user's in its closure: a decorator's wrapper.

        The user's part counts, and what else the closure holds as far as it can be told.
        """
        cells: list[tuple[str, Any]] = list(vars(function).items())
        for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # not filled yet
                cells.append((variable, cell.cell_contents))
        if not any(self._holds_first_party(value, 4) for _, value in cells):
            return
        told: list[object] = []
        for variable, value in cells:
            if self._holds_first_party(value, 4):
                told.append((variable, self._add_held(f"{full}.{variable}", value, place)))
            elif type(value) in _SCALARS:
                told.append((variable, value))
        self.result.items[full] = Item(Digest.of_struct("wrapper", self.encoded(full, told)), "helper", place=place)

    def _add_held(self, name: str, value: Any, place: str | None) -> object:
        """The user's code inside a library's object, whose own state is the library's."""
        if isinstance(value, types.FunctionType):
            return (self.add(name, value, place), _annotations(value))
        if isinstance(value, (type, functools.partial, types.MethodType)):
            return self.add(name, value, place)
        return [
            (str(key), self._add_held(f"{name}.{key}", part, place))
            for key, part in _parts(value)
            if self._holds_first_party(part, 4)
        ]

    def _holds_first_party(self, value: Any, depth: int) -> bool:
        if isinstance(value, types.FunctionType):
            if self._first_party_code(value.__code__):
                return True
            held = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
            held.append(vars(value).get("__wrapped__"))
            return depth > 0 and any(self._holds_first_party(part, depth - 1) for part in held)
        if isinstance(value, type):
            module = sys.modules.get(value.__module__)
            return module is not None and is_first_party_module(module)
        if isinstance(value, functools.partial):
            return self._holds_first_party(value.func, depth)
        if isinstance(value, types.MethodType):
            return self._holds_first_party(value.__func__, depth)
        return depth > 0 and any(self._holds_first_party(part, depth - 1) for _, part in _parts(value))

    def _add_cell(self, name: str, cell: types.CellType, where: str) -> str | None:
        try:
            contents = cell.cell_contents
        except ValueError:  # not filled yet: a function that refers to itself
            return None
        self._add_value(name, contents, where)
        return self._named(contents)

    def _named(self, value: Any) -> str | None:
        """The name of a function, class or module that was reached; None for a value, which is an item of its own."""
        if isinstance(value, types.ModuleType):
            return value.__name__
        known = isinstance(value, (types.FunctionType, type, types.BuiltinFunctionType)) and id(value) in self.seen
        return self.seen[id(value)][1] if known else None

    def _add_references(self, function: types.FunctionType) -> list[object]:
        found = usage(function.__code__)
        file = function.__code__.co_filename
        bindings: list[object] = []
        followed: list[tuple[tuple[str, ...], Reference]] = []
        for reference in found.references:
            place = self._place(file, reference.line)
            qualified, bound = self._add_reference(reference, function.__globals__, place)
            followed.append((qualified, reference))
            if bound is not None:
                bindings.append((reference.name, reference.attributes, bound))
        seeded = seeded_modules(followed)
        self.result.seeded |= seeded
        is_hash = function.__code__.co_name == "__hash__"  # what it answers is for dicts and sets, not for data
        for qualified, reference in followed:
            place = self._place(file, reference.line)
            names = () if is_hash and qualified[:1] in (("builtins.hash",), ("builtins.id",)) else qualified
            verdict = next(filter(None, (volatility(name, reference, seeded) for name in names)), None)
            takes_by_name = found.takes_attributes or found.computes_names is not None
            if verdict is None and takes_by_name and reference.whole and qualified:
                verdict = computed_volatility(qualified[0])
            if verdict:
                self._obstruct(*verdict, place)
            for name in qualified:
                self._add_fact(name, place)
        free = free_volatility(found)
        if free:
            kind, text, place = free[0], free[1], self._place(file, free[2])
            if not any(known.kind == kind and known.place == place for known in self.result.obstacles):
                self._obstruct(kind, text, place)
        for name in sorted(found.named_in_texts & function.__globals__.keys()):
            line = function.__code__.co_firstlineno
            self._add_reference(Reference(name, (), line), function.__globals__, self._place(file, line))
        self.tells |= found.tells
        self.whole_modules |= found.computes_names is not None
        self.result.computes_imports |= found.computes_imports is not None
        return bindings

    def _add_reference(
        self, reference: Reference, namespace: Mapping[str, Any], place: str
    ) -> tuple[tuple[str, ...], str | None]:
        """Follow a reference as far as it goes.

        Returns:
            Its fully qualified names, as it is used and as it was defined; the name of what it is bound to,
            values excepted.
        """
        if reference.imported:
            target = self._imported(reference, namespace, place)
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
                self._import_submodule(target, attribute)
            if not hasattr(target, attribute):
                if not is_first_party_module(target):
                    attributes.insert(0, attribute)
                    break
                return (), None
            target, base = getattr(target, attribute), attribute
        if isinstance(target, types.ModuleType):
            if reference.whole or not is_first_party_module(target):
                self.add(target.__name__, target, place)
            name = ".".join((target.__name__, *attributes))
            return (name,), name
        self._add_named(base, target, owner, namespace, place)
        if owner is not None and not is_first_party_module(owner):
            used = f"{owner.__name__}.{base}"
            return (".".join((used, *attributes)), *self._qualified(target, attributes)), used
        return self._qualified(target, attributes), self._named(target)

    def _import_submodule(self, package: types.ModuleType, name: str) -> None:
        """``from package import name`` inside a function may name a module that nothing imported yet."""
        if hasattr(package, "__path__") and is_first_party_module(package):
            with contextlib.suppress(ModuleNotFoundError):  # an attribute that is set later, or never
                importlib.import_module(f"{package.__name__}.{name}")

    def _add_named(
        self, base: str, target: Any, owner: types.ModuleType | None, namespace: Mapping[str, Any], place: str
    ) -> None:
        module = owner.__name__ if owner is not None else str(namespace.get("__name__", ""))
        self.result.names.add((module, base))
        if isinstance(target, (types.FunctionType, type)) or (
            isinstance(target, types.BuiltinFunctionType) and not self._is_bound(target)
        ):
            self.named.add(id(target))
            self.add(base, target, place)
            return
        if owner is not None and not is_first_party_module(owner):
            self._add_distribution(owner.__name__, base)
            return
        source = owner if owner is not None else sys.modules.get(module)
        self.result.values[f"{_label(module)}.{base}"] = (module, base)
        self._add_value(f"{_label(module)}.{base}", target, self._assignment(source, base) or place)

    def _add_value(self, name: str, value: Any, place: str) -> None:
        if name in self.values:
            return
        self.values.add(name)
        before = len(self.result.obstacles)
        stand_in = self.add(name, value, place)
        if len(self.result.obstacles) > before or (
            isinstance(stand_in, tuple) and stand_in[:1] in (("function",), ("class",), ("module",))
        ):
            return
        if isinstance(value, (logging.Logger, logging.LoggerAdapter, *_LOCKS)):
            return
        digest = Digest.of_struct("value", self.encoded(name, stand_in, place))
        # A decorated function is a value under the name of the function inside it.
        free = name if name not in self.result.items else f"{name} (value)"
        self.result.items[free] = Item(digest, "value", shown=safe_repr(value), place=place)

    def _add_class(self, name: str, cls: type, place: str | None) -> object:
        full = self.seen[id(cls)][1]
        module = sys.modules.get(cls.__module__)
        if cls.__module__ == "types" and getattr(types, cls.__qualname__, None) is not cls:
            module = None  # made by ``make_dataclass`` or ``new_class``, for whoever called it
        elif module is None or not is_first_party_module(module):
            self._add_distribution(cls.__module__, full)
            return ("class", full)
        self.result.names.add((cls.__module__, cls.__qualname__.partition(".")[0]))
        where = (self._class_place(cls, module) if module is not None else None) or place
        if module is not None:
            self.result.values[full] = (cls.__module__, cls.__qualname__)
        self._note_module(cls.__module__, getattr(module, "__file__", "") or "")
        bases = [self.add(f"{full} base", base, where) for base in cls.__bases__]
        meta = self.add(f"{full} metaclass", type(cls), where)
        written = class_source(module, cls.__qualname__) if module is not None else None
        by_library = module is not None and written is not None and self._is_made_by_library(cls, module, written)
        members = []
        for key, value in sorted(vars(cls).items()):
            # What a library's metaclass or decorator adds follows from the class as it is written, and its version.
            if key not in CLASS_NOISE and not (by_library and written is not None and key not in written.members):
                members.append((key, self.add(f"{full}.{key}", value, where)))
        for key, one in vars(cls).get("__dataclass_fields__", {}).items():
            if one.metadata:  # what a field says beside what the methods do
                members.append((f"{key} metadata", self.add(f"{full}.{key} metadata", dict(one.metadata), where)))
        shape: list[object] = [bases, meta, members, _annotations(cls), _order(cls)]
        if by_library and module is not None and written is not None:
            shape.append(written.digest)
            for reference in written.names:
                if reference in vars(module):
                    self._add_named(reference, vars(module)[reference], None, vars(module), where or "")
        self.result.items[full] = Item(
            Digest.of_struct("class", self.encoded(full, shape, where)), "class", place=where
        )
        return ("class", full)

    def _is_made_by_library(self, cls: type, module: types.ModuleType, written: ClassSource) -> bool:
        makers = [type(cls), *(vars(module).get(name) for name in written.decorators)]
        names = [getattr(maker, "__module__", None) or getattr(maker, "__name__", "") for maker in makers if maker]
        return any(distribution.owner_of_module(name) is not None for name in names if name)

    def _add_wrapper(self, name: str, value: Any, place: str | None) -> object:
        parts: list[object] = [type(value).__qualname__]
        for attribute in ("__func__", "func", "dispatcher", "__self__", "fget", "fset", "fdel", "args", "keywords"):
            part = getattr(value, attribute, None)
            if part is not None and not (attribute == "__self__" and isinstance(value, (staticmethod, classmethod))):
                parts.append((attribute, self.add(f"{name}.{attribute}", part, place)))
        return tuple(parts)

    def _add_foreign(self, name: str, value: Any, place: str | None) -> object:
        module = getattr(value, "__module__", None) or type(getattr(value, "__self__", None)).__module__
        if isinstance(module, str):
            self._add_distribution(module, name)
            self._note_module(module, "")
        self._judge_held(value, place)
        told = ("builtin", getattr(value, "__module__", None), getattr(value, "__qualname__", repr(value)))
        return ("bound", told, self.add(f"{name}.__self__", value.__self__, place)) if self._is_bound(value) else told

    def _judge_held(self, value: Any, place: str | None) -> None:
        """Judge a library's function that some value holds: a default, a class, a partial, a table of functions."""
        if id(value) in self.named:
            return  # it is judged by how it is called
        for name in self._qualified(value, []):
            verdict = volatility(name, Reference(name, (), 0))
            if verdict:
                self._obstruct(*verdict, place)
            self._add_fact(name, place or "")

    def _add_fact(self, name: str, place: str) -> None:
        """A fact of the machine that the code asks for counts by what it is now."""
        fact = fact_behind(name)
        if fact is None or f"machine {fact}" in self.result.items:
            return
        state = note_machine_fact(fact)
        self.result.items[f"machine {fact}"] = Item(Digest.of_struct("machine", state), "machine", place=place)

    def _add_enum(self, name: str, value: enum.Enum, place: str | None) -> object:
        held = self.add(f"{name}.value", value.value, place)
        return ("enum", self.add(name, type(value), place), value.name, held)

    def _add_module(self, name: str, module: types.ModuleType, place: str | None) -> object:
        if not is_first_party_module(module):
            self._add_distribution(module.__name__, name)
        else:
            self._note_module(module.__name__, module.__file__ or "")
            bound = []
            for key, value in list(vars(module).items()):
                if not (key.startswith("__") and key.endswith("__")) and not isinstance(value, types.ModuleType):
                    self._add_named(key, value, module, vars(module), self._assignment(module, key) or place or "")
                    bound.append((key, self._named(value)))
            names = Digest.of_struct("names", sorted((key, name) for key, name in bound if name is not None))
            self.result.items[f"{module.__name__} (names)"] = Item(names, "module", place=place)
        return ("module", module.__name__)

    def _add_mapping(self, name: str, value: Mapping[Any, Any], place: str | None) -> object:
        return (
            "mapping",
            [
                (self.add(f"a key of {name}", key, place), self.add(f"{name}[{key!r}]", item, place))
                for key, item in value.items()
                if item is not vars(builtins)  # in the namespace of what ``exec`` ran
            ],
        )

    def _add_extended(self, name: str, value: Any, place: str | None) -> object:
        """A mapping or collection of a class of its own: its methods and further state count beside what it holds."""
        held = self._add_mapping if isinstance(value, dict) else self._add_collection
        state = {**getattr(value, "__dict__", {}), **_slot_values(value)}
        if isinstance(value, collections.defaultdict):
            state["default_factory"] = value.default_factory
        return (
            "extended",
            self.add(name, type(value), place),
            held(name, value, place),
            self.add(f"{name}.__dict__", state, place),
        )

    def _add_collection(self, name: str, value: Any, place: str | None) -> object:
        items = [self.add(f"{name}[{i}]", item, place) for i, item in enumerate(value)]
        if isinstance(value, (set, frozenset)):
            items = sorted(items, key=lambda item: self.encoded(name, item, place or "").hex)
        kind = next(base for base in type(value).__mro__ if base in _COLLECTIONS)
        return (kind.__name__, items)

    def _add_instance(self, name: str, value: Any, place: str | None) -> object:
        cls = type(value)
        module = sys.modules.get(cls.__module__)
        if module is not None and is_first_party_module(module):
            state = {**getattr(value, "__dict__", {}), **_slot_values(value), **_inherited_value(value)}
            return ("instance", self.add(name, cls, place), self.add(f"{name}.__dict__", state, place))
        wrapped = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)
        if value is os.environ or value is os.environb:
            return ("by name", "os.environ")  # what is taken of it is observed
        if callable(getattr(value, "cache_clear", None)) and self._is_memo(wrapped):
            self.result.memos.append(value)
        if self._is_library_callable(value):
            return self._add_foreign(name, value, place)
        if wrapped is not None and callable(value):
            self.add(f"{name} wrapper", cls, place)
            return ("wraps", self.add(name, wrapped, place))
        if cls is object or cls in _SENTINELS:
            return ("sentinel", cls.__qualname__)
        if isinstance(value, re.Pattern):
            return ("pattern", value.pattern, int(value.flags))
        library = cls.__module__.partition(".")[0]
        if library in ("numpy", "pandas", "pyarrow"):
            encoded = library_value(value)
            if encoded is not None:
                self._add_distribution(library, name)
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
                return ("reduced", self.add(f"{name} made", reduced, place))
        self._obstruct("value", f"{name} is a {cls.__module__}.{cls.__qualname__}, whose state can't be told", place)
        return ("opaque", cls.__qualname__)

    def _is_bound(self, value: Any) -> bool:
        """Is it a builtin method of an object, ``RATES.get``, that no library offers as a function of its own?"""
        owner = getattr(value, "__self__", None)
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

    def _is_memo(self, wrapped: Any) -> bool:
        code = getattr(wrapped, "__code__", None)
        return isinstance(code, types.CodeType) and self._first_party_code(code)

    def _is_library_callable(self, value: Any) -> bool:
        """Is it a compiled function that its own library offers under its name, ``numpy.random.default_rng``?"""
        module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
        owner = sys.modules.get(module) if isinstance(module, str) else None
        return (
            callable(value)
            and owner is not None
            and isinstance(name, str)
            and getattr(owner, name, None) is value
            and not (is_first_party_module(owner) and (owner.__file__ or "").endswith(".py"))
        )

    # Effects, modules and distributions.

    def add_told(self) -> None:
        """Add what the code asks of functions and classes beside what they do: documentation, annotations, text."""
        if not self.tells:
            return
        for value, name in list(self.seen.values()):
            if name in self.result.items and isinstance(value, (types.FunctionType, type)):
                told = Digest.of_struct("told", [value.__doc__, _annotations(value)])
                self.result.items[f"{name} (told)"] = Item(told, "value", place=self.result.items[name].place)
        if "text" in self.tells:
            for name, module in imported_modules(self.result.modules.values(), is_first_party_module).items():
                source = source_of(module)
                if source is not None:
                    place = self._relative(source.path)
                    self.result.items[f"{name} (text)"] = Item(source.digest, "module", place=place)

    def add_effects(self) -> None:
        """Add the top-level effects of every first-party module that is loaded for this code."""
        modules = imported_modules(self.result.modules.values(), is_first_party_module)
        if self.whole_modules:
            for name, module in modules.items():
                digest = module_digest(module)
                if digest is not None:
                    self.result.items[f"{name} (whole)"] = Item(
                        digest, "module", place=self._relative(module.__file__ or "")
                    )
        if self.result.computes_imports:
            for file in sources_below(self.root):
                path = self._relative(file)
                self.result.items[f"{path} (whole)"] = Item(source_digest(file), "module", place=path)
        for name, module in modules.items():
            self.result.modules.setdefault(name, module)
            for number, effect in enumerate(effects_of(module), 1):
                where = self._place(module.__file__ or "", effect.line)
                self.result.items[f"{name} effect {number}"] = Item(
                    effect.digest, "effect", shown=effect.text, place=where
                )
                for reference in effect.names:
                    if reference in vars(module):
                        self._add_named(reference, vars(module)[reference], None, vars(module), where)

    def _add_distribution(self, module: str | None, name: str) -> None:
        if not module or module.partition(".")[0] == "odibi_assets":
            return  # it counts by the number of its key schema
        owner = distribution.owner_of_module(module)
        if owner is None:
            return  # the standard library counts by Python's version
        for pinned in distribution.identity(owner):
            package, _, version = pinned.partition("==")
            self.result.items[f"distribution {package}"] = Item(
                Digest.of_struct("distribution", pinned), "distribution", shown=version.partition("@")[0]
            )

    def _imported(self, reference: Reference, namespace: Mapping[str, Any], place: str) -> types.ModuleType | None:
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
                self._add_distribution(full, full)
                return None
            return importlib.import_module(full)
        except Exception as error:  # the user's module, whatever it raises
            self._obstruct("value", f"importing {name} fails with {type(error).__name__}: {error}", place)
            return None

    def _note_module(self, name: str, file: str) -> None:
        module = sys.modules.get(name)
        if module is None or not is_first_party_module(module):
            return
        self.result.modules.setdefault(name, module)
        path = getattr(module, "__file__", None)
        if path and not path.endswith(".py"):  # compiled: what it does stands in its bytes alone
            with contextlib.suppress(OSError):
                self.result.items[f"{name} (file)"] = Item(Digest.of_file(path), "module", place=self._relative(path))

    def _obstruct(self, kind: str, text: str, place: str | None) -> None:
        obstacle = Obstacle(kind, text, place)
        if obstacle not in self.result.obstacles:
            self.result.obstacles.append(obstacle)

    # Names and places.

    def _first_party_code(self, code: types.CodeType) -> bool:
        file = code.co_filename
        return True if file.startswith("<") and not file.startswith("<frozen") else distribution.is_first_party(file)

    def _name_of(self, value: Any, name: str) -> str:
        code = getattr(value, "__code__", None)
        qualname = getattr(code, "co_qualname", None) or getattr(value, "__qualname__", None)
        module = getattr(value, "__module__", None)
        return f"{_label(module)}.{qualname}" if isinstance(module, str) and isinstance(qualname, str) else name

    def _qualified(self, target: Any, attributes: list[str]) -> tuple[str, ...]:
        name = getattr(target, "__qualname__", None) or getattr(target, "__name__", None)
        module = getattr(target, "__module__", None) or type(getattr(target, "__self__", None)).__module__
        if not isinstance(name, str) or not isinstance(module, str):
            return ()
        module = PUBLIC_MODULES.get(module, module)
        own = name.rpartition(".")[2] if isinstance(target, types.BuiltinFunctionType) else name
        return (".".join((module, own, *attributes)),)

    def _relative(self, path: str) -> str:
        absolute = os.path.abspath(path) if os.path.isabs(path) else path
        root = str(self.root) + os.sep
        return absolute[len(root) :] if absolute.startswith(root) else ("." if absolute == str(self.root) else absolute)

    def _place(self, file: str, line: int) -> str:
        return f"{self._relative(file)}:{line}"

    def _class_place(self, cls: type, module: types.ModuleType) -> str | None:
        return self._assignment(module, cls.__name__)

    def _assignment(self, module: types.ModuleType | None, name: str) -> str | None:
        line = binding_line(module, name) if module is not None else None
        return self._place(module.__file__ or "", line) if module is not None and line else None

    def encoded(self, name: str, value: object, place: str | None = None) -> Digest:
        try:
            return Digest.of_struct("part", value)
        except NotFingerprintable as error:
            self._obstruct("value", f"{name}: {error}", place)
            return Digest.of_struct("opaque", name)


CLASS_NOISE = frozenset(
    """__doc__ __dict__ __weakref__ __module__ __annotations__ __firstlineno__ __static_attributes__ __qualname__
    __dataclass_fields__ __dataclass_params__ __abstractmethods__ _abc_impl __orig_bases__
    __parameters__ _member_map_ _value2member_map_ _member_type_ __slots__""".split()
)


def _label(module: str) -> str:
    """A module's name; a script has the one under which it would be imported."""
    file = getattr(sys.modules.get(module), "__file__", None) if module == "__main__" else None
    return Path(file).stem if file else module


_SENTINELS = frozenset(type(getattr(dataclasses, name)) for name in ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY"))


def _slot_values(value: Any) -> dict[str, Any]:
    found = {}
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
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


def _parts(value: Any) -> list[tuple[object, Any]]:
    """What a container or an instance holds, under a name each."""
    if isinstance(value, (dict, types.MappingProxyType)):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    held = getattr(value, "__dict__", None)
    is_library = isinstance(value, (type, types.ModuleType))
    return list(held.items()) if isinstance(held, dict) and not is_library else []


def _annotations(value: Any) -> dict[str, str]:
    return (
        {key: str(annotation) for key, annotation in vars(value).get("__annotations__", {}).items()}
        if isinstance(value, type)
        else {key: str(annotation) for key, annotation in value.__annotations__.items()}
    )


def _order(cls: type) -> list[str]:
    """Names of a class's plain values in the order in which they are written, which an iteration gives."""
    behaviour = (types.FunctionType, property, classmethod, staticmethod, types.MemberDescriptorType)
    return [name for name, value in vars(cls).items() if not name.startswith("__") and not isinstance(value, behaviour)]
