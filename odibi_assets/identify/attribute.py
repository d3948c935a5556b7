"""Attributes of objects some of which make one up for every name that they are asked for: ``polars.col``, proxies."""

from __future__ import annotations

import inspect
import types
from typing import Any


def text_attribute(value: object, *names: str) -> str | None:
    """The first of some attributes that is a text."""
    for name in names:
        found = real_attribute(value, name)
        if isinstance(found, str):
            return found
    return None


def real_attribute(value: object, name: str) -> Any:
    """An attribute that an object or its class has; None if it has none, or would make one up."""
    missing = object()
    if isinstance(value, types.MethodType):
        return getattr(value, name, None)  # it has those of its function
    if inspect.getattr_static(value, name, missing) is missing:
        return None
    try:
        return getattr(value, name)
    except Exception:  # a property of the object's own
        return None
