"""A way to a server that can be told to throttle or to cut connections; what passes is the server's own answer."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class UnsteadyWay:
    """
    Attributes:
        throttled: How many of the next requests are answered 503 SlowDown.
        refused_every: Each n-th request is answered with the status ``refused_with``; 0 for none.
        cut: Connections are closed without an answer.
        held: A part of a path: writes to such paths wait until ``release``; the first sets ``is_holding``.
        delay_s: How long each request is on its way.
        requests: Method and path of all that passed, in order.
        most_at_once: How many were on their way at the same time, at most.
    """

    def __init__(self, port: int) -> None:
        self.throttled, self.cut = 0, False
        self.refused_every, self.refused_with, self._count = 0, 503, 0
        self.held: str | None = None
        self.is_holding, self._released = threading.Event(), threading.Event()
        self.delay_s = 0.0
        self.requests: list[tuple[str, str]] = []
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        way = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                with way._on_its_way():
                    self._handle()

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if way.cut:
                    self.close_connection = True
                    return
                if way._is_throttled():
                    self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
                    return
                if way._is_refused():
                    self._answer(way.refused_with, [], b"<Error><Code>InternalError</Code></Error>")
                    return
                if way.held is not None and self.command == "PUT" and way.held in self.path:
                    way.is_holding.set()
                    way._released.wait()
                way.requests.append((self.command, self.path))
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                try:
                    # The host is signed, so it stays what the client said.
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        connection.putheader(name, value)
                    connection.endheaders(body or None)
                    answer = connection.getresponse()
                    found = answer.read()
                    self._answer(answer.status, answer.getheaders(), found)
                except OSError:
                    self.close_connection = True
                finally:
                    connection.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def _answer(self, status: int, headers: Any, body: bytes) -> None:
                self.send_response(status)
                length = str(len(body))
                for name, value in headers:
                    if name.lower() == "content-length":
                        length = value
                    elif name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("content-length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Let the writes pass that are held, and all that follow."""
        self._released.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def _on_its_way(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(self.delay_s)
        yield
        with self._lock:
            self._now -= 1

    def _is_refused(self) -> bool:
        with self._lock:
            self._count += 1
            return self.refused_every > 0 and self._count % self.refused_every == 0

    def _is_throttled(self) -> bool:
        with self._lock:
            if self.throttled <= 0:
                return False
            self.throttled -= 1
            return True
