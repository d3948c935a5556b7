"""What a step's ``retry.on`` names: exception classes, and predicates over exceptions."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.policies import Retry
from odibi_assets.declare.yaml_source import Place
from odibi_assets.identify.reference import BadReference, imported

_EXPECTED = "an exception class, as package.errors.Busy, or a predicate, as package.module:is_busy"


@dataclass(frozen=True)
class RetryOn:
    """One thing that a user declares transient.

    Attributes:
        name: As declared.
        target: An exception class, or a function that takes an exception and returns a bool.
    """

    name: str
    target: type[Exception] | Callable[[BaseException], bool]


def check_retry_on(definition: Definition, place: Place, retry: Retry) -> tuple[RetryOn, ...]:
    """Import what a policy names, noting what can't be found or is neither class nor predicate.

    Args:
        place: Of the policy.
    """
    found = []
    for i, declared in enumerate(retry.on):
        try:
            target = _with_name(declared) if isinstance(declared, str) else declared
            if isinstance(target, type) and not issubclass(target, Exception):
                raise BadReference(str(declared), _EXPECTED)
        except BadReference as error:
            definition.mistake((*place, "on", i), error.found, error.expected, error.nearest)
            continue
        name = declared if isinstance(declared, str) else getattr(declared, "__qualname__", repr(declared))
        found.append(RetryOn(name, target))
    return tuple(found)


def _with_name(name: str) -> Any:
    if ":" in name:
        return imported(name, "predicate")
    target = imported(_with_colon(name), "exception class")
    if not isinstance(target, type):
        raise BadReference(name, _EXPECTED, ":".join(name.rsplit(".", 1)))
    return target


def _with_colon(name: str) -> str:
    """
    >>> _with_colon("urllib.error.URLError"), _with_colon("LookupError"), _with_colon("no.such.Thing")
    ('urllib.error:URLError', 'builtins:LookupError', 'no:such.Thing')
    """
    parts = ["builtins", name] if "." not in name else name.split(".")
    length = 1
    while length < len(parts) - 1 and _is_module(".".join(parts[: length + 1])):
        length += 1
    return f"{'.'.join(parts[:length])}:{'.'.join(parts[length:])}"


def _is_module(name: str) -> bool:
    with contextlib.suppress(Exception):  # whatever the package raises; importing it tells the user
        return importlib.util.find_spec(name) is not None
    return False
