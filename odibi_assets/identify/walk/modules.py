"""Modules: all that one holds, what they do at their top level, and their text."""

from __future__ import annotations

import types

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.effects import effects_of, imported_modules, module_digest, source_digest, sources_below
from odibi_assets.identify.item import Item
from odibi_assets.identify.source_loader import source_of
from odibi_assets.identify.walk.names import add_named, name_reached
from odibi_assets.identify.walk.walk import Walk, annotations_of, label


def add_module(walk: Walk, name: str, module: types.ModuleType, place: str | None) -> object:
    """Add a module as a whole, whose names the code may take one by one."""
    if not is_first_party_module(module):
        walk.add_distribution(module.__name__, name)
    else:
        walk.note_module(module.__name__)
        bound = []
        for key, value in list(vars(module).items()):
            if not (key.startswith("__") and key.endswith("__")) and not isinstance(value, types.ModuleType):
                add_named(walk, key, value, module, vars(module), walk.assignment(module, key) or place or "")
                bound.append((key, name_reached(walk, value)))
        names = Digest.of_struct("names", sorted((key, name) for key, name in bound if name is not None))
        walk.result.items[f"{label(module.__name__)} (names)"] = Item(names, "module", place=place)
    return ("module", module.__name__)


def add_effects(walk: Walk) -> None:
    """Add the top-level effects of every first-party module that is loaded for this code."""
    modules = imported_modules(walk.result.modules.values(), is_first_party_module)
    if walk.whole_modules:
        for name, module in modules.items():
            digest = module_digest(module)
            if digest is not None:
                walk.result.items[f"{label(name)} (whole)"] = Item(
                    digest, "module", place=walk.relative(module.__file__ or "")
                )
    if walk.result.computes_imports:
        for file in sources_below(walk.root):
            path = walk.relative(file)
            walk.result.items[f"{path} (whole)"] = Item(source_digest(file), "module", place=path)
    for name, module in modules.items():
        walk.result.modules.setdefault(name, module)
        for number, effect in enumerate(effects_of(module), 1):
            where = walk.place(module.__file__ or "", effect.line)
            walk.result.items[f"{label(name)} effect {number}"] = Item(
                effect.digest, "effect", shown=effect.text, place=where
            )
            for reference in effect.names:
                if reference in vars(module):
                    add_named(walk, reference, vars(module)[reference], None, vars(module), where)


def add_told(walk: Walk) -> None:
    """Add what the code asks of functions and classes beside what they do: documentation, annotations, text."""
    if not walk.tells:
        return
    for value, name in list(walk.seen.values()):
        if name in walk.result.items and isinstance(value, (types.FunctionType, type)):
            told = Digest.of_struct("told", [value.__doc__, annotations_of(value)])
            walk.result.items[f"{name} (told)"] = Item(told, "value", place=walk.result.items[name].place)
    if "text" in walk.tells:
        for name, module in imported_modules(walk.result.modules.values(), is_first_party_module).items():
            source = source_of(module)
            if source is not None:
                place = walk.relative(source.path)
                walk.result.items[f"{label(name)} (text)"] = Item(source.digest, "module", place=place)
