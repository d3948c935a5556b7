"""Would importing the user's modules again give the same values? Where that is not known, no witness can vouch.

A value is followed to the top-level statement that made it, and from there to the names and calls
that the statement uses, across modules (truth.md 5). What an import reads, files and variables, is
observed and part of the witness; what is left are clocks, chance, and calls of unknown libraries.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi_assets.identify.attribute import real_attribute, text_attribute
from odibi_assets.identify.code_object import Reference
from odibi_assets.identify.effects import effective_statements, statements_of
from odibi_assets.identify.volatile import PUBLIC_MODULES, SEEDABLE, volatility

Name = tuple[str, str]
"""A module, and a name in it."""

# Libraries whose functions answer the same to the same arguments, those excepted that ``volatility`` knows.
_PURE_LIBRARIES = frozenset(
    """abc ast base64 bisect calendar collections contextlib copy dataclasses datetime decimal enum fractions
    functools hashlib heapq itertools json logging math numbers operator pathlib posixpath re statistics string
    struct textwrap threading types typing typing_extensions zoneinfo builtins _operator _collections _functools
    _thread _decimal _struct _json _hashlib _datetime collections.abc
    numpy pandas pyarrow polars sqlalchemy attr attrs pydantic yaml tomllib csv uuid io queue array weakref contextvars
    ipaddress difflib graphlib inspect html http email unicodedata urllib.parse _io _queue _contextvars""".split()
)
_IMPURE = frozenset(
    """builtins.input builtins.id builtins.hash builtins.globals builtins.locals builtins.vars builtins.eval
    builtins.exec builtins.__import__ pathlib.Path.cwd pathlib.Path.home pathlib.Path.absolute pathlib.Path.resolve
    threading.get_ident threading.active_count threading.current_thread uuid.getnode""".split()
)
# Methods that do no more than read what is observed, or than their owner's value says.
_PURE_METHODS = frozenset(
    """absolute resolve with_name with_suffix joinpath relative_to as_posix format join split rsplit splitlines
    strip lstrip rstrip lower upper title replace startswith endswith removeprefix removesuffix encode decode keys
    values items get copy union intersection difference index count read readline readlines read_text read_bytes
    exists is_file is_dir iterdir glob rglob update append extend add setdefault insert pop clear sort setter getter
    deleter register match fullmatch search sub findall group""".split()
)
_OBSERVED = frozenset(
    """os.environ.get os.getenv os.listdir os.scandir os.stat os.path.join os.path.dirname os.path.basename
    os.path.exists os.path.isfile os.path.isdir os.path.splitext io.open""".split()
)


@dataclass(frozen=True)
class Judgement:
    """What the code of a function says: why its answer may be another one, and which names it uses."""

    impure: str | None
    names: frozenset[Name]


@dataclass
class ImportPurity:
    """Follows names to what made them.

    Attributes:
        judge: Follows a first-party function or class through all that it reaches.
        is_first_party: Is a module the user's own?
        trusts_unknown: A call of which nothing is known is no reason for doubt.
    """

    judge: Callable[[Any], Judgement]
    is_first_party: Callable[[types.ModuleType], bool]
    trusts_unknown: bool = False
    _reasons: dict[Name, str | None] = field(default_factory=dict)
    _judged: dict[int, tuple[Any, Judgement]] = field(default_factory=dict)

    def doubts(self, names: Iterable[Name]) -> dict[Name, str]:
        """Those of the names whose values may be other ones at the next import → why."""
        found = {}
        for name in sorted(set(names)):
            reason = self._reason(name)
            if reason is not None:
                found[name] = reason
        return found

    def doubts_of_effects(self, modules: Iterable[types.ModuleType]) -> Iterator[str]:
        """The top-level statements that may do something else at the next import, each with why."""
        for module in modules:
            for statement in effective_statements(module):
                reason = self._of_statement(statement, module)
                if reason is not None:
                    yield f"{module.__name__}: {ast.unparse(statement).splitlines()[0][:60].rstrip(':')}: {reason}"

    def _reason(self, name: Name) -> str | None:
        if name not in self._reasons:
            self._reasons[name] = None  # a cycle adds nothing
            self._reasons[name] = self._found(name)
        return self._reasons[name]

    def _found(self, name: Name) -> str | None:
        module = sys.modules.get(name[0])
        if module is None or not self.is_first_party(module):
            return None
        for statement in statements_of(module, name[1]):
            if not _binds(statement, name[1]) and isinstance(vars(module).get(name[1]), _UNCHANGING):
                continue
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                source = _imported_from(statement, name[1], module)
                reason = self._reason(source) if source is not None else None
            else:
                reason = self._of_statement(statement, module)
            if reason is not None:
                return reason
        return None

    def _of_statement(self, statement: ast.stmt, module: types.ModuleType) -> str | None:
        own = {
            inner.id
            for node in ast.walk(statement)
            if isinstance(node, ast.comprehension)
            for inner in ast.walk(node.target)
            if isinstance(inner, ast.Name)
        }
        for node in executed(statement):
            if isinstance(node, ast.Name) and node.id in own:
                continue
            if isinstance(node, ast.Call):
                reason = self._of_call(node, module)
                if reason is not None:
                    return f"{reason} ({module.__name__}, line {node.lineno})"
            elif isinstance(node, (ast.Name, ast.Attribute)):
                used = _named(node, module)
                reason = self._reason(used) if used is not None else None
                if reason is not None:
                    return reason
        for decorator in getattr(statement, "decorator_list", ()):
            if not isinstance(decorator, ast.Call):
                reason = self._of_call(ast.Call(decorator, [ast.Constant(None)], []), module)
                if reason is not None:
                    return f"{reason} ({module.__name__}, line {decorator.lineno})"
        return None

    def _of_call(self, call: ast.Call, module: types.ModuleType) -> str | None:
        text = ast.unparse(call.func)
        target = _resolved(call.func, vars(module))
        if target is not _UNKNOWN:
            return self._of_target(target, text, bare=not call.args and not call.keywords)
        if isinstance(call.func, ast.Attribute):
            owner = _owner(call.func, vars(module))
            made_by = sys.modules.get(type(owner).__module__)
            if made_by is not None and self.is_first_party(made_by):
                return self._of_target(type(owner), text)
            if call.func.attr in _PURE_METHODS or _of_pure_library(owner):
                return None
        return self._unknown(text)

    def _unknown(self, text: str) -> str | None:
        return None if self.trusts_unknown else f"{text} is called, which is not known to answer the same"

    def _judgement(self, target: Any) -> Judgement:
        if id(target) not in self._judged:
            self._judged[id(target)] = (target, self.judge(target))
        return self._judged[id(target)][1]

    def _of_target(self, target: Any, text: str, *, bare: bool = False) -> str | None:
        if target is _UNKNOWN:
            return self._unknown(text)
        owner = sys.modules.get(text_attribute(target, "__module__") or "")
        if owner is not None and self.is_first_party(owner):
            judgement = self._judgement(target)
            if judgement.impure is not None:
                return f"{text} is called: {judgement.impure}"
            return next((reason for name in sorted(judgement.names) if (reason := self._reason(name))), None)
        for name in _qualified(target, text):
            if name in _OBSERVED or (name in SEEDABLE and not bare):
                return None
            found = volatility(name, Reference(name, (), 0, arguments=0 if bare else None))
            if name in _IMPURE or found is not None:
                return found[1] if found is not None else f"{name} is called"
        return None if _of_pure_library(target) else self._unknown(text)


_UNKNOWN = object()


_UNCHANGING = (str, bytes, int, float, complex, type(None), types.ModuleType, types.FunctionType, type)


def _binds(statement: ast.stmt, name: str) -> bool:
    """Does a statement give a name its value? Another may change the value, if that can change."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return True
    stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    return any(node.id == name for node in stored)


