"""``oda dev``: the Dagster UI and daemon on localhost, for the project's pipelines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer


def dev(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="The UI's port.")] = 3000,
    host: Annotated[
        str, typer.Option(help="The UI's address; others than localhost are your own decision.")
    ] = "127.0.0.1",
) -> None:
    """Serve the web UI and the daemon until interrupted.

    Example: oda dev --port 3001
    """
    from odibi_assets.execute.alerts import UI_VARIABLE
    from odibi_assets.orchestrate.launch import open_instance
    from odibi_assets.orchestrate.location import MODULE, location_name

    project = context.obj.project
    with open_instance(project):
        pass  # makes the home where there is none
    workspace = project.local / "workspace.yaml"
    workspace.parent.mkdir(parents=True, exist_ok=True)
    workspace.write_text(
        "load_from:\n"
        "  - python_module:\n"
        f"      module_name: {MODULE}\n"
        f"      working_directory: {str(project.root)!r}\n"
        f"      location_name: {location_name(project)!r}\n"
        f"      executable_path: {sys.executable!r}\n"
    )
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    # A shell that starts a job in the background ignores SIGINT in it, and dagster could then not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    env = {**os.environ, "DAGSTER_HOME": str(project.dagster_home), "ODA_PROJECT": str(project.root)}
    env.setdefault(UI_VARIABLE, f"http://{host}:{port}")
    process = subprocess.Popen(command, cwd=project.root, env=env)
    signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    try:
        status = process.wait()
    except KeyboardInterrupt:
        status = process.wait(timeout=60)
    raise typer.Exit(0 if status in (0, -signal.SIGINT, -signal.SIGTERM) else status)
