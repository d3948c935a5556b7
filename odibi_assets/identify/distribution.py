"""Which code belongs to the project, and which to an installed distribution (truth.md 1.7).

A file is third-party only if the RECORD of a non-editable installed distribution lists it; the
standard library is the interpreter's. All else is the user's own.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
import sysconfig
import types
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.observing import unobserved

_OWN_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
_OWN_DEFS = _OWN_PACKAGE + "defs" + os.sep


def _real(path: str) -> str:
    return os.path.realpath(path) + os.sep


_real_folder = functools.cache(os.path.realpath)


def _real_file(path: str) -> str:
    """Where a file really lies; its folder is looked up once, since every import asks for one more file of it."""
    folder, name = os.path.split(path)
    return os.path.realpath(path) if os.path.islink(path) else os.path.join(_real_folder(folder), name)


@functools.cache
@unobserved()
def _standard_library() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({_real(paths["stdlib"]), _real(paths["platstdlib"])})


@functools.cache
@unobserved()
def _site_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths["purelib"], paths["platlib"]} | {
        entry for entry in sys.path if os.path.basename(entry) in ("site-packages", "dist-packages")
    }
    return tuple(_real(path) for path in found)


@functools.cache
@unobserved()
def _owners() -> dict[str, importlib.metadata.Distribution]:
    """Absolute path of every file that a RECORD lists → its distribution, whose name is read only when asked for."""
    owners: dict[str, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        folder = _real(str(distribution.locate_file("")))
        for line in (distribution.read_text("RECORD") or "").splitlines():
            listed = line.partition(",")[0].strip('"')
            if listed.endswith((".py", ".so", ".pyd", ".pyi")):
                owners[folder + listed] = distribution
    return owners


def is_standard_library(path: str) -> bool:
    real = _real_file(path)
    return real.startswith(_standard_library()) and not real.startswith(_site_folders())


def is_own(path: str) -> bool:
    """Is a file part of odibi-assets itself, the pipelines that ship with it excepted?"""
    real = _real_file(path)
    return real.startswith(_OWN_PACKAGE) and not real.startswith(_OWN_DEFS)


@functools.cache
@unobserved()
def is_first_party(path: str) -> bool:
    """Is a file the user's own code?"""
    real = _real_file(path)
    if real.startswith(_OWN_DEFS):
        return True
    if is_own(real) or is_standard_library(real) or path.startswith("<frozen"):
        return False
    return not (real.startswith(_site_folders()) and real in _owners())


def is_first_party_module(module: types.ModuleType) -> bool:
    """Is a module the user's own code?"""
    file = getattr(module, "__file__", None)
    if file is None:
        folders = list(getattr(module, "__path__", ()))
        return bool(folders) and all(is_first_party(os.path.join(folder, "__init__.py")) for folder in folders)
    return is_first_party(file)


@functools.cache
def owner_of_module(module: str) -> str | None:
    """Name of the distribution that brings a top-level module; None for the standard library and builtins."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    bringing = _distributions_by_module().get(top)
    return bringing.metadata["Name"] if bringing is not None else None


@functools.cache
def _distributions_by_module() -> dict[str, importlib.metadata.Distribution]:
    """Top-level module → the first distribution that brings files of it."""
    found: dict[str, importlib.metadata.Distribution] = {}
    for path, bringing in _owners().items():
        for folder in _site_folders():
            if path.startswith(folder):
                found.setdefault(path[len(folder) :].split(os.sep, 1)[0].split(".", 1)[0], bringing)
    return found


@functools.cache
@unobserved()
def identity(name: str) -> tuple[str, ...]:
    """``name==version`` of a distribution and of all that it requires, as installed here.

    A distribution that came from a local path or URL also counts by the digest of its RECORD.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, frozenset[str]())]
    while waiting:
        current, extras = _normalised(waiting[-1][0]), waiting.pop()[1]
        if (current, extras) in seen:
            continue
        seen.add((current, extras))
        try:
            distribution = importlib.metadata.distribution(current)
        except importlib.metadata.PackageNotFoundError:
            continue
        record = distribution.read_text("RECORD") if distribution.read_text("direct_url.json") else None
        suffix = f"@{Digest.of_bytes(record.encode())}" if record else ""
        found[current] = f"{current}=={distribution.version}{suffix}"
        waiting.extend(_requirements(distribution, extras))
    return tuple(found[key] for key in sorted(found))


def _normalised(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _requirements(
    distribution: importlib.metadata.Distribution, extras: frozenset[str]
) -> list[tuple[str, frozenset[str]]]:
    """What a distribution requires, each with the extras it asks for; ``extras`` are those asked of itself."""
    found = []
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append((requirement.name, frozenset(requirement.extras)))
    return found
