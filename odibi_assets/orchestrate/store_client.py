"""Dagster's resources for S3, Azure and Google Cloud, and Google's credentials, as settings of a bucket's client."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import UsageError
from odibi_assets.keep.bucket_client import BucketSettings, emulated_google, profile_settings

_SCHEMES = {
    "S3Resource": "s3",
    "AzureBlobStorageResource": "az",
    "ADLS2Resource": "az",
    "GCSResource": "gs",
}


def settings_from(client: object, root: BucketRoot) -> BucketSettings:
    """What a resource says of endpoint and credentials.

    Args:
        client: ``dagster_aws.s3.S3Resource``, ``dagster_azure.blob.AzureBlobStorageResource``,
            ``dagster_azure.adls2.ADLS2Resource``, ``dagster_gcp.GCSResource``, or Google credentials.

    Raises:
        UsageError: It is something else, or of another cloud than the bucket.
    """
    kind = next((base.__name__ for base in type(client).__mro__ if base.__name__ in _SCHEMES), None)
    if kind is None and hasattr(client, "refresh") and type(client).__module__.startswith("google."):
        kind = "Google credentials"
    scheme = _SCHEMES.get(kind or "", "gs")
    if kind is None or scheme != root.scheme:
        raise UsageError(
            f"store_client in resources/ returns a {type(client).__name__} for the store {root.url}: expected "
            f"{' or '.join(name for name, own in _SCHEMES.items() if own == root.scheme)}"
            f"{' or Google credentials' if root.scheme == 'gs' else ''}."
        )
    if isinstance(client, dg.ConfigurableResource):
        client = client.process_config_and_initialize()  # EnvVar becomes its value.
    build = {
        "S3Resource": _s3,
        "AzureBlobStorageResource": _azure_blob,
        "ADLS2Resource": _adls2,
        "GCSResource": _gcs,
        "Google credentials": _google_credentials,
    }[kind]
    return build(client)


def _s3(resource: Any) -> BucketSettings:
    config: dict[str, Any] = {}
    if resource.endpoint_url:
        config["endpoint"] = resource.endpoint_url
    if resource.region_name:
        config["region"] = resource.region_name
    if resource.use_unsigned_session:
        return BucketSettings({**config, "skip_signature": True})
    if resource.aws_access_key_id:
        config |= {
            "access_key_id": resource.aws_access_key_id,
            "secret_access_key": resource.aws_secret_access_key or "",
        }
        if resource.aws_session_token:
            config["session_token"] = resource.aws_session_token
        return BucketSettings(config)
    return profile_settings(config, resource.profile_name)


def _azure_blob(resource: Any) -> BucketSettings:
    url = urlsplit(resource.account_url)
    # An emulator has the account in the path, Azure in the host.
    account = url.path.strip("/") or (url.hostname or "").partition(".")[0]
    endpoint = resource.account_url.rstrip("/")
    return _azure({"account_name": account, "endpoint": endpoint}, resource.credential)


def _adls2(resource: Any) -> BucketSettings:
    return _azure({"account_name": resource.storage_account}, resource.credential)


def _azure(config: dict[str, Any], credential: Any) -> BucketSettings:
    kind = type(credential).__name__
    if "SAS" in kind:
        return BucketSettings({**config, "sas_key": credential.token})
    if kind.endswith("Key") or "KeyCredential" in kind:
        return BucketSettings({**config, "account_key": credential.key})
    if "Anonymous" in kind:
        return BucketSettings({**config, "skip_signature": True})
    from azure.identity import DefaultAzureCredential
    from obstore.auth.azure import AzureCredentialProvider

    return BucketSettings(config, AzureCredentialProvider(DefaultAzureCredential(**credential.kwargs)))


def _gcs(_: Any) -> BucketSettings:
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        return emulated_google(emulator)
    import google.auth

    credentials, _project = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])
    return _google_credentials(credentials)


def _google_credentials(credentials: Any) -> BucketSettings:
    from obstore.auth.google import GoogleCredentialProvider

    return BucketSettings({}, GoogleCredentialProvider(credentials=credentials))
