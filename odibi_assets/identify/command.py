"""The program that a command step runs: which file it is, and the sources that it is known to load."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item

PYTHON_NAMES = ("python", "python3")


@dataclass(frozen=True)
class Command:
    """A resolved program.

    Attributes:
        program: Absolute path of what is executed.
        sources: Files below the root that its arguments name, and the modules that those import.
    """

    arguments: tuple[str, ...]
    program: Path
    sources: tuple[Path, ...]
    is_python: bool

    def items(self) -> dict[str, Item]:
        """What of it is part of a key beside the contents of its sources."""
        shown = " ".join(self.arguments)
        items = {"command": Item(Digest.of_struct("command", list(self.arguments)), "command", shown=shown[:80])}
        if self.is_python:
            installed = sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())
            digest = Digest.of_struct("distributions", [sys.version, installed])
            items["program"] = Item(
                digest, "library", shown=f"Python {sys.version.split()[0]}, {len(installed)} packages"
            )
        else:
            items["program"] = Item(Digest.of_file(self.program), "program", shown=self.program.name)
        return items


def resolve_command(arguments: Sequence[str], root: Path) -> Command | None:
    """Find the program of a command; None where there is none.

    ``python`` is the interpreter that runs the pipeline.
    """
    name = arguments[0]
    is_python = name in PYTHON_NAMES
    found: str | None = sys.executable if is_python else shutil.which(name) or shutil.which(str(root / name))
    if found is None:
        return None
    named = [root / argument for argument in arguments[1:] if not os.path.isabs(argument)]
    sources: dict[Path, None] = {}
    if not is_python and Path(found).is_relative_to(root):
        sources[Path(found)] = None
    for path in named:
        if path.is_file():
            sources[path] = None
            if path.suffix == ".py":
                sources.update(dict.fromkeys(_imported(path, root, set())))
    if is_python and len(arguments) > 2 and arguments[1] == "-m":
        module = _module_file(arguments[2], [root])
        if module is not None:
            sources.update(dict.fromkeys([module, *_imported(module, root, set())]))
    return Command(tuple(arguments), Path(found), tuple(sources), is_python)


def _imported(path: Path, root: Path, seen: set[Path]) -> Iterator[Path]:
    """Files below the root that a script imports by name, and what those import."""
    if path in seen:
        return
    seen.add(path)
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # the program meets it again, and says so
    for name in _imported_names(tree):
        found = _module_file(name, [path.parent, root])
        if found is not None and found not in seen:
            yield found
            yield from _imported(found, root, seen)


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _prefixes(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from _prefixes(base)
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def _module_file(name: str, folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        base = folder.joinpath(*name.split("."))
        for candidate in (base.with_suffix(".py"), base / "__init__.py", base / "__main__.py"):
            if name and candidate.is_file():
                return candidate
    return None
