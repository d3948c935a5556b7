"""The store in a bucket passes the contract on real servers that speak S3, Azure Blob and Google Cloud Storage."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from servers.azurite import Azurite
from servers.fake_gcs import FakeGCS
from servers.s3 import client
from servers.seaweedfs import SeaweedFS

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.keep.bucket_client import settings_of
from odibi_assets.keep.object_store import ObjectStore
from odibi_assets.keep.opening import open_bucket
from odibi_assets.keep.store import Store
from odibi_assets.testing import StoreContract


def root_of(url: str, folder: Path, env: dict[str, str]) -> BucketRoot:
    return BucketRoot.of(url, local=folder / "local", spool=folder / "spool", env=env)


def open_plain(url: str, folder: Path, env: dict[str, str]) -> ObjectStore:
    root = root_of(url, folder, env)
    return ObjectStore(root, settings_of(root), folder / "local")


def open_tiered(url: str, folder: Path, env: dict[str, str]) -> Store:
    return open_bucket(root_of(url, folder, env))


class BucketContract(StoreContract):
    """The contract, on a prefix of its own for each test."""

    @pytest.fixture
    def store(self, bucket: tuple[Any, str, str], tmp_path: Path) -> Any:
        server, scheme, name = bucket
        return open_plain(f"{scheme}://{name}/{uuid.uuid4().hex}/x", tmp_path, server.env)

    @pytest.fixture(autouse=True)
    def _medium(self, bucket: tuple[Any, str, str], tmp_path: Path) -> None:
        self.server, _, self.bucket_name = bucket
        self.folder = tmp_path

    def opener(self, store: Any) -> Any:
        return partial(open_plain, store.name, self.folder / "another", self.server.env)

    def place(self, store: Any, name: str) -> str:
        """The object's name in the bucket."""
        return f"{store.name.split('/', 3)[3]}/{name}"


class TestS3(BucketContract):
    rounds = 1  # SeaweedFS makes whoever loses wait for a second.

    @pytest.fixture(scope="class")
    def bucket(self, seaweedfs: SeaweedFS) -> tuple[Any, str, str]:
        return seaweedfs, "s3", seaweedfs.make_bucket(f"contract-{uuid.uuid4().hex[:8]}")

    def raw_get(self, store: Any, name: str) -> bytes | None:
        ours = client(self.server.endpoint)
        try:
            found: bytes = ours.get_object(Bucket=self.bucket_name, Key=self.place(store, name))["Body"].read()
        except ours.exceptions.NoSuchKey:
            return None
        return found

    def raw_put(self, store: Any, name: str, data: bytes) -> None:
        client(self.server.endpoint).put_object(Bucket=self.bucket_name, Key=self.place(store, name), Body=data)


class TestTieredS3(TestS3):
    """With the folders of this machine before it, nothing in the contract changes."""

    # Who wins, and what a list holds, is decided in the bucket, and tried there.
    test_a_thousand_objects_are_listed_completely = None  # type: ignore[assignment]
    test_concurrent_swaps_of_threads_lose_no_update = None  # type: ignore[assignment]
    test_concurrent_swaps_of_processes_lose_no_update = None  # type: ignore[assignment]
    test_of_16_threads_that_create_one_name_exactly_one_succeeds = None  # type: ignore[assignment]
    test_of_4_processes_that_create_one_name_exactly_one_succeeds = None  # type: ignore[assignment]
    test_of_creates_and_swaps_from_nothing_exactly_one_succeeds = None  # type: ignore[assignment]

    @pytest.fixture
    def store(self, bucket: tuple[Any, str, str], tmp_path: Path) -> Any:
        server, scheme, name = bucket
        return open_tiered(f"{scheme}://{name}/{uuid.uuid4().hex}/x", tmp_path, server.env)

    def opener(self, store: Any) -> Any:
        return partial(open_tiered, store.name, self.folder / "another", self.server.env)


class TestAzure(BucketContract):
    @pytest.fixture(scope="class")
    def bucket(self, azurite: Azurite) -> tuple[Any, str, str]:
        return azurite, "az", azurite.make_container(f"contract-{uuid.uuid4().hex[:8]}")

    def raw_get(self, store: Any, name: str) -> bytes | None:
        blob = self.server.client.get_blob_client(self.bucket_name, self.place(store, name))
        return blob.download_blob().readall() if blob.exists() else None

    def raw_put(self, store: Any, name: str, data: bytes) -> None:
        blob = self.server.client.get_blob_client(self.bucket_name, self.place(store, name))
        blob.upload_blob(data, overwrite=True)


class TestGoogle(BucketContract):
    rounds = 3

    @pytest.fixture(scope="class")
    def bucket(self, fake_gcs: FakeGCS) -> tuple[Any, str, str]:
        return fake_gcs, "gs", fake_gcs.make_bucket(f"contract-{uuid.uuid4().hex[:8]}")

    def raw_get(self, store: Any, name: str) -> bytes | None:
        found: bytes | None = self.server.get(self.bucket_name, self.place(store, name))
        return found

    def raw_put(self, store: Any, name: str, data: bytes) -> None:
        self.server.put(self.bucket_name, self.place(store, name), data)
