"""The errors that odibi-assets reports, as their classes tell."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import odibi_assets
from odibi_assets.errors import OdibiAssetsError

_NOT_IMPORTED = ("odibi_assets.testing", "odibi_assets.defs", "odibi_assets.new_project", "odibi_assets.__main__")


def errors() -> str:
    """A table of all children of ``OdibiAssetsError``, each below its parent."""
    for module in pkgutil.walk_packages(odibi_assets.__path__, "odibi_assets."):
        if not module.name.startswith(_NOT_IMPORTED):
            importlib.import_module(module.name)
    rows = [
        f"| {'&emsp;' * depth}`{error.__name__}` | {error.exit_code} | {_about(error)} |"
        for depth, error in _below(OdibiAssetsError)
    ]
    return "\n".join(["| error | exit status | says that |", "|---|---|---|", *rows])


def _below(error: type[OdibiAssetsError], depth: int = 0) -> Iterator[tuple[int, type[OdibiAssetsError]]]:
    yield depth, error
    for child in sorted(error.__subclasses__(), key=lambda child: child.__name__):
        yield from _below(child, depth + 1)


def _about(error: type[OdibiAssetsError]) -> str:
    return " ".join(inspect.cleandoc(error.__doc__ or "").split("\n\n")[0].replace("``", "`").split())
