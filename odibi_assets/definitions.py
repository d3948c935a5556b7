"""What Dagster loads: the components of the project it is started in, and the pipelines at its root."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import dagster as dg

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.location import folder_definitions


@dg.definitions
def defs() -> dg.Definitions:
    project = Project.at(os.environ.get("ODA_PROJECT") or os.getcwd())
    own = dg.Definitions(resources=deployment_bindings(project), executor=dg.in_process_executor)
    found = [folder_definitions(project), own]
    if project.defs_folder is not None:
        found.append(dg.load_from_defs_folder(path_within_project=project.defs_folder))
    return dg.Definitions.merge(*found)


def deployment_bindings(project: Project) -> dict[str, object]:
    """What the package `resources` beside this one binds; nothing where another project's stands in its place."""
    spec = importlib.util.find_spec("resources")
    beside = Path(__file__).resolve().parents[1] / "resources" / "__init__.py"
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != beside:
        return {}
    import resources

    return resources.bindings(project)
