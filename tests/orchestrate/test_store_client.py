"""Dagster's resources open a store as the variables do."""

from __future__ import annotations

import uuid
from pathlib import Path

import dagster as dg
import kept
import pytest
from dagster_aws.s3 import S3Resource
from dagster_azure.adls2 import ADLS2Key, ADLS2Resource, ADLS2SASToken
from dagster_azure.blob import (
    AzureBlobStorageDefaultCredential,
    AzureBlobStorageKeyCredential,
    AzureBlobStorageResource,
    AzureBlobStorageSASTokenCredential,
)
from dagster_gcp.gcs import GCSResource
from google.auth.credentials import AnonymousCredentials
from servers.azurite import KEY as AZURE_KEY
from servers.azurite import Azurite
from servers.fake_gcs import FakeGCS
from servers.s3 import KEY, SECRET
from servers.seaweedfs import SeaweedFS

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import UsageError
from odibi_assets.keep import bucket_client
from odibi_assets.keep.results import open_results
from odibi_assets.orchestrate.store_client import settings_from


def root(url: str, folder: Path) -> BucketRoot:
    return BucketRoot.of(url, local=folder / "local", spool=folder / "spool", env={})


def opens(client: object, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Does a result go there and come back, with nothing but the resource to say how?"""
    monkeypatch.setattr(bucket_client, "_given", lambda found: settings_from(client, found))
    result = kept.store(open_results(root(url, folder)), kept.key(), kept.table(1))
    return kept.verified(open_results(root(url, folder)), result.reference) == [{"n": 1}]


def test_an_s3_resource_opens_the_store(seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = seaweedfs.make_bucket(f"resource-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    resource = S3Resource(
        endpoint_url=seaweedfs.endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=dg.EnvVar("SHOP_SECRET"),
    )
    assert opens(resource, f"s3://{bucket}/x", tmp_path, monkeypatch)


def test_a_blob_storage_resource_with_a_key_opens_the_store(
    azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = azurite.make_container(f"resource-{uuid.uuid4().hex[:8]}")
    resource = AzureBlobStorageResource(
        account_url=azurite.endpoint, credential=AzureBlobStorageKeyCredential(key=AZURE_KEY)
    )
    assert opens(resource, f"az://{container}/x", tmp_path, monkeypatch)


def test_a_blob_storage_resource_with_a_sas_token_opens_the_store(
    azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = azurite.make_container(f"resource-{uuid.uuid4().hex[:8]}")
    resource = AzureBlobStorageResource(
        account_url=azurite.endpoint,
        credential=AzureBlobStorageSASTokenCredential(token=azurite.sas_token(container)),
    )
    assert opens(resource, f"az://{container}/x", tmp_path, monkeypatch)


def test_an_adls2_resource_names_account_and_credential(tmp_path: Path) -> None:
    """No server speaks its endpoint here."""
    by_key = settings_from(
        ADLS2Resource(storage_account="account", credential=ADLS2Key(key="word")), root("az://c", tmp_path)
    )
    assert by_key.config == {"account_name": "account", "account_key": "word"}
    by_token = settings_from(
        ADLS2Resource(storage_account="account", credential=ADLS2SASToken(token="word")), root("az://c", tmp_path)
    )
    assert by_token.config == {"account_name": "account", "sas_key": "word"}


def test_azures_default_credential_is_asked_when_it_is_needed(tmp_path: Path) -> None:
    found = settings_from(
        AzureBlobStorageResource(
            account_url="https://account.blob.core.windows.net",
            credential=AzureBlobStorageDefaultCredential(kwargs={"exclude_environment_credential": True}),
        ),
        root("az://c", tmp_path),
    )
    assert found.config["account_name"] == "account"
    assert found.credentials is not None


def test_a_gcs_resource_opens_the_store(fake_gcs: FakeGCS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = fake_gcs.make_bucket(f"resource-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake_gcs.endpoint)
    assert opens(GCSResource(project="p"), f"gs://{bucket}/x", tmp_path, monkeypatch)


def test_googles_credentials_are_asked_when_they_are_needed(tmp_path: Path) -> None:
    assert settings_from(AnonymousCredentials(), root("gs://b", tmp_path)).credentials is not None


@pytest.mark.parametrize(("url", "expected"), [("az://c", "AzureBlobStorageResource"), ("gs://b", "GCSResource")])
def test_a_resource_of_another_cloud_is_a_usage_error(tmp_path: Path, url: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        settings_from(S3Resource(), root(url, tmp_path))


def test_something_else_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected S3Resource"):
        settings_from(object(), root("s3://b", tmp_path))
