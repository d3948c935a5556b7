"""What Dagster loads: the components of the project it is started in, and the pipelines at its root."""

from __future__ import annotations

import os

import dagster as dg

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.deployment import bind_store_client, deployment_bindings
from odibi_assets.orchestrate.location import folder_definitions


@dg.definitions
def defs() -> dg.Definitions:
    project = Project.at(os.environ.get("ODA_PROJECT") or os.getcwd())
    bind_store_client(project)
    own = dg.Definitions(resources=deployment_bindings(project), executor=dg.in_process_executor)
    found = [folder_definitions(project), own]
    if project.defs_folder is not None:
        found.append(dg.load_from_defs_folder(path_within_project=project.defs_folder))
    return dg.Definitions.merge(*found)
