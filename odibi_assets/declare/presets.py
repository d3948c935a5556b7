"""Presets: one word that stands for policies which the pipeline does not say itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["development", "production", "production-critical", "streaming", "one-off"]
Values = Mapping[str, Any]

MEANT_FOR: Mapping[str, str] = {
    "development": "trying things out: it stops at the first failure and says what it is",
    "production": "what runs by schedule: a failure of the moment is tried again, and holds back only what needs it",
    "production-critical": "results that must not be lost: each step is stored before the next begins, and kept long",
    "streaming": "what is always new: nothing is reused, and what is finished is published every minute",
    "one-off": "a single job: nothing in its history is kept for long",
}

PRESETS: Mapping[str, Values] = {
    "development": {
        "checkpoint": {"mode": "auto"},
        "cache": {"enabled": True},
        "retry": {"max_retries": 0},
        "on_error": "fail_fast",
    },
    "production": {
        "checkpoint": {"mode": "layer"},
        "cache": {"enabled": True},
        "retry": {"max_retries": 3, "delay": 5, "backoff": "exponential", "jitter": "full", "max_delay": 300},
        "on_error": "continue",
    },
    "production-critical": {
        "checkpoint": {"mode": "auto"},
        "cache": {"enabled": True},
        "retry": {"max_retries": 5, "delay": 10, "backoff": "exponential", "jitter": "full", "max_delay": 600},
        "on_error": "fail_fast",
        "retention": {"results": 20, "snapshots": 200, "grace_days": 30},
    },
    "streaming": {
        "checkpoint": {"mode": "interval"},
        "cache": {"enabled": False},
        "retry": {"max_retries": 5, "delay": 1, "backoff": "exponential", "jitter": "full", "max_delay": 60},
        "on_error": "continue",
    },
    "one-off": {
        "checkpoint": {"mode": "auto"},
        "cache": {"enabled": True},
        "retry": {"max_retries": 1, "delay": 5},
        "on_error": "fail_fast",
        "retention": {"results": 1, "snapshots": 5, "grace_days": 1},
    },
}


def expanded(data: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline's data with what its preset fills in, field by field; what the pipeline says stands.

    >>> expanded({"preset": "one-off", "on_error": "continue", "retry": {"max_retries": 2}})["retry"]
    {'max_retries': 2, 'delay': 5}
    """
    filled = dict(data)
    preset = data.get("preset")
    for name, value in PRESETS.get(preset, {}).items() if isinstance(preset, str) else ():
        given = data.get(name)
        if name not in data:
            filled[name] = value
        elif isinstance(given, Mapping) and isinstance(value, Mapping):
            filled[name] = {**value, **given}
    return filled
