"""What a bucket's client is told, by the variables that users of each cloud know."""

from __future__ import annotations

import uuid
from pathlib import Path

import kept
import pytest
from servers.azurite import ACCOUNT, KEY, Azurite
from servers.s3 import KEY as S3_KEY
from servers.s3 import SECRET
from servers.seaweedfs import SeaweedFS

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import UsageError
from odibi_assets.keep.bucket_client import settings_of
from odibi_assets.keep.results import open_results


def root(url: str, folder: Path, **env: str) -> BucketRoot:
    return BucketRoot.of(url, local=folder / "local", spool=folder / "spool", env={"HOME": str(folder), **env})


def opens(found: BucketRoot) -> bool:
    """Does a result go there and come back?"""
    result = kept.store(open_results(found), kept.key(), kept.table(1))
    return kept.verified(open_results(found), result.reference) == [{"n": 1}]


def test_a_profile_of_the_aws_files_opens_the_store(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    bucket = seaweedfs.make_bucket(f"profile-{uuid.uuid4().hex[:8]}")
    files = tmp_path / ".aws"
    files.mkdir()
    (files / "credentials").write_text(f"[shop]\naws_access_key_id = {S3_KEY}\naws_secret_access_key = {SECRET}\n")
    (files / "config").write_text("[profile shop]\nregion = us-east-1\n")
    code_env = {
        "AWS_SHARED_CREDENTIALS_FILE": str(files / "credentials"),
        "AWS_CONFIG_FILE": str(files / "config"),
        "AWS_PROFILE": "shop",
        "AWS_ENDPOINT_URL": seaweedfs.endpoint,
    }
    with pytest.MonkeyPatch.context() as patch:  # boto3 reads the process's own variables.
        for name, value in code_env.items():
            patch.setenv(name, value)
        assert opens(root(f"s3://{bucket}", tmp_path, **code_env))


def test_a_profile_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        settings_of(root("s3://bucket", tmp_path, AWS_PROFILE="nobody"))


def test_keys_in_variables_stand_above_a_profile(tmp_path: Path) -> None:
    found = settings_of(
        root("s3://bucket", tmp_path, AWS_PROFILE="nobody", AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="word")
    )
    assert found.credentials is None
    assert found.config["access_key_id"] == "key"
    assert "word" not in repr(found)


@pytest.mark.parametrize("by", ["connection string", "account and key"])
def test_azures_variables_open_the_store(azurite: Azurite, tmp_path: Path, by: str) -> None:
    container = azurite.make_container(f"variables-{uuid.uuid4().hex[:8]}")
    env = {"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
    if by == "account and key":
        env = {
            "AZURE_STORAGE_ACCOUNT": ACCOUNT,
            "AZURE_STORAGE_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": azurite.endpoint,
        }
    assert opens(root(f"az://{container}/x", tmp_path, **env))


def test_a_container_without_an_account_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        settings_of(root("az://container", tmp_path))


def test_two_servers_of_one_url_are_two_places(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    bucket = seaweedfs.make_bucket(f"places-{uuid.uuid4().hex[:8]}")
    open_results(root(f"s3://{bucket}", tmp_path, **seaweedfs.env))
    other = {**seaweedfs.env, "AWS_ENDPOINT_URL": seaweedfs.endpoint.replace("127.0.0.1", "localhost")}
    open_results(root(f"s3://{bucket}", tmp_path, **other))
    assert len(list((tmp_path / "local").iterdir())) == 2