def executed(statement: ast.AST) -> Iterator[ast.AST]:
    """What an import executes of a statement: not the bodies of functions, but their defaults and decorators."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            waiting += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.AnnAssign):
            waiting += [node.target, *([node.value] if node.value is not None else [])]
        else:
            waiting += ast.iter_child_nodes(node)


def _imported_from(statement: ast.Import | ast.ImportFrom, name: str, module: types.ModuleType) -> Name | None:
    if isinstance(statement, ast.Import):
        return None  # a module; what is taken of it is followed by itself
    base = statement.module or ""
    if statement.level:
        package = (module.__package__ or "").split(".")
        base = ".".join([*package[: len(package) - statement.level + 1], *([base] if base else [])])
    for alias in statement.names:
        if alias.name == "*":
            return (base, name)
        if (alias.asname or alias.name) == name:
            return (base, alias.name)
    return None


def _named(node: ast.Name | ast.Attribute, module: types.ModuleType) -> Name | None:
    """The name that an expression reads: one of the module's own, or one of another module of the user's."""
    if isinstance(node, ast.Name):
        return (module.__name__, node.id) if isinstance(node.ctx, ast.Load) and node.id in vars(module) else None
    owner = _resolved(node.value, vars(module))
    return (owner.__name__, node.attr) if isinstance(owner, types.ModuleType) else None


def _resolved(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """The object behind a name, or behind an attribute of a module or class."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id, getattr(builtins, node.id, _UNKNOWN))
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, namespace)
        if isinstance(owner, (types.ModuleType, type)):
            return getattr(owner, node.attr, _UNKNOWN)
    return _UNKNOWN


def _owner(node: ast.Attribute, namespace: Mapping[str, Any]) -> Any:
    """What the chain of attributes and calls in which a method is called starts from."""
    inner: ast.expr = node.value
    while isinstance(inner, (ast.Attribute, ast.Call, ast.Subscript)):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    return _resolved(inner, namespace) if isinstance(inner, ast.Name) else getattr(inner, "value", _UNKNOWN)


def _of_pure_library(value: Any) -> bool:
    """Is a thing a known library's, or a value of a type of one?"""
    if isinstance(value, types.ModuleType):
        name: Any = value.__name__
    else:
        owner = real_attribute(value, "__self__")
        name = text_attribute(value, "__module__") if callable(value) else None
        name = name or type(value if owner is None else owner).__module__
    return name in _PURE_LIBRARIES or name.partition(".")[0] in _PURE_LIBRARIES


def _qualified(target: Any, text: str) -> tuple[str, ...]:
    owner = real_attribute(target, "__self__")
    module = text_attribute(target, "__module__")
    name = text_attribute(target, "__qualname__", "__name__") or ""
    found = [text, f"{module}.{name}"]
    if isinstance(owner, type):
        module = PUBLIC_MODULES.get(owner.__module__, owner.__module__)
        found.append(f"{module}.{owner.__qualname__}.{target.__name__}")
    if isinstance(owner, types.ModuleType):
        found.append(f"{PUBLIC_MODULES.get(owner.__name__, owner.__name__)}.{name}")
    elif owner is not None:
        found.append(f"{type(owner).__module__}.{name.rpartition('.')[2]}")
    return tuple(found)
