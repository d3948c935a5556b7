"""What Dagster loads: the components of the project it is started in, and the pipelines at its root."""

from __future__ import annotations

import logging
import os

import dagster as dg

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.deployment import bind_store_client, deployment_bindings
from odibi_assets.orchestrate.location import folder_definitions

_log = logging.getLogger("odibi_assets")


@dg.definitions
def defs() -> dg.Definitions:
    project = Project.at(os.environ.get("ODA_PROJECT") or os.getcwd())
    bind_store_client(project)
    own = dg.Definitions(resources=deployment_bindings(project), executor=dg.in_process_executor)
    found = [folder_definitions(project), own]
    if project.defs_folder is not None:
        found.append(dg.load_from_defs_folder(path_within_project=project.defs_folder))
    merged = dg.Definitions.merge(*found)
    if not merged.assets:
        _log.warning(
            "No pipeline was found in the project at %s. Start Dagster in the project's folder, or name that in "
            "ODA_PROJECT: the working directory of a workspace file is for imports only.",
            project.root,
        )
    return merged
