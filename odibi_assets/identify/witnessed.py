"""Identify a pipeline while watching its imports, and leave a witness where nothing speaks against it."""

from __future__ import annotations

from pathlib import Path

from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.project import Project
from odibi_assets.identify import source_loader, witness
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.observed_inputs import Recorder, observed
from odibi_assets.identify.pipeline_source import PipelineSource, find_pipeline


def find_and_identify(project: Project, reference: str, overrides: Overrides) -> tuple[PipelineSource, Identified]:
    """The pipeline that a user names, imported, checked and identified.

    Raises:
        UsageError: There is no such pipeline.
        DefinitionError: With all mistakes.
    """
    recorder = Recorder(project.root, (str(project.local), str(project.dagster_home), str(Path(__file__).parents[1])))
    with observed(recorder):
        source = find_pipeline(project, reference)
        identified = source.identified(overrides)
    seen = recorder.finish(witness.SALT, project.env)
    if recorder.obstacles or identified.identity.computed_values:
        witness.forget_witness(project, reference, overrides.to_json())
    else:
        files = [Path(path) for path in source_loader.LOADED if Path(path).is_file()]
        witness.save_witness(
            project,
            reference,
            overrides.to_json(),
            identified.identity,
            path=source.path,
            files=[*files, *identified.files],
            observed=seen,
        )
        # The witness holds the files as they are now; what was loaded must still be that.
        if any(source_loader.changed_since_load()):
            witness.forget_witness(project, reference, overrides.to_json())
    return source, identified
