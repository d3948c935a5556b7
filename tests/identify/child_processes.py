"""Probes that run in a process of their own, forked from one that has the libraries imported.

What a module's import leaves behind (sys.modules, watched os.stat, patched pandas) would leak from
one test into the next. A probe is a plain function whose source is sent over: it imports what it
needs, takes the folder and JSON values, returns JSON.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ChildProcesses:
    """A warm process that forks one probe after another."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def run(self, probe: Callable[..., Any], folder: Path, *values: Any, env: dict[str, str] | None = None) -> Any:
        """What the probe returns; its exception fails the test with its traceback."""
        answer = folder.parent / f"{folder.name}.answer"
        request = {
            "source": textwrap.dedent(inspect.getsource(probe)),
            "name": probe.__name__,
            "folder": str(folder),
            "values": values,
            "env": env or {},
            "answer": str(answer),
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        assert self._line() == "done"
        document = json.loads(answer.read_text())
        answer.unlink()
        assert "error" not in document, document.get("error")
        return document["value"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def _child(request: dict[str, Any]) -> None:
    os.dup2(2, 1)  # standard output belongs to the conversation
    os.chdir(request["folder"])
    os.environ.update(request["env"])
    namespace: dict[str, Any] = {"Path": Path, "Any": Any}
    try:
        exec(compile("from __future__ import annotations\n" + request["source"], "<probe>", "exec"), namespace)
        document = {"value": namespace[request["name"]](Path(request["folder"]), *request["values"])}
    except BaseException:
        document = {"error": traceback.format_exc()}
    Path(request["answer"]).write_text(json.dumps(document))


def main() -> None:
    import duckdb  # noqa: F401
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import odibi_assets.identify.distribution
    import odibi_assets.identify.witnessed  # noqa: F401

    odibi_assets.identify.distribution.owner_of_module("pandas")  # reads every RECORD once
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(request)
            os._exit(0)
        os.waitpid(pid, 0)
        print("done", flush=True)


if __name__ == "__main__":
    main()
