"""Sends one message to one channel: a program of its own, so that a channel that hangs can be ended.

It reads ``{"url", "title", "text", "kind"}`` as JSON, so that no URL stands in a list of processes, and
prints why it could not be sent, or nothing.
"""

from __future__ import annotations

import json
import logging
import sys

import apprise

_KINDS = {"recovered": apprise.NotifyType.SUCCESS}


class _Kept(logging.Handler):
    """Apprise tells its reasons only to its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def main() -> int:
    asked = json.load(sys.stdin)
    kept = _Kept()
    logging.basicConfig(handlers=[kept], level=logging.WARNING)
    channel = apprise.Apprise()
    if not channel.add(asked["url"]):
        print("Apprise does not know such a URL")
        return 1
    kind = _KINDS.get(asked["kind"], apprise.NotifyType.FAILURE)
    sent = channel.notify(
        title=asked["title"], body=asked["text"], notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    if not sent:
        print("; ".join(kept.told))
    return 0 if sent else 1


if __name__ == "__main__":
    sys.exit(main())
