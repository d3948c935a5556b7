"""Receivers of alerts on loopback: a webhook and a mail server, in threads of the test's process."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class _Serving:
    """A server that runs while it is entered."""

    server: socketserver.BaseServer

    @property
    def port(self) -> int:
        address: Any = self.server.server_address
        return int(address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


class Webhook(_Serving):
    """Keeps every JSON document that is posted to it.

    Attributes:
        status: What it answers with.
        before_answer: Called before each answer: may wait.
    """

    def __init__(self, status: int = 200, before_answer: Callable[[], object] = lambda: None) -> None:
        self.received: list[dict[str, Any]] = []
        self.paths: list[str] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.append(json.loads(body))
                webhook.paths.append(self.path)
                before_answer()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def url(self, path: str = "hook") -> str:
        """As Apprise names it."""
        return f"json://127.0.0.1:{self.port}/{path}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]


class MailServer(_Serving):
    """Takes every mail, and keeps it as it came; speaks as much SMTP as that needs (RFC 5321)."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        kept = self.mails

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say("220 loopback")
                while line := self.rfile.readline().decode():
                    command = line.strip().upper()
                    if command == "DATA":
                        self.say("354 go on")
                        lines: list[str] = []
                        while (text := self.rfile.readline().decode()) != ".\r\n":
                            lines.append(text.removeprefix(".") if text.startswith("..") else text)
                        kept.append("".join(lines))
                    self.say("221 bye" if command == "QUIT" else "250 ok")
                    if command == "QUIT":
                        return

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)

    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=oda@shop.test&to=ann@shop.test&mode=insecure"
