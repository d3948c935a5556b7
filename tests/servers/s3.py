"""A server that speaks S3, and clients of it."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from obstore.store import S3Store

KEY, SECRET = "test-access-key", "test-secret-key-of-the-bucket"


class S3Server:
    """Where a server is found, and what its users are told.

    Attributes:
        port: On loopback.
    """

    port: int

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
