"""A function that is told of an event of a pipeline's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from odibi_assets.declare.policies import AlertEvent


@dataclass(frozen=True)
class Hook:
    """What ``@pipeline.on(…)`` declares."""

    event: AlertEvent
    priority: int
    function: Callable[[Any], object]


def in_order(hooks: Iterable[Hook], event: str) -> list[Hook]:
    """The hooks of an event: the highest priority first, as declared where it is equal."""
    return sorted((hook for hook in hooks if hook.event == event), key=lambda hook: -hook.priority)
