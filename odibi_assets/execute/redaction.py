"""Values that must not be shown are replaced before a text leaves the step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.template import env_names

_SHORTEST = 4


def secret_values(pipeline: Pipeline, env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of every environment variable that the pipeline takes, by template or ``env``, longest first."""
    names: set[str] = set()
    for step in pipeline.steps:
        data: list[Any] = [step.params, step.command, step.sql if isinstance(step.sql, str) else None]
        data += [step.read.path, step.read.options] if step.read is not None else []
        names |= env_names(data) | set(step.env)
    values = {env[name] for name in names if name in env and len(env[name]) >= _SHORTEST}
    return tuple(sorted(values, key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced.

    >>> redacted("token s3cret refused", ["s3cret"])
    'token *** refused'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class RedactingLog(logging.LoggerAdapter[logging.Logger]):
    """A log in which secrets are replaced."""

    def __init__(self, logger: logging.Logger, secrets: Iterable[str]) -> None:
        super().__init__(logger)
        self._secrets = tuple(secrets)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            text = str(msg) % args if args else str(msg)
            self.logger.log(level, "%s", redacted(text, self._secrets), **kwargs)
