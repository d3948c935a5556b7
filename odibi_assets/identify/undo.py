"""The function that undoes a step's side effects: a policy, whose code is in no key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.step import Step
from odibi_assets.declare.yaml_source import Place
from odibi_assets.identify.reference import BadReference, imported

_ONE = "a function of one argument, the UndoContext"


def resolve_undo(reference: str | Callable[..., Any]) -> Callable[..., Any]:
    """Import the function behind ``module:function``; it must take one argument.

    Raises:
        BadReference: There is no such module or function, or it takes other arguments.
    """
    function = reference if callable(reference) else imported(reference)
    shown = reference if isinstance(reference, str) else getattr(reference, "__name__", repr(reference))
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError) as error:
        raise BadReference(shown, f"{_ONE} ({error})") from error
    return function


def check_undo(definition: Definition, place: Place, step: Step) -> Callable[..., Any] | None:
    """Resolve a step's ``rollback``, noting what is wrong with it."""
    if step.rollback is None:
        return None
    try:
        return resolve_undo(step.rollback)
    except BadReference as error:
        definition.mistake((*place, "rollback"), error.found, error.expected, error.nearest)
        return None
