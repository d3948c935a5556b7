"""``oda history``: the runs of a pipeline and what it can be gone back to, newest first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from odibi_assets.cli.opened import JsonOption, PipelineArgument, finish_rollbacks
from odibi_assets.cli.output import print_json
from odibi_assets.cli.render import table
from odibi_assets.declare.policies import Resume
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.keep.checkpoint import checkpoints
from odibi_assets.keep.results import open_results, readable_size
from odibi_assets.keep.run_record import Run, Runs
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.orchestrate.pipeline_run import why_not_resumable


def history(context: typer.Context, pipeline: PipelineArgument, json: JsonOption = False) -> None:
    """List runs, their parents, outcomes, whether they can be resumed, and the snapshots that are kept.

    Example: oda history flights
    """
    project = context.obj.project
    source = find_pipeline(project, pipeline)
    definition = source.definition().checked()
    finish_rollbacks(project, source, definition)
    results = open_results(project.store_root(definition.store))
    runs = Runs(results.store).of_pipeline(definition.name, project.environment)
    snapshots = Snapshots(results.store, project.environment, definition.name)
    kept = list(checkpoints(snapshots, {run.start.run_id: run for run in runs}, results))
    rows = [_row(run, runs, definition.resume) for run in runs]
    if json:
        print_json({"pipeline": definition.name, "runs": rows, "checkpoints": [asdict(each) for each in kept]})
        return
    if not rows and not kept:
        typer.echo(f"{definition.name} has no runs in environment {project.environment}.")
        return
    lines = [
        (
            row["run_id"],
            row["started_at"][:19],
            f"{row['status']}, rolled back" if row["rolled_back"] else row["status"],
            f"{row['seconds']:.1f}" if row["seconds"] is not None else "",
            row["progress"],
            row["parent_run_id"] or "",
            "yes" if row["can_resume"] else f"no, it {row['why_not']}",
        )
        for row in rows
    ]
    typer.echo(
        table(
            ("run", "started (UTC)", "status", "seconds", "done", "parent", "resumable"),
            lines,
            right=frozenset({3}),
            colour_by=2,
        )
    )
    if kept:
        found = [
            (
                each.snapshot.removeprefix("b3:")[:12] + ("  (current)" if each.is_current else ""),
                each.published_at[:19],
                f"{each.done}/{each.total}",
                readable_size(each.size_bytes),
                each.run_id or "",
            )
            for each in kept
        ]
        typer.echo("\n" + table(("snapshot", "published (UTC)", "done", "size", "run"), found, right=frozenset({3})))


def _row(run: Run, runs: list[Run], policy: Resume) -> dict[str, Any]:
    why_not = why_not_resumable(run, runs, policy)
    return {
        "run_id": run.start.run_id,
        "parent_run_id": run.start.parent_run_id,
        "status": "running" if run.is_running else run.status or "interrupted",
        "started_at": run.start.started_at,
        "seconds": run.end.seconds if run.end is not None else None,
        "steps": dict(run.outcomes),
        "progress": f"{len(run.finished.keys() | run.absences.keys() & run.start.steps.keys())}/{len(run.start.steps)}",
        "can_resume": why_not is None,
        "why_not": why_not,
        "rolled_back": asdict(run.rolled_back) if run.rolled_back is not None else None,
    }
