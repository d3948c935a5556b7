"""Top-level statements of a module that do something beyond defining names (truth.md 1.5).

``pd.set_option(…)``, ``DataFrame.total = f`` or a registering decorator change what other code
does without being named by it, so they count for every Python step of a pipeline that loads them.
"""

from __future__ import annotations

import ast
import copy
import functools
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party, owner_of_module
from odibi_assets.identify.source_loader import IMPORTED, LoadedSource, source_of


@dataclass(frozen=True)
class Effect:
    """One statement with an effect: its identity, text, line, and the names it uses."""

    digest: Digest
    text: str
    line: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class ClassSource:
    """A class as it is written: its identity, the names its body binds, those it uses, those of its decorators."""

    digest: Digest
    members: frozenset[str]
    names: tuple[str, ...]
    decorators: tuple[str, ...]


def class_source(module: types.ModuleType, name: str) -> ClassSource | None:
    """A top-level class of a module; None where it is made in another way."""
    source = source_of(module)
    return None if source is None else _class_sources(source).get(name)


@functools.lru_cache(maxsize=4096)
def _class_sources(source: LoadedSource) -> dict[str, ClassSource]:
    found = {}
    for statement in _top_level(_tree(source).body):
        if isinstance(statement, ast.ClassDef):
            clean = _without_docstrings(statement)
            members = {
                node.id
                for inner in statement.body
                for node in ast.walk(inner)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            members |= {
                inner.name
                for inner in statement.body
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            }
            names = sorted({node.id for node in ast.walk(statement) if isinstance(node, ast.Name)})
            decorators = [ast.unparse(decorator).partition("(")[0] for decorator in statement.decorator_list]
            roots = tuple(decorator.partition(".")[0] for decorator in decorators)
            digest = Digest.of_struct("class source", ast.dump(clean))
            found[statement.name] = ClassSource(digest, frozenset(members), tuple(names), roots)
    return found


def effects_of(module: types.ModuleType) -> tuple[Effect, ...]:
    """The effects of a module, in order."""
    source = source_of(module)
    # What is declared on our own objects only takes from these, and most modules have none.
    if source is None or not _effects(source, frozenset()):
        return ()
    own = frozenset(name for name, value in vars(module).items() if type(value).__module__.startswith("odibi_assets."))
    return _effects(source, own)


def effective_statements(module: types.ModuleType) -> tuple[ast.stmt, ...]:
    """The statements that are a module's effects."""
    source = source_of(module)
    return _effective_statements(source) if source is not None else ()


def module_digest(module: types.ModuleType) -> Digest | None:
    """Identity of a whole module, apart from comments, docstrings and formatting."""
    source = source_of(module)
    return None if source is None else _module_digest(source)


def sources_below(root: Path) -> Iterator[str]:
    """Every first-party Python file that an import could find below a folder."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name != "__pycache__")
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".py") and is_first_party(path):
                yield path


def source_digest(path: str) -> Digest:
    """Identity of a source file that need not be loaded, as ``module_digest`` gives it."""
    data = Path(path).read_bytes()
    try:
        return Digest.of_struct("module", ast.dump(_without_docstrings(ast.parse(data))))
    except (SyntaxError, ValueError):
        return Digest.of_bytes(data)


def binding_line(module: types.ModuleType | None, name: str) -> int | None:
    """The line on which a module last binds a name."""
    source = source_of(module) if module is not None else None
    return _binding_lines(source).get(name) if source is not None else None


def statements_of(module: types.ModuleType, name: str) -> tuple[ast.stmt, ...]:
    """The top-level statements of a module that bind a name, or may change the value that it is bound to."""
    source = source_of(module)
    return _statements_by_name(source)[name] if source is not None else ()


def imported_modules(
    start: Iterable[types.ModuleType], is_first_party: Callable[[types.ModuleType], bool]
) -> dict[str, types.ModuleType]:
    """First-party modules that are loaded when the given ones are, themselves included."""
    found: dict[str, types.ModuleType] = {}
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module.__name__ in found or not is_first_party(module):
            continue
        found[module.__name__] = module
        source = source_of(module)
        package = module.__name__.rpartition(".")[0]
        names = set(_import_names(source, module.__package__ or "") if source is not None else ())
        names |= IMPORTED.get(module.__name__, set())
        if package:
            names.add(package)
        waiting.extend(sys.modules[name] for name in names if name in sys.modules)
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=4096)
def _module_digest(source: LoadedSource) -> Digest:
    return Digest.of_struct("module", ast.dump(_without_docstrings(_tree(source))))


@functools.lru_cache(maxsize=4096)
def _tree(source: LoadedSource) -> ast.Module:
    return ast.parse(source.data)


@functools.lru_cache(maxsize=4096)
def _effective_statements(source: LoadedSource) -> tuple[ast.stmt, ...]:
    return tuple(_effective(_tree(source).body, source))


@functools.lru_cache(maxsize=4096)
def _effects(source: LoadedSource, own: frozenset[str]) -> tuple[Effect, ...]:
    found = []
    for statement in _effective_statements(source):
        if not _declares(statement, own):
            clean = _without_docstrings(statement)
            used = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            # What the statement itself binds counts where it is reached: ``with open(…) as file: LIMITS = load(file)``.
            names = sorted({node.id for node in used} - {node.id for node in used if isinstance(node.ctx, ast.Store)})
            text = ast.unparse(clean).splitlines()[0][:80]
            found.append(Effect(Digest.of_struct("effect", ast.dump(clean)), text, statement.lineno, tuple(names)))
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def _binding_lines(source: LoadedSource) -> dict[str, int]:
    lines: dict[str, int] = {}
    for statement in _top_level(_tree(source).body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            lines[statement.name] = statement.lineno
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    lines[node.id] = statement.lineno
    return lines


@functools.lru_cache(maxsize=4096)
def _statements_by_name(source: LoadedSource) -> Mapping[str, tuple[ast.stmt, ...]]:
    found: dict[str, list[ast.stmt]] = {}
    stars: list[ast.stmt] = []
    for statement in _top_level(_tree(source).body):
        names: set[str] = set()
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
            stars += [statement] if "*" in names else []
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = {statement.name}
        elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
            names |= {node.target.id for node in ast.walk(statement) if isinstance(node, ast.NamedExpr)}
        else:
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        for name in names:
            found.setdefault(name, []).append(statement)
    return _WithStars({name: tuple(statements) for name, statements in found.items()}, tuple(stars))


class _WithStars(dict[str, tuple[ast.stmt, ...]]):
    """Statements by name; a name that none binds may come from a star import."""

    def __init__(self, found: Mapping[str, tuple[ast.stmt, ...]], stars: tuple[ast.stmt, ...]) -> None:
        super().__init__(found)
        self.stars = stars

    def __missing__(self, name: str) -> tuple[ast.stmt, ...]:
        return self.stars


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, those under ``if`` and ``try`` one by one."""
    for statement in body:
        if isinstance(statement, ast.If):
            if not _never_on_import(statement.test):
                yield from _top_level(statement.body)
            yield from _top_level(statement.orelse)
        elif isinstance(statement, ast.Try):
            for part in (statement.body, statement.orelse, statement.finalbody):
                yield from _top_level(part)
            for handler in statement.handlers:
                yield from _top_level(handler.body)
        else:
            yield statement


def _effective(body: list[ast.stmt], source: LoadedSource) -> Iterator[ast.stmt]:
    """Statements with an effect; an ``if`` or ``try`` as a whole, since its condition decides about what is in it."""
    for statement in body:
        if not isinstance(statement, (ast.If, ast.Try)):
            if _is_effect(statement, source):
                yield statement
        elif isinstance(statement, ast.If) and _never_on_import(statement.test):
            yield from _effective(statement.orelse, source)
        elif any(_is_effect(inner, source) for inner in _top_level([statement])):
            yield statement


def _never_on_import(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return text in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'")


def _is_effect(statement: ast.stmt, source: LoadedSource) -> bool:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return any(_registers(decorator, source) for decorator in statement.decorator_list)
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(node, (ast.Attribute, ast.Subscript)) for target in targets for node in ast.walk(target))
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass)):
        return False
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _declares(statement: ast.stmt, own: frozenset[str]) -> bool:
    """Is it a call on one of our own objects, such as ``pipeline.read(…)``? Its meaning is in the key already."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    return ast.unparse(statement.value.func).partition(".")[0] in own


def _registers(decorator: ast.expr, source: LoadedSource) -> bool:
    """May a decorator do more than wrap? One of another distribution, other than ours and well-known ones, may."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = ast.unparse(target)
    root = name.partition(".")[0]
    module = _import_roots(source).get(root)
    if module is None:
        return False
    top = module.partition(".")[0]
    return (
        top not in ("odibi_assets", "dagster", "numba", "tenacity", "pydantic", "attr", "attrs")
        and owner_of_module(top) is not None
    )


@functools.lru_cache(maxsize=4096)
def _import_roots(source: LoadedSource) -> dict[str, str]:
    roots: dict[str, str] = {}
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                roots[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                roots[alias.asname or alias.name] = node.module or ""
    return roots


@functools.lru_cache(maxsize=4096)
def _import_names(source: LoadedSource, package: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_imports_in(source, package)))


def _imports_in(source: LoadedSource, package: str) -> Iterator[str]:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parent = ".".join(parts[: len(parts) - node.level + 1])
                base = f"{parent}.{base}".strip(".")
            yield from _with_parents(base)
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


class _DocstringStripper(ast.NodeTransformer):
    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _strip


def _without_docstrings(node: ast.AST) -> ast.AST:
    return _DocstringStripper().visit(copy.deepcopy(node))  # type: ignore[no-any-return]
