"""What a shell offers to complete: pipelines, steps and runs of the project. A completion never fails and imports no
code of the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import typer

from odibi_assets.declare.project import Project
from odibi_assets.errors import OdibiAssetsError
from odibi_assets.identify.pipeline_source import find_pipeline, pipelines
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Runs

_BEFORE_NAME = re.compile(r"^(.*,)?(\d*\+)?")
_MOST_RUNS = 20


def complete_pipeline(context: typer.Context, incomplete: str) -> list[str]:
    """Names of pipelines; files are completed by the shell itself."""
    try:
        return _beginning(incomplete, (name for _, name in pipelines(_project(context))))
    except OdibiAssetsError:
        return []


def complete_step(context: typer.Context, incomplete: str) -> list[str]:
    """Steps of the pipeline that stands before."""
    return _beginning(incomplete, [name for name, _ in _steps(context)])


def complete_selection(context: typer.Context, incomplete: str) -> list[str]:
    """Steps, and layers as ``layer:NAME``, behind what an expression already has: ``+``, ``2+``, ``a,``."""
    steps = _steps(context)
    match = _BEFORE_NAME.match(incomplete)
    before = match.group() if match is not None else ""
    names = [*(name for name, _ in steps), *dict.fromkeys(f"layer:{layer}" for _, layer in steps)]
    return _beginning(incomplete, (before + name for name in names))


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of the last runs."""
    found = []
    try:
        project = _project(context)
        for source, name in pipelines(project):
            definition = source.definition().pipeline
            root = project.store_root(definition.store if definition is not None else None)
            if isinstance(root, Path):  # A shell does not wait for a bucket.
                found += Runs(open_results(root).store).of_pipeline(name, project.environment)
    except OdibiAssetsError:
        return []
    found.sort(key=lambda run: run.start.started_at, reverse=True)
    return _beginning(incomplete, [run.start.run_id for run in found][:_MOST_RUNS])


def complete_pipeline_or_run(context: typer.Context, incomplete: str) -> list[str]:
    """What ``oda resume`` takes."""
    return complete_pipeline(context, incomplete) + complete_run(context, incomplete)


def _project(context: typer.Context) -> Project:
    return Project.at(context.find_root().params.get("directory") or ".")


def _steps(context: typer.Context) -> list[tuple[str, str]]:
    """Steps and their layers; none where the pipeline is not known or only Python says it."""
    # Behind an option without its value yet, the words before are not taken apart.
    words = (word for word in context.args if not word.startswith("-"))
    reference = context.params.get("pipeline") or context.params.get("target") or next(words, None)
    if not reference or ".py:" in reference:
        return []
    try:
        definition = find_pipeline(_project(context), reference).definition().pipeline
    except OdibiAssetsError:
        return []
    return [(step.name, step.layer) for step in definition.ordered] if definition is not None else []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
