"""How the client of a bucket is configured: by what the deployment gives, else by the variables that SDKs know."""

from __future__ import annotations

import datetime
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import StoreError, UsageError

# Eight retries with jitter wait at most some 15 seconds; then a bucket counts as away.
RETRY: dict[str, Any] = {
    "max_retries": 8,
    "backoff": {
        "init_backoff": datetime.timedelta(milliseconds=100),
        "max_backoff": datetime.timedelta(seconds=4),
        "base": 2,
    },
    "retry_timeout": datetime.timedelta(seconds=60),
}
_TIMEOUTS = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "300s"}
_EMULATED_GOOGLE = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}


@dataclass(frozen=True)
class BucketSettings:
    """What a client is told beside the bucket's name.

    Attributes:
        config: obstore's names → values; has credentials in it.
        credentials: Called for credentials that expire; obstore's protocol.
    """

    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    credentials: Callable[[], Any] | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """Which server is meant, where that is not the cloud's own."""
        return str(self.config.get("endpoint") or self.config.get("account_name") or "")


SettingsSource = Callable[[BucketRoot], BucketSettings | None]
_given: SettingsSource | None = None


def use_settings_of(source: SettingsSource) -> None:
    """Ask ``source`` for the settings of every bucket that this process opens; where it knows none, variables count."""
    global _given
    _given = source


def settings_of(root: BucketRoot) -> BucketSettings:
    """What the deployment gives, else what the environment says.

    Raises:
        UsageError: The settings contradict one another, or need an extra that is not installed.
    """
    given = _given(root) if _given is not None else None
    return given or {"s3": _s3, "az": _azure, "gs": _google}[root.scheme](root.env)


def client_of(root: BucketRoot, settings: BucketSettings) -> Any:
    """obstore's client of a bucket.

    Raises:
        StoreError: The settings are not what it takes.
    """
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    kinds: dict[str, Any] = {"s3": S3Store, "az": AzureStore, "gs": GCSStore}
    options = dict(_TIMEOUTS)
    if settings.config.get("allow_http") or settings.endpoint.startswith("http://"):
        options["allow_http"] = "true"
    more = {"credential_provider": settings.credentials} if settings.credentials is not None else {}
    config = {name: value for name, value in settings.config.items() if name != "allow_http"}
    try:
        return kinds[root.scheme](root.bucket, config=config, client_options=options, retry_config=RETRY, **more)
    except (BaseError, ValueError) as error:  # Its text may quote a credential.
        raise StoreError(
            f"The settings for {root.url} are not usable ({type(error).__name__}): "
            "check the variables and resources that docs/how-to/buckets.md names."
        ) from None


def _s3(env: Mapping[str, str]) -> BucketSettings:
    config = _present(
        env,
        endpoint=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        region=("AWS_REGION", "AWS_DEFAULT_REGION"),
        access_key_id=("AWS_ACCESS_KEY_ID",),
        secret_access_key=("AWS_SECRET_ACCESS_KEY",),
        session_token=("AWS_SESSION_TOKEN",),
    )
    named = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE")
    if "access_key_id" in config or not (named or _has_aws_files(env)):
        return BucketSettings(config)
    return profile_settings(config, named)


def profile_settings(config: Mapping[str, Any], profile: str | None) -> BucketSettings:
    """Credentials as boto3 finds them: profiles, single sign-on, assumed roles.

    Raises:
        UsageError: boto3 is not installed, or there is no such profile.
    """
    if importlib.util.find_spec("boto3") is None:
        if profile is None:
            return BucketSettings(config)
        raise UsageError(f"AWS_PROFILE is {profile!r}, and profiles need boto3: pip install 'odibi-assets[aws]'.")
    import boto3
    import botocore.exceptions
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session(profile_name=profile, region_name=config.get("region"))
        found = session.get_credentials()
    except botocore.exceptions.BotoCoreError as error:
        raise UsageError(f"The AWS profile {profile or 'default'!r} can't be used: {type(error).__name__}.") from None
    region = {"region": session.region_name} if session.region_name else {}
    return BucketSettings({**region, **config}, Boto3CredentialProvider(session) if found is not None else None)


def _has_aws_files(env: Mapping[str, str]) -> bool:
    home = Path(env.get("HOME", "~")).expanduser() / ".aws"
    return any(
        Path(env.get(variable) or home / name).is_file()
        for variable, name in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config"))
    )


def _azure(env: Mapping[str, str]) -> BucketSettings:
    config = _present(
        env,
        account_name=("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
        account_key=("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"),
        sas_key=("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
        endpoint=("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        client_id=("AZURE_STORAGE_CLIENT_ID", "AZURE_CLIENT_ID"),
        client_secret=("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
        tenant_id=("AZURE_STORAGE_TENANT_ID", "AZURE_TENANT_ID"),
    )
    config = {**_connection_string(env.get("AZURE_STORAGE_CONNECTION_STRING", "")), **config}
    if not config.get("account_name"):
        raise UsageError(
            "Nothing says which storage account the container is in: "
            "set AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_CONNECTION_STRING."
        )
    return BucketSettings(config)


def _connection_string(text: str) -> dict[str, str]:
    """The parts of Azure's connection string that count here."""
    found = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    names = {
        "AccountName": "account_name",
        "AccountKey": "account_key",
        "SharedAccessSignature": "sas_key",
        "BlobEndpoint": "endpoint",
    }
    return {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)}


def _google(env: Mapping[str, str]) -> BucketSettings:
    emulator = env.get("STORAGE_EMULATOR_HOST")
    if not emulator:
        return BucketSettings(_present(env, application_credentials=("GOOGLE_APPLICATION_CREDENTIALS",)))
    return emulated_google(emulator if "://" in emulator else f"http://{emulator}")


def emulated_google(endpoint: str) -> BucketSettings:
    """A server that stands in for Google's and asks for no credentials."""
    key = json.dumps({"gcs_base_url": endpoint, **_EMULATED_GOOGLE})
    return BucketSettings({"service_account_key": key, "allow_http": endpoint.startswith("http://")})


def _present(env: Mapping[str, str], **names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for ours, theirs in names.items():
        value = next((env[name] for name in theirs if env.get(name)), None)
        if value is not None:
            found[ours] = value
    return found
