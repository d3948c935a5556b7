"""A fingerprint is the identity of a function's code, and of all first-party code that it reaches.

The walk goes over live objects, starting at the function: the globals its bytecode names, their
globals in turn, classes whole, closures, defaults, containers, imports inside functions
(truth.md 1.1). Following objects instead of text gets decorators, re-exports and star imports
right without a rule for each.
"""

from __future__ import annotations

import builtins
import contextlib
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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify import distribution
from odibi_assets.identify.code_object import Reference, code_digest, usage
from odibi_assets.identify.digest import Digest, encode
from odibi_assets.identify.effects import (
    binding_line,
    effects_of,
    imported_modules,
    module_digest,
    source_digest,
    sources_below,
)
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.library_value import library_value
from odibi_assets.identify.machine_fact import fact_behind
from odibi_assets.identify.observed_inputs import note_machine_fact
from odibi_assets.identify.shown_value import safe_repr
from odibi_assets.identify.volatile import computed_volatility, free_volatility, seeded_modules, volatility


@dataclass
class Fingerprint:
    """The code behind one step.

    Attributes:
        items: Name → item, one for each function, class, value, effect and distribution reached.
        obstacles: What the code does that makes its result non-reusable.
        modules: First-party modules reached.
        values: Module values reached: name → module, and name there.
        computes_imports: It imports modules by computed names, so every source below the root counts.
        seeded: Modules whose global random generator it seeds.
        memos: Functions reached that remember what they returned, as ``functools.lru_cache`` makes them.
    """

    items: dict[str, Item] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    values: dict[str, tuple[str, str]] = field(default_factory=dict)
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
    walk.add("the step's function", function)
    walk.mark_start(function)
    for module in extra_modules:
        walk.result.modules.setdefault(module.__name__, module)
    walk.add_effects()
    return walk.result


def value_digest(name: str, value: Any, root: Path) -> Digest:
    """Identity of a value by itself; one that has none counts by its type."""
    walk = _Walk(root)
    return walk.encoded(name, walk.add(name, value))


_SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray, range, type(...))
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

    # What each kind of object adds, and how it is named inside a value that holds it.

    def add(self, name: str, value: Any, place: str | None = None) -> object:
        """Add what a value brings with it; returns an encodable stand-in for the value."""
        if isinstance(value, str) and (value == str(self.root) or value.startswith(f"{self.root}{os.sep}")):
            return ("path text", value[len(str(self.root)) :])
        if isinstance(value, _SCALARS):
            return value
        if isinstance(value, PurePath):
            return ("path", self._relative(str(value)))
        if id(value) in self.seen:
            return ("again", self.seen[id(value)][1])
        self.seen[id(value)] = (value, self._unique(self._name_of(value, name)))
        adder = self._adder(value)
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
            return self._add_mapping
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._add_collection
        return self._add_instance

    def mark_start(self, function: Callable[..., Any]) -> None:
        """The step's own function is shown as such, all else as its helpers."""
        name = self._name_of(inspect.unwrap(function), "")
        if name in self.result.items:
            self.result.items[name] = replace(self.result.items[name], kind="function")

    def _add_function(self, name: str, function: types.FunctionType, place: str | None) -> object:
        code = function.__code__
        full = self.seen[id(function)][1]
        if not self._first_party_code(code):
            self._add_distribution(function.__module__, full)
            self._judge_held(function, place)
            return ("function", full)
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
            if callable(value):
                bindings.append((attribute, self.add(f"{full}.{attribute}", value, where)))
        bindings += self._add_references(function)
        # Bytecode holds the names that a function uses; to which function each name led counts as well.
        bound = self.encoded(full, bindings, where)
        self.result.items[full] = replace(self.result.items[full], digest=Digest.of_struct("bound", [digest, bound]))
        return ("function", full)

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
                if not self._is_first_party_module(target):
                    attributes.insert(0, attribute)
                    break
                return (), None
            target, base = getattr(target, attribute), attribute
        if isinstance(target, types.ModuleType):
            if reference.whole or not self._is_first_party_module(target):
                self.add(target.__name__, target, place)
            name = ".".join((target.__name__, *attributes))
            return (name,), name
        self._add_named(base, target, owner, namespace, place)
        if owner is not None and not self._is_first_party_module(owner):
            used = f"{owner.__name__}.{base}"
            return (".".join((used, *attributes)), *self._qualified(target, attributes)), used
        return self._qualified(target, attributes), self._named(target)

    def _import_submodule(self, package: types.ModuleType, name: str) -> None:
        """``from package import name`` inside a function may name a module that nothing imported yet."""
        if hasattr(package, "__path__") and self._is_first_party_module(package):
            with contextlib.suppress(ModuleNotFoundError):  # an attribute that is set later, or never
                importlib.import_module(f"{package.__name__}.{name}")

    def _add_named(
        self, base: str, target: Any, owner: types.ModuleType | None, namespace: Mapping[str, Any], place: str
    ) -> None:
        if isinstance(target, (types.FunctionType, type, types.BuiltinFunctionType)):
            self.named.add(id(target))
            self.add(base, target, place)
            return
        module = owner.__name__ if owner is not None else str(namespace.get("__name__", ""))
        if owner is not None and not self._is_first_party_module(owner):
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
        if module is None or not self._is_first_party_module(module):
            self._add_distribution(cls.__module__, full)
            return ("class", full)
        where = self._class_place(cls, module) or place
        self.result.values[full] = (cls.__module__, cls.__qualname__)
        self._note_module(cls.__module__, getattr(module, "__file__", "") or "")
        bases = [self.add(f"{full} base", base, where) for base in cls.__bases__]
        meta = self.add(f"{full} metaclass", type(cls), where)
        members = []
        for key, value in sorted(vars(cls).items()):
            if key not in CLASS_NOISE:
                members.append((key, self.add(f"{full}.{key}", value, where)))
        annotations = {key: str(value) for key, value in vars(cls).get("__annotations__", {}).items()}
        shape = self.encoded(full, (bases, meta, members, annotations), where)
        self.result.items[full] = Item(Digest.of_struct("class", shape), "class", place=where)
        return ("class", full)

    def _add_wrapper(self, name: str, value: Any, place: str | None) -> object:
        parts: list[object] = [type(value).__qualname__]
        for attribute in ("__func__", "func", "__self__", "fget", "fset", "fdel", "args", "keywords"):
            part = getattr(value, attribute, None)
            if part is not None and not (attribute == "__self__" and isinstance(value, (staticmethod, classmethod))):
                parts.append((attribute, self.add(f"{name}.{attribute}", part, place)))
        return tuple(parts)

    def _add_foreign(self, name: str, value: Any, place: str | None) -> object:
        module = getattr(value, "__module__", None) or type(getattr(value, "__self__", None)).__module__
        if isinstance(module, str):
            self._add_distribution(module, name)
        self._judge_held(value, place)
        return ("builtin", getattr(value, "__module__", None), getattr(value, "__qualname__", repr(value)))

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
        if not self._is_first_party_module(module):
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
            ],
        )

    def _add_collection(self, name: str, value: Any, place: str | None) -> object:
        items = [self.add(f"{name}[{i}]", item, place) for i, item in enumerate(value)]
        if isinstance(value, (set, frozenset)):
            items = sorted(items, key=lambda item: self.encoded(name, item, place or "").hex)
        return (type(value).__name__, items)

    def _add_instance(self, name: str, value: Any, place: str | None) -> object:
        wrapped = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)
        if value is os.environ or value is os.environb:
            return ("by name", "os.environ")  # what is taken of it is observed
        if callable(getattr(value, "cache_clear", None)) and self._is_memo(wrapped):
            self.result.memos.append(value)
        if self._is_library_callable(value):
            return self._add_foreign(name, value, place)
        if wrapped is not None and callable(value):
            self.add(f"{name} wrapper", type(value), place)
            return ("wraps", self.add(name, wrapped, place))
        if type(value) is object or type(value).__module__ == "dataclasses":
            return ("sentinel", type(value).__qualname__)
        if isinstance(value, re.Pattern):
            return ("pattern", value.pattern, int(value.flags))
        cls = type(value)
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
        module = sys.modules.get(cls.__module__)
        if module is not None and self._is_first_party_module(module):
            state = dict(getattr(value, "__dict__", {}))
            for slot in _slots(cls):
                if hasattr(value, slot):
                    state[slot] = getattr(value, slot)
            return ("instance", self.add(name, cls, place), self.add(f"{name}.__dict__", state, place))
        self._obstruct("value", f"{name} is a {cls.__module__}.{cls.__qualname__}, whose state can't be told", place)
        return ("opaque", cls.__qualname__)

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
            and not self._is_first_party_module(owner)
        )

    # Effects, modules and distributions.

    def add_effects(self) -> None:
        """Add the top-level effects of every first-party module that is loaded for this code."""
        modules = imported_modules(self.result.modules.values(), self._is_first_party_module)
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
        if module is not None and self._is_first_party_module(module):
            self.result.modules.setdefault(name, module)

    def _obstruct(self, kind: str, text: str, place: str | None) -> None:
        obstacle = Obstacle(kind, text, place)
        if obstacle not in self.result.obstacles:
            self.result.obstacles.append(obstacle)

    # Names and places.

    def _first_party_code(self, code: types.CodeType) -> bool:
        file = code.co_filename
        return True if file.startswith("<") and not file.startswith("<frozen") else distribution.is_first_party(file)

    def _is_first_party_module(self, module: types.ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        if file is None:
            folders = list(getattr(module, "__path__", ()))
            return bool(folders) and all(
                distribution.is_first_party(os.path.join(folder, "__init__.py")) for folder in folders
            )
        return distribution.is_first_party(file)

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
        module = _PUBLIC_MODULES.get(module, module)
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
    __dataclass_fields__ __dataclass_params__ __match_args__ __abstractmethods__ _abc_impl __orig_bases__
    __parameters__ _member_map_ _member_names_ _value2member_map_ _member_type_ __slots__""".split()
)
_PUBLIC_MODULES = {
    "pandas._libs.tslibs.timestamps": "pandas",
    "pandas.io.parquet": "pandas",
    "pandas.io.sql": "pandas",
    "pandas.io.feather_format": "pandas",
    "pandas.io.orc": "pandas",
    "pandas.io.pytables": "pandas",
    "pyarrow.parquet.core": "pyarrow.parquet",
    "numpy.random._generator": "numpy.random",
    "numpy.random.mtrand": "numpy.random",
    "numpy.random.bit_generator": "numpy.random",
    "numpy.random._pcg64": "numpy.random",
    "numpy.random._philox": "numpy.random",
    "numpy.random._mt19937": "numpy.random",
    "numpy.random._sfc64": "numpy.random",
    "pyarrow._csv": "pyarrow.csv",
    "pyarrow._json": "pyarrow.json",
    "pyarrow._fs": "pyarrow.fs",
    "pyarrow.lib": "pyarrow",
    "_duckdb": "duckdb",
    "posix": "os",
    "_socket": "socket",
    "_locale": "locale",
    "_ctypes": "ctypes",
    "_thread": "threading",
    "_random": "random",
    "builtins": "",
}


def _label(module: str) -> str:
    """A module's name; a script has the one under which it would be imported."""
    file = getattr(sys.modules.get(module), "__file__", None) if module == "__main__" else None
    return Path(file).stem if file else module


def _slots(cls: type) -> list[str]:
    found: list[str] = []
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        found.extend([slots] if isinstance(slots, str) else slots)
    return [slot for slot in found if slot not in ("__dict__", "__weakref__")]
