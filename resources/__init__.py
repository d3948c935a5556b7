"""What this deployment binds: resource key → object, for the project that a process serves.

Short and without logic: the classes live in the library, `odibi_assets.orchestrate.deployment` alone
imports this package, and it is not part of the wheel. Without it the library's defaults hold. What is
heavy is imported inside the functions: a run with nothing to do asks for `store_client` only.
"""

from __future__ import annotations

from odibi_assets.declare.project import Project


def bindings(project: Project) -> dict[str, object]:
    """The resources of this deployment."""
    from odibi_assets.orchestrate.io_manager import step_io_manager
    from odibi_assets.orchestrate.names import IO_MANAGER_KEY

    return {IO_MANAGER_KEY: step_io_manager(project.root)}


def store_client(project: Project) -> object | None:
    """The resource whose endpoint and credentials open a store in a bucket; None where variables say them.

    For example `dagster_aws.s3.S3Resource(endpoint_url=…, profile_name=…)`; see docs/how-to/buckets.md.
    """
    return None
