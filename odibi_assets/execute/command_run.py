"""Running the program of a command step: at the project root, with the variables that it declares."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from odibi_assets.declare.step import DeclaredOutput
from odibi_assets.errors import StepError
from odibi_assets.identify.command import Command

# What programs need to start at all; everything else would be an input that nobody declared.
_PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT", "LD_LIBRARY_PATH")
_LAST_LINES = 10
_GRACE_S = 5


def command_environment(env: Mapping[str, str], declared: Sequence[str], inputs: Mapping[str, Path]) -> dict[str, str]:
    """The variables that a command sees: a few that every program needs, those declared, and where its inputs are.

    >>> command_environment({"PATH": "/bin", "TOKEN": "x", "REGION": "eu"}, ["REGION"], {"orders": Path("/tmp/o")})
    {'PATH': '/bin', 'TZ': 'UTC', 'REGION': 'eu', 'ODA_INPUT_ORDERS': '/tmp/o'}
    """
    found = {name: env[name] for name in _PASSED if name in env}
    found["TZ"] = "UTC"
    found |= {name: env[name] for name in declared if name in env}
    return found | {f"ODA_INPUT_{name.upper()}": str(path) for name, path in inputs.items()}


def run_command(
    command: Command, arguments: Sequence[str], root: Path, env: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    """Run a program to its end; what it prints is told line by line.

    Raises:
        StepError: It ended with another status than 0; the message holds its last lines.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    process = subprocess.Popen(
        [str(command.program), *arguments[1:]],
        cwd=root,
        env={**env, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            tell(line.rstrip())
        status = process.wait()
    except BaseException:
        _stop(process)
        raise
    if status:
        ended = f"was stopped by signal {-status}" if status < 0 else f"ended with status {status}"
        printed = "\n".join(last) or "It printed nothing."
        raise StepError(f"The command {' '.join(command.arguments)!r} {ended}. Its last lines:\n{printed}")


def found_at_path(name: str, output: DeclaredOutput, root: Path) -> Any:
    """What a command left at an output's path.

    Raises:
        StepError: There is nothing, or nothing of the output's format.
    """
    assert output.path is not None
    path = root / output.path
    if not path.exists():
        raise StepError(f"The command made nothing at {output.path}: expected its output {name!r} there.")
    try:
        if output.format in ("file", "folder"):
            return path
        if output.format == "parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path, partitioning=None)
        if output.format == "numpy":
            import numpy as np

            found = np.load(path, allow_pickle=False)
            return found if isinstance(found, np.ndarray) else dict(found)
        data = path.read_bytes()
        return data if output.format == "bytes" else data.decode() if output.format == "text" else json.loads(data)
    except (OSError, ValueError) as error:
        raise StepError(f"Output {name!r} at {output.path} can't be read as {output.format}: {error}") from error


def _stop(process: subprocess.Popen[str]) -> None:
    """End a program and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
