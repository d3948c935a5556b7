"""A reference from YAML to something that is callable in a module of the user's."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import typing
from collections.abc import Callable
from typing import Any


class BadReference(Exception):
    """A reference that leads to no function; says what was found and what was expected."""

    def __init__(self, found: str, expected: str, nearest: str | None = None) -> None:
        super().__init__(f"found {found!r}, expected {expected}")
        self.found, self.expected, self.nearest = found, expected, nearest


def imported(reference: str, what: str = "function") -> Callable[..., Any]:
    """Import what ``module:name`` stands for: a function, or a class.

    Args:
        what: How messages name what is expected.

    Raises:
        BadReference: There is no such module, or it has no such thing.
    """
    a_what = f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
    module_name, colon, name = reference.partition(":")
    if not colon or not module_name or not name:
        raise BadReference(reference, f"module:{what}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            near = _near_module(error.name)
            nearest = reference.replace(error.name, near, 1) if near else None
            raise BadReference(
                reference, f"an importable module (there is no module {error.name!r})", nearest
            ) from error
        raise BadReference(reference, f"a module that can be imported ({module_name} needs {error.name!r})") from error
    except (Exception, SystemExit) as error:  # the user's module, whatever it raises
        raise BadReference(reference, f"a module that can be imported ({type(error).__name__}: {error})") from error
    target: Any = module
    parts = name.split(".")
    for i, part in enumerate(parts):
        if not hasattr(target, part):
            names = [key for key in dir(target) if not key.startswith("_") and callable(getattr(target, key, None))]
            close = difflib.get_close_matches(part, names, n=1, cutoff=0.5)
            raise BadReference(
                reference,
                f"{a_what} of {module_name}",
                f"{module_name}:{'.'.join([*parts[:i], close[0]])}" if close else None,
            )
        target = getattr(target, part)
    if not callable(target):
        raise BadReference(reference, f"{a_what}, not a {type(target).__name__}")
    return typing.cast("Callable[..., Any]", target)


def _near_module(name: str) -> str | None:
    """The module beside it that reads most like a name that is not there."""
    parent, _, leaf = name.rpartition(".")
    folders = list(getattr(sys.modules.get(parent), "__path__", ())) if parent else sys.path[:2]
    close = difflib.get_close_matches(leaf, [module.name for module in pkgutil.iter_modules(folders)], n=1, cutoff=0.6)
    return f"{parent}.{close[0]}".lstrip(".") if close else None
