"""The program that a command step runs: which file it is, and the sources that it is known to load."""

from __future__ import annotations

import ast
import importlib.metadata
import itertools
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
        runs_python: What is installed counts: the program is Python, or a script of it.
    """

    arguments: tuple[str, ...]
    program: Path
    sources: tuple[Path, ...]
    runs_python: bool

    def items(self) -> dict[str, Item]:
        """What of it is part of a key beside the contents of its sources."""
        shown = " ".join(self.arguments)
        items = {"command": Item(Digest.of_struct("command", list(self.arguments)), "command", shown=shown[:80])}
        if self.runs_python:
            installed = sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())
            digest = Digest.of_struct("distributions", [sys.version, installed])
            items["program"] = Item(
                digest, "library", shown=f"Python {sys.version.split()[0]}, {len(installed)} packages"
            )
        if self.program != Path(sys.executable):
            name = "script" if self.runs_python else "program"
            items[name] = Item(Digest.of_file(self.program), "program", shown=self.program.name)
        return items


def resolve_command(arguments: Sequence[str], root: Path, made: Sequence[str] = ()) -> Command | None:
    """Find the program of a command; None where there is none.

    ``python`` is the interpreter that runs the pipeline.

    Args:
        made: Paths of the step's outputs: an argument that names one says where to write.
    """
    found = _program(arguments[0], root)
    if found is None:
        return None
    is_python = arguments[0] in PYTHON_NAMES or found == Path(sys.executable)
    runs_python = is_python or _is_python(found) or found.name.startswith("python")
    outputs = {Path(os.path.abspath(root / path)) for path in made}
    texts = [text for argument in arguments[1:] for text in (argument, argument.partition("=")[2]) if text]
    named = [Path(os.path.abspath(root / text)) for text in texts]
    named = [path for path in named if path.is_relative_to(root) and path not in outputs and os.path.isfile(path)]
    if found.is_relative_to(root) and not is_python:
        named.insert(0, found)
    sources = dict.fromkeys(named)
    for path in named:
        if path.suffix == ".py" or _is_python(path):
            sources.update(dict.fromkeys(_imported(path, root, set())))
    if runs_python:
        sources.update(dict.fromkeys(_by_option(arguments[1:], root)))
    return Command(tuple(arguments), found, tuple(sources), runs_python)


def _program(name: str, root: Path) -> Path | None:
    """A name with a slash in it starts at the root, whatever the working directory is."""
    if name in PYTHON_NAMES:
        return Path(sys.executable)
    found = None if os.sep in name else shutil.which(name)
    found = found or shutil.which(os.path.abspath(root / name))
    return Path(found) if found is not None else None


def _is_python(program: Path) -> bool:
    """Does its first line name Python as what runs it?"""
    try:
        with program.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


def _by_option(arguments: Sequence[str], root: Path) -> Iterator[Path]:
    """What ``-m MODULE`` or ``-c CODE`` of a Python interpreter loads below the root."""
    for option, value in itertools.pairwise(arguments):
        if option == "-m":
            module = _module_file(value, [root])
            if module is not None:
                yield from (module, *_imported(module, root, set()))
        elif option == "-c":
            yield from _imported_by(value, [root], root, set())
        if option in ("-m", "-c"):
            return


def _imported(path: Path, root: Path, seen: set[Path]) -> Iterator[Path]:
    """Files below the root that a script imports by name, and what those import."""
    if path not in seen:
        seen.add(path)
        yield from _imported_by(path.read_bytes(), [path.parent, root], root, seen)


def _imported_by(code: str | bytes, folders: Sequence[Path], root: Path, seen: set[Path]) -> Iterator[Path]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return  # the program meets it again, and says so
    for name in _imported_names(tree):
        found = _module_file(name, folders)
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
