"""``oda logs``: what a run, or a step of it, logged."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import typer

from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.errors import UsageError


def logs(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of one.")],
    step: Annotated[str | None, typer.Argument(metavar="[STEP]", help="Only this step's messages.")] = None,
    json: JsonOption = False,
) -> None:
    """Print the messages and errors of a run.

    Example: oda logs 2f6c1a9e clean_flights
    """
    from odibi_assets.orchestrate.launch import open_instance

    with open_instance(context.obj.project) as instance:
        matching = [record.dagster_run for record in instance.get_run_records(limit=1000) if record.dagster_run.run_id.startswith(run)]
        if len(matching) != 1:
            found = "no run begins" if not matching else f"{len(matching)} runs begin"
            raise UsageError(f"{found} with {run!r} in {context.obj.project.dagster_home}: expected one. See oda history PIPELINE.")
        entries = [entry for entry in map(_entry, instance.all_logs(matching[0].run_id)) if step is None or entry["step"] == step]
        known = {entry["step"] for entry in map(_entry, instance.all_logs(matching[0].run_id))}
    if step is not None and step not in known:
        raise UsageError(f"Run {matching[0].run_id} has no messages of a step {step!r}: expected one of {', '.join(sorted(filter(None, known)))}.")
    if json:
        print_json({"run_id": matching[0].run_id, "messages": entries})
        return
    for entry in entries:
        typer.echo(f"{entry['time'][11:23]} {entry['level']:<8} {entry['step'] or '':<20} {entry['message']}")


def _entry(record: Any) -> dict[str, Any]:
    import logging

    event = record.dagster_event
    message = record.user_message or (event.message if event is not None else "") or (event.event_type_value if event is not None else "")
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
