"""A source of files over HTTP on loopback, which fails as it is told to."""

from __future__ import annotations

import email.utils
import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from .receivers import _Serving

Fault = Literal["500", "404", "429", "reset", "stall", "truncated", "cut chunks"]


@dataclass
class File:
    """What lies at a path.

    Attributes:
        etag: None to send none.
        changed_at: Seconds since the epoch, None to send no Last-Modified.
        leads_to: An address to redirect to.
        is_packed: Sent with ``Content-Encoding: gzip``.
    """

    body: bytes = b""
    etag: str | None = None
    changed_at: float | None = None
    leads_to: str | None = None
    is_packed: bool = False


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    status: int = 0


@dataclass
class HttpSource(_Serving):
    """
    Attributes:
        files: Path without query → file.
        faults: What happens to the next requests, in order.
        sent_bytes: Of bodies.
        before_answer: Called before each answer.
    """

    files: dict[str, File] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    retry_after: str = "0"
    requests: list[Request] = field(default_factory=list)
    sent_bytes: int = 0
    before_answer: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        source = self
        self.over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()})
                source.requests.append(request)
                source.before_answer()
                fault = source.faults.pop(0) if source.faults else None
                file = source.files.get(self.path.partition("?")[0])
                if fault == "reset":
                    self._reset()
                elif fault == "stall":
                    source.over.wait()
                    self.close_connection = True
                elif fault in ("404", "429", "500"):
                    headers = {"Retry-After": source.retry_after} if fault == "429" else {}
                    self._answer(request, int(fault), b"sorry", headers)
                elif file is None:
                    self._answer(request, 404, b"", {})
                elif file.leads_to is not None:
                    self._answer(request, 302, b"", {"Location": file.leads_to})
                elif self._has(file):
                    self._answer(request, 304, None, {"ETag": file.etag} if file.etag else {})
                elif fault == "cut chunks":
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(file.body) // 2, file.body[: len(file.body) // 2]))
                    self.close_connection = True
                else:
                    self._send(request, file, is_whole=fault != "truncated")

            def _has(self, file: File) -> bool:
                if file.etag is not None and self.headers["If-None-Match"] is not None:
                    return bool(self.headers["If-None-Match"] == file.etag)
                since = self.headers["If-Modified-Since"]
                if file.changed_at is None or since is None:
                    return False
                return email.utils.parsedate_to_datetime(since).timestamp() >= int(file.changed_at)

            def _send(self, request: Request, file: File, *, is_whole: bool) -> None:
                headers = {"ETag": file.etag} if file.etag else {}
                if file.changed_at is not None:
                    headers["Last-Modified"] = email.utils.formatdate(file.changed_at, usegmt=True)
                body = gzip.compress(file.body) if file.is_packed else file.body
                if file.is_packed:
                    headers["Content-Encoding"] = "gzip"
                self._answer(request, 200, body, headers, is_whole=is_whole)

            def _answer(
                self,
                request: Request,
                status: int,
                body: bytes | None,
                headers: dict[str, Any],
                *,
                is_whole: bool = True,
            ) -> None:
                request.status = status
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if body is not None:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                sent = (body or b"")[: None if is_whole else len(body or b"") // 2]
                self.wfile.write(sent)
                source.sent_bytes += len(sent)
                self.close_connection = self.close_connection or not is_whole

            def _reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.rfile.close()  # it holds the connection open
                self.connection.close()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def __exit__(self, *about: Any) -> None:
        self.over.set()
        super().__exit__(*about)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, body: bytes | str, **about: Any) -> str:
        """Lay a file at a path; returns its address."""
        self.files[path] = File(body.encode() if isinstance(body, str) else body, **about)
        return self.url(path)


def long_ago() -> float:
    return time.time() - 3600
