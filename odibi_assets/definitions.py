"""What Dagster loads: the components of the project it is started in, and the pipelines at its root."""

from __future__ import annotations

import os

import dagster as dg

from odibi_assets.declare.project import Project
from odibi_assets.orchestrate.location import folder_definitions


@dg.definitions
def defs() -> dg.Definitions:
    project = Project.at(os.environ.get("ODA_PROJECT") or os.getcwd())
    found = [folder_definitions(project), dg.Definitions(executor=dg.in_process_executor)]
    if project.defs_folder is not None:
        found.append(dg.load_from_defs_folder(path_within_project=project.defs_folder))
    return dg.Definitions.merge(*found)
