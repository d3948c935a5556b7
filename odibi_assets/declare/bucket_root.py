"""Where a store in a bucket lies, and which folders of this machine belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from odibi_assets.errors import UsageError

SCHEMES = ("s3", "az", "gs")


@dataclass(frozen=True)
class BucketRoot:
    """A bucket, and a prefix in it.

    Attributes:
        scheme: ``s3``, ``az`` or ``gs``.
        prefix: Without slashes at its ends; may be empty.
        local: Folder for copies, safe to delete.
        spool: Folder for what is not uploaded yet.
        env: The process's environment, which has credentials in it.
    """

    scheme: str
    bucket: str
    prefix: str
    local: Path
    spool: Path
    env: Mapping[str, str] = field(repr=False, compare=False)

    @classmethod
    def of(cls, url: str, *, local: Path, spool: Path, env: Mapping[str, str]) -> BucketRoot:
        """Read a URL.

        Raises:
            UsageError: It is no bucket's, or holds more than a bucket and a prefix.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        prefix = prefix.strip("/")
        if scheme not in SCHEMES:
            raise UsageError(
                f"The store {scheme}://… can't be used: expected a path, s3://bucket/prefix, az://container/prefix "
                "or gs://bucket/prefix."
            )
        parts = prefix.split("/") if prefix else []
        if not bucket or any(part in ("", ".", "..") or "\\" in part for part in parts):
            raise UsageError(f"The store {scheme}://… can't be used: expected {scheme}://bucket/prefix.")
        if any(sign in rest for sign in "@?#:"):
            raise UsageError(
                f"The store {scheme}://… can't be used: its URL names a bucket and a prefix only. "
                "Credentials and endpoints come from variables or from resources/, see docs/how-to/buckets.md."
            )
        return cls(scheme, bucket, prefix, local, spool, env)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def __str__(self) -> str:
        return self.url
