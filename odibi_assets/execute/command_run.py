"""Running the program of a command step: at the project root, with the variables that it declares."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odibi_assets.declare.step import DeclaredOutput
from odibi_assets.errors import StepError
from odibi_assets.identify.command import Command

# What programs need to start at all; everything else would be an input that nobody declared.
_PASSED = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
# Sorting and dates must not depend on where a program runs.
_FIXED = {"TZ": "UTC", "LANG": "C.UTF-8"}
_LAST_LINES = 10
_GRACE_S = 5
_LOOK_S = 0.05
_PART_BYTES = 2**16
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def command_environment(env: Mapping[str, str], declared: Sequence[str], inputs: Mapping[str, Path]) -> dict[str, str]:
    """The variables that a command sees: a few that every program needs, those declared, and where its inputs are.

    >>> command_environment({"PATH": "/bin", "TOKEN": "x", "REGION": "eu"}, ["REGION"], {"orders": Path("/tmp/o")})
    {'PATH': '/bin', 'TZ': 'UTC', 'LANG': 'C.UTF-8', 'REGION': 'eu', 'ODA_INPUT_ORDERS': '/tmp/o'}
    """
    found = {name: env[name] for name in _PASSED if name in env}
    found |= _FIXED
    found |= {name: env[name] for name in declared if name in env}
    return found | {f"ODA_INPUT_{name.upper()}": str(path) for name, path in inputs.items()}


def run_command(
    command: Command,
    arguments: Sequence[str],
    root: Path,
    env: Mapping[str, str],
    tell: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run a program to its end, and stop what it leaves running.

    Args:
        tell: Takes what it prints: one line, or as many as came at once.
        check: Called again and again while it runs; what it raises ends the program.

    Raises:
        StepError: It could not be started, or ended with another status than 0; the message holds its last lines.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    shown = " ".join(command.arguments)
    try:
        process = subprocess.Popen(
            [str(command.program), *arguments[1:]],
            cwd=root,
            env={**env, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise StepError(f"The command {shown!r} could not be started: {error}.") from error
    last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    try:
        for lines in _printed(process, check):
            last.extend(lines)
            tell("\n".join(lines))
        status = _waited_for(process, check)
    finally:
        _stop(process)
    if status:
        ended = f"was stopped by signal {-status}" if status < 0 else f"ended with status {status}"
        printed = "\n".join(last) or "It printed nothing."
        raise StepError(f"The command {shown!r} {ended}. Its last lines:\n{printed}")


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


def _waited_for(process: subprocess.Popen[bytes], check: Callable[[], None]) -> int:
    """The status with which a program that prints nothing more ends."""
    while True:
        check()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_S)


def _printed(process: subprocess.Popen[bytes], check: Callable[[], None]) -> Iterator[list[str]]:
    """The lines that a program prints, those together that came at once; what it leaves running is not waited for."""
    assert process.stdout is not None
    rest = b""
    with process.stdout as pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            check()
            has_ended = process.poll() is not None
            if not selector.select(0 if has_ended else _LOOK_S):
                if has_ended:
                    break
                continue
            part = os.read(pipe.fileno(), _PART_BYTES)
            if not part:
                break
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > _PART_BYTES:
                lines, rest = [*lines, rest], b""
            if lines:
                yield [_text(line) for line in lines]
    if rest:
        yield [_text(rest)]


def _text(line: bytes) -> str:
    """A line as a terminal would leave it, without what steers one."""
    return _STEERING.sub("", line.decode(errors="replace").rstrip().rpartition("\r")[2])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
