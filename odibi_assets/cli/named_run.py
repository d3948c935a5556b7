"""A run that a command line names, and the pipeline that it is of."""

from __future__ import annotations

from pathlib import Path

from odibi_assets.cli.opened import State
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import pipelines
from odibi_assets.keep.results import open_results
from odibi_assets.keep.run_record import Run, Runs


def run_named(state: State, target: str) -> Run | None:
    """The run that a target names, if it looks like one."""
    if len(target) < 8 or not all(character in "0123456789abcdef-" for character in target):
        return None
    definitions = [source.definition().pipeline for source, _ in pipelines(state.project)]
    declared = {pipeline.store for pipeline in definitions if pipeline is not None}
    for root in sorted({state.project.store_root(store) for store in (None, *declared)}, key=str):
        if isinstance(root, Path) and not root.is_dir():
            continue
        run = Runs(open_results(root).store).find(target)
        if run is not None:
            return run
    raise UsageError(f"There is no run {target!r} in the stores of {state.project.root}: see oda history PIPELINE.")


def reference_of(state: State, target: str | None) -> str:
    """A pipeline's file where only its name is known; the only pipeline where nothing is."""
    if target is not None and ("." in target or "/" in target):
        return target
    found = list(pipelines(state.project))
    matching = [source for source, name in found if target in (None, name)]
    if len(matching) == 1:
        return state.project.shown(matching[0].path)
    if target is not None:
        return target
    names = ", ".join(name for _, name in found) or "none"
    raise UsageError(f"Nothing says which pipeline to resume: expected one of {names}, or a run.")
