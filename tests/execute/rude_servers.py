"""Servers of loopback that answer as badly as real ones do on a bad day."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import re
import socket
import ssl
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class RudeServers:
    """Ports: each attribute says what happens to who connects.

    Attributes:
        nobody: Nobody listens.
        silent: It takes what is sent, and never answers.
        closing: It hangs up.
        resetting: It hangs up without good manners.
        half_answer: HTTP that ends before its length.
        half_chunk: HTTP that ends within a chunk.
        http: HTTP that answers with the status in the path.
        tls: HTTPS with a certificate that nobody trusts.
    """

    def __init__(self, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.nobody: int = found.getsockname()[1]
        self.silent = self._listening(lambda connection: _drained(connection))
        self.closing = self._listening(lambda connection: None)
        self.resetting = self._listening(_reset)
        head = b"HTTP/1.1 200 OK\r\n"
        self.half_answer = self._listening(_saying(head + b"Content-Length: 100\r\n\r\nhalf"))
        self.half_chunk = self._listening(_saying(head + b"Transfer-Encoding: chunked\r\n\r\n40\r\nhalf"))
        self.http = self._http(None)
        self.tls = self._http(_untrusted(folder))

    def url(self, status: int, after: str = "") -> str:
        """An address that is answered with a status, and with what Retry-After says."""
        asked = f"?after={urllib.parse.quote(after)}" if after else ""
        return f"http://127.0.0.1:{self.http}/status/{status}{asked}"

    @contextlib.contextmanager
    def saying(self, greeting: bytes) -> Iterator[int]:
        """The port of a server that says something to whoever connects, and hangs up when they do."""
        yield self._listening(_greeting(greeting))

    def close(self) -> None:
        self._stack.close()

    def _listening(self, answer: Callable[[socket.socket], object]) -> int:
        server = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                answer(connection)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()

        self._stack.callback(server.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=accept, daemon=True).start()
        port: int = server.getsockname()[1]
        return port

    def _http(self, context: ssl.SSLContext | None) -> int:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        return server.server_port


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = re.search(r"/status/(\d+)/?(\w*)", self.path)
        status, code = (int(found[1]), found[2]) if found else (200, "")
        body = f"<Error><Code>{code}</Code><Message>as asked for</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", self.path)
        if (after := re.search(r"after=([^&]+)", self.path)) is not None:
            self.send_header("Retry-After", urllib.parse.unquote(after[1]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _drained(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _saying(answer: bytes) -> Callable[[socket.socket], object]:
    def say(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return say


def _greeting(greeting: bytes) -> Callable[[socket.socket], object]:
    def greet(connection: socket.socket) -> None:
        connection.sendall(greeting)
        _drained(connection)

    return greet


def _untrusted(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "certificate.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
