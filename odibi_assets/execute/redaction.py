"""Values that must not be shown are replaced before a text leaves the step."""

from __future__ import annotations

import contextlib
import logging
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.template import env_names

_SHORTEST = 4


def secret_values(pipeline: Pipeline, env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of every environment variable that the pipeline takes, by template or ``env``, longest first."""
    names: set[str] = set()
    for step in pipeline.steps:
        data: list[Any] = [step.params, step.command, step.sql if isinstance(step.sql, str) else None]
        data += [step.read.path, step.read.url, step.read.headers, step.read.options] if step.read is not None else []
        names |= env_names(data) | set(step.env)
    names |= env_names([alert.url.get_secret_value() for alert in pipeline.alerts])
    values = {env[name] for name in names if name in env and len(env[name]) >= _SHORTEST}
    # In an address they may stand encoded.
    values |= {urllib.parse.quote(value, safe="") for value in values}
    return tuple(sorted(values, key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced.

    >>> redacted("token s3cret refused", ["s3cret"])
    'token *** refused'
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class _RedactingStream:
    """A text stream in which secrets are replaced; all else is the stream's own."""

    def __init__(self, stream: TextIO, secrets: Sequence[str]) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        self._stream.write(redacted(text, self._secrets))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def redacting(secrets: Sequence[str]) -> Iterator[None]:
    """Replace secrets in what Python code prints and logs meanwhile, whoever handles it.

    What a library writes to the file descriptor past ``sys.stdout``, and a secret printed in pieces, is not seen.
    """
    if not secrets:
        yield
        return
    make = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        with contextlib.suppress(TypeError, ValueError):  # The handler meets a wrong format again, and says so.
            told = record.getMessage()
            if redacted(told, secrets) != told:
                record.msg, record.args = redacted(told, secrets), ()
        return record

    logging.setLogRecordFactory(made)
    out: Any = _RedactingStream(sys.stdout, secrets)
    err: Any = _RedactingStream(sys.stderr, secrets)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        logging.setLogRecordFactory(make)


class RedactingLog(logging.LoggerAdapter[logging.Logger]):
    """A log in which secrets are replaced."""

    def __init__(self, logger: logging.Logger, secrets: Iterable[str]) -> None:
        super().__init__(logger)
        self.secrets = tuple(secrets)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            text = str(msg) % args if args else str(msg)
            self.logger.log(level, "%s", redacted(text, self.secrets), **kwargs)
