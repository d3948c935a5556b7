"""A process that has everything imported and forks itself for each `oda` command.

Hundreds of commands are tried as a user would give them, each in a process of its own. Importing
Dagster takes over a second, forking a process that has imported it a few milliseconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from typing import Any

from faults import Fault, install
from warm_process import serve


def _run(request: dict[str, Any]) -> int:
    from odibi_assets.cli.app import run_app
    from odibi_assets.cli.quick import answer

    arguments = request["arguments"]
    sys.argv = ["oda", *arguments]
    status = None if request["full"] else answer(arguments, 0.0)
    return run_app(arguments) if status is None else status


def answer_request(request: dict[str, Any]) -> int:
    """Run one command, its output in files; returns its exit status."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    if request["fault"] is not None:
        install(Fault(**request["fault"]))
    try:
        status = _run(request)
    except BaseException:
        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def main() -> None:
    import dagster as dg
    import duckdb  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import odibi_assets.cli.app
    import odibi_assets.cli.quick
    import odibi_assets.orchestrate.assets
    import odibi_assets.orchestrate.launch  # noqa: F401

    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        instance.get_runs_count()  # loads the storage, which Dagster imports when it is first used

    serve(answer_request)


if __name__ == "__main__":
    main()
