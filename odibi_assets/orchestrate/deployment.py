"""The package ``resources`` beside this one: what a deployment binds. Without it the library's defaults hold.

Loaded by the command line before anything heavy, so it imports neither Dagster nor ``resources`` until asked.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.declare.project import Project
from odibi_assets.keep.bucket_client import BucketSettings, use_settings_of


def deployment() -> ModuleType | None:
    """The package, unless there is none or another project's stands in its place."""
    spec = importlib.util.find_spec("resources")
    beside = Path(__file__).resolve().parents[2] / "resources" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != beside:
        return None
    import resources

    return resources


def deployment_bindings(project: Project) -> dict[str, object]:
    """Resource key → object."""
    found = deployment()
    bindings: dict[str, object] = found.bindings(project) if found is not None else {}
    return bindings


def bind_store_client(project: Project) -> None:
    """Have every bucket that this process opens use the client that the deployment names, if it names one."""

    def settings(root: BucketRoot) -> BucketSettings | None:
        found = deployment()
        client = found.store_client(project) if found is not None else None
        if client is None:
            return None
        from odibi_assets.orchestrate.store_client import settings_from

        return settings_from(client, root)

    use_settings_of(settings)
