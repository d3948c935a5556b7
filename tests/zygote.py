"""A process that has everything imported and forks itself for each `oda` command.

Hundreds of commands are tried as a user would give them, each in a process of its own. Importing
Dagster takes over a second, forking a process that has imported it a few milliseconds. Requests
and answers are JSON lines on standard input and output.
"""

from __future__ import annotations

import json
import os
import sys
import traceback


def _run(request: dict[str, object]) -> int:
    from odibi_assets.cli.app import run_app
    from odibi_assets.cli.quick import answer

    arguments = [str(argument) for argument in request["arguments"]]  # type: ignore[attr-defined]
    sys.argv = ["oda", *arguments]
    status = None if request.get("full") else answer(arguments, 0.0)
    return run_app(arguments) if status is None else status


def _child(request: dict[str, object]) -> None:
    os.setsid()
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[arg-type]
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        target = os.open(str(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, descriptor)
    try:
        status = _run(request)
    except BaseException:
        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:

    import odibi_assets.cli.app
    import odibi_assets.cli.quick
    import odibi_assets.orchestrate.launch  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(request)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
