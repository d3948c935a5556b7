"""A value as a reason shows it: short, and without anything that stands in the environment."""

from __future__ import annotations

import os

from odibi_assets.identify.observing import unobserved


def safe_repr(value: object, *, limit: int = 60) -> str:
    """A value as a reason shows it; nothing that stands in the environment, which may be a secret."""
    try:
        text = repr(value)
    except Exception as error:  # a user's own __repr__
        return f"<{type(value).__qualname__}, whose repr raises {type(error).__name__}>"
    with unobserved():
        held = any(len(secret) >= 6 and secret in text for secret in os.environ.values())
    if held:
        return "(holds a value of the environment)"
    return text if len(text) <= limit else text[: limit - 1] + "…"
