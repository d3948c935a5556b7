"""A project as one code location: all its pipelines, and the name under which Dagster serves it."""

from __future__ import annotations

import dagster as dg

from odibi_assets.declare.mistake import DefinitionError, Mistake
from odibi_assets.declare.project import Project
from odibi_assets.identify import source_loader
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.pipeline_source import PipelineSource, pipelines
from odibi_assets.orchestrate.assets import pipeline_definitions

MODULE = "odibi_assets.definitions"
REPOSITORY = "__repository__"


def location_name(project: Project) -> str:
    """The workspace's name for a Dagster project; for a bare folder its name and a digest of its path."""
    dg_project = project.settings.get("dg", {}).get("project", {})
    if dg_project:
        return str(dg_project.get("code_location_name") or str(dg_project["root_module"]).replace("_", "-"))
    return f"{project.root.name}-{Digest.of_bytes(str(project.root).encode()).hex[:8]}"


def folder_definitions(project: Project) -> dg.Definitions:
    """The pipelines whose YAML files lie at the root of a project, which is on the import path from here on.

    Raises:
        DefinitionError: With all mistakes of all of them.
    """
    source_loader.install()
    source_loader.put_on_path(project.root)
    mistakes: list[Mistake] = []
    found = [dg.Definitions()]
    for source, _ in pipelines(project):
        if project.defs_folder is not None and source.path.is_relative_to(project.defs_folder):
            continue  # Dagster loads these as components
        try:
            found.append(pipeline_definitions(PipelineSource(project, source.path)))
        except DefinitionError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise DefinitionError(mistakes)
    return dg.Definitions.merge(*found)
