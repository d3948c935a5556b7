"""A channel is an Apprise URL; what is said about it never holds the URL, or a part of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from odibi_assets.declare.template import fill_env
from odibi_assets.errors import UsageError
from odibi_assets.execute.event import Event
from odibi_assets.execute.redaction import redacted

LIMIT_S = 15.0
"""Seconds that a message may take; what takes longer is ended."""

_SHORTEST_PART = 3


@dataclass(frozen=True)
class Channel:
    """Where a message goes.

    Attributes:
        position: Among the pipeline's alerts, from 1: how messages name it.
        template: The URL as declared.
    """

    position: int
    template: str = field(repr=False)

    def send(self, event: Event, env: Mapping[str, str], *, limit_s: float = LIMIT_S) -> str | None:
        """Send a message; returns why it could not be sent, without the URL."""
        try:
            url = fill_env(self.template, env)
        except UsageError as error:
            return re.sub(r", and the definition uses it.*", ".", str(error))
        asked = {"url": url, "title": event.title, "text": event.text, "kind": event.kind}
        # -P: a file of the project that is called as a library must not stand in for it.
        command = [sys.executable, "-P", "-m", "odibi_assets.execute.send"]
        try:
            done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            return f"it took longer than {limit_s:g} seconds."
        except OSError as error:
            return f"{error.strerror}."
        if done.returncode == 0:
            return None
        return redacted(done.stdout.strip() or "the program that sends it ended early", _parts(url))[:500]


def _parts(url: str) -> list[str]:
    """A URL and all the pieces of it that a message could repeat, the longest first."""
    rest = url.partition("://")[2]
    pieces = {url, rest, *re.split(r"[/:@?&=#,+]+", rest)}
    pieces |= {unquote(piece) for piece in pieces}
    return sorted((piece for piece in pieces if len(piece) >= _SHORTEST_PART), key=len, reverse=True)
