"""A front for fake-gcs-server: the XML API's writes, which obstore makes, become uploads of the JSON API.

Conditions are honoured by the server itself, where the upload is of the kind ``multipart``; all
that is no write passes as it is. Arguments: the server's port, the port of this front.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import uuid
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

Headers = Iterable[tuple[str, str]]

SERVER = ("127.0.0.1", int(sys.argv[1])) if len(sys.argv) > 2 else ("127.0.0.1", 0)
PARTS: dict[str, dict[int, bytes]] = {}
_OURS = frozenset({"transfer-encoding", "content-length", "connection", "date"})


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        object_path = re.match(r"/([^/]+)/(.+)", url.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        is_json = url.path.startswith(("/storage/", "/upload/", "/download/"))
        if object_path is None or is_json or self.command in ("GET", "HEAD", "DELETE"):
            self._pass_on(body)
            return
        bucket, name = object_path[1], unquote(object_path[2])
        if self.command == "POST" and "uploads" in query:
            upload = uuid.uuid4().hex
            PARTS[upload] = {}
            self._answer(200, _begun(bucket, upload))
        elif self.command == "PUT" and "partNumber" in query:
            number = int(query["partNumber"][0])
            PARTS[query["uploadId"][0]][number] = body
            self._answer(200, headers=[("ETag", f'"{number}"')])
        elif self.command == "POST" and "uploadId" in query:
            parts = PARTS.pop(query["uploadId"][0])
            self._write(bucket, name, b"".join(parts[number] for number in sorted(parts)), is_multipart=True)
        else:
            self._write(bucket, name, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_: object) -> None:
        pass

    def _pass_on(self, body: bytes) -> None:
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")
        }
        status, answered, found = _ask(self.command, self.path, body or None, headers)
        length = next((value for name, value in answered if name.lower() == "content-length"), None)
        self._answer(status, found, answered, length if self.command == "HEAD" else None)

    def _write(self, bucket: str, name: str, body: bytes, *, is_multipart: bool = False) -> None:
        generation = self.headers.get("x-goog-if-generation-match")
        query = f"uploadType=multipart&name={quote(name, safe='')}"
        if generation:
            query += f"&ifGenerationMatch={generation}"
        boundary = f"=front{uuid.uuid4().hex}"
        encoded = b"--%s\r\ncontent-type: application/json\r\n\r\n%s\r\n--%s\r\n%s\r\n\r\n%s\r\n--%s--" % (
            boundary.encode(),
            json.dumps({"name": name}).encode(),
            boundary.encode(),
            b"content-type: application/octet-stream",
            body,
            boundary.encode(),
        )
        kind = {"content-type": f'multipart/related; boundary="{boundary}"'}
        status, _, found = _ask("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", encoded, kind)
        if status >= 300:
            self._answer(status, found, [("content-type", "application/json")])
            return
        made = json.loads(found)
        etag = f'"{made["md5Hash"]}"'
        headers = [("ETag", etag), ("x-goog-generation", made["generation"])]
        done = "<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>"
        self._answer(200, done.format(etag.replace('"', "&quot;")).encode() if is_multipart else b"", headers)

    def _answer(self, status: int, body: bytes = b"", headers: Headers = (), length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _OURS:
                self.send_header(name, value)
        self.send_header("content-length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _begun(bucket: str, upload: str) -> bytes:
    inner = f"<Bucket>{bucket}</Bucket><Key>k</Key><UploadId>{upload}</UploadId>"
    return f"<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>".encode()


def _ask(
    method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(*SERVER, timeout=300)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Front).serve_forever()
