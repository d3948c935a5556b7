"""``oda logs``: what a run, or a step of it, logged."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from odibi_assets.cli.completion import complete_run
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.declare.mistake import expected_one_of
from odibi_assets.errors import UsageError


def logs(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id, or the beginning of one.", autocompletion=complete_run),
    ],
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="Only this step's messages.")] = None,
    json: JsonOption = False,
) -> None:
    """Print the messages and errors of a run.

    Example: oda logs 2f6c1a9e clean_flights
    """
    from odibi_assets.orchestrate.launch import open_instance

    with open_instance(context.obj.project) as instance:
        found = _find(instance, run, context.obj.project.dagster_home)
        every = [_entry(record) for record in instance.all_logs(found)]
    steps = sorted({entry["step"] for entry in every if entry["step"]})
    if step is not None and step not in steps:
        raise UsageError(f"Run {found} has no messages of a step {step!r}: {expected_one_of(step, steps)}")
    entries = [entry for entry in every if step in (None, entry["step"])]
    if json:
        print_json({"run_id": found, "messages": entries})
        return
    for entry in entries:
        typer.echo(f"{entry['time'][11:23]} {entry['level']:<8} {entry['step'] or '':<20} {entry['message']}")


def _find(instance: Any, run: str, home: Path) -> str:
    """The id of the run that begins so."""
    matching = [found.run_id for found in instance.get_runs(limit=5000) if found.run_id.startswith(run)]
    if len(matching) != 1:
        count = "No run begins" if not matching else f"{len(matching)} runs begin"
        raise UsageError(f"{count} with {run!r} in {home}: expected one. See oda history PIPELINE.")
    return str(matching[0])


def _entry(record: Any) -> dict[str, Any]:
    event = record.dagster_event
    described = (event.message or event.event_type_value) if event is not None else ""
    message = record.user_message or described
    data = getattr(event, "event_specific_data", None)
    error = getattr(data, "error", None)
    if error is not None:
        message = f"{message}\n{error.to_string()}"
    return {
        "time": datetime.datetime.fromtimestamp(record.timestamp, datetime.UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(record.level),
        "step": record.step_key.partition("__")[2] if record.step_key else None,
        "message": message,
    }
