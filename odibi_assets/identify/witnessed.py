"""Identify a pipeline while watching its imports, and leave a witness where nothing speaks against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.project import Project
from odibi_assets.identify import source_loader, witness
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.identify.observed_inputs import observed
from odibi_assets.identify.pipeline_source import PipelineSource, find_pipeline
from odibi_assets.identify.recorder import Recorder


def find_and_identify(project: Project, reference: str, overrides: Overrides) -> tuple[PipelineSource, Identified]:
    """The pipeline that a user names, imported, checked and identified.

    Raises:
        UsageError: There is no such pipeline.
        DefinitionError: With all mistakes.
    """
    before = witness.standing_witness(project, reference, overrides.to_json())
    recorder = Recorder(project.root, (str(project.local), str(project.dagster_home), str(Path(__file__).parents[1])))
    with observed(recorder):
        source = find_pipeline(project, reference)
        identified = source.identified(overrides)
    seen = recorder.finish(witness.SALT, project.env)
    doubts = (*identified.identity.computed_values, *recorder.obstacles.values())
    if doubts:
        witness.forget_witness(project, reference, overrides.to_json())
    elif not any(module.__name__ in identified.modules for module in source_loader.loaded_otherwise()):
        doubts = _differing(before, identified.identity, project)
        witness.save_witness(
            project,
            reference,
            overrides.to_json(),
            identified.identity,
            path=source.path,
            files=[*filter(Path.is_file, source_loader.loaded_files()), *identified.files],
            folders=source_loader.package_folders(),
            observed=seen,
            void=doubts,
        )
        # The witness holds the files as they are now; what was loaded must still be that.
        if any(source_loader.changed_since_load()):
            witness.forget_witness(project, reference, overrides.to_json())
    return source, replace(identified, identity=replace(identified.identity, computed_values=doubts))


def _differing(before: witness.Witness | None, identity: PipelineIdentity, project: Project) -> tuple[str, ...]:
    """What came out differently than under a witness that still holds; what did so once is not trusted again."""
    if before is None or not before.holds(project):
        return ()
    found = list(before.void)
    for step in identity.steps:
        known = before.identity.by_name.get(step.name)
        items = {(section, name): item.digest for section, name, item in known.key.items()} if known else {}
        for section, name, item in step.key.items():
            if items.get((section, name)) != item.digest:
                found.append(f"{name} comes out differently at each import")
    return tuple(dict.fromkeys(found))
