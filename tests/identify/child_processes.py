"""Probes that run in a process of their own, forked from one that has the libraries imported.

What a module's import leaves behind (sys.modules, watched os.stat, patched pandas) would leak from
one test into the next. A probe is a plain function whose source is sent over: it imports what it
needs, takes the folder and JSON values, returns JSON.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from warm_process import WarmProcess, serve  # noqa: E402


class ChildProcesses:
    """A warm process that forks one probe after another."""

    def __init__(self) -> None:
        self.process = WarmProcess(Path(__file__))

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
        assert self.process.ask(request) == 0
        document = json.loads(answer.read_text())
        answer.unlink()
        assert "error" not in document, document.get("error")
        return document["value"]

    def close(self) -> None:
        self.process.close()


def answer_request(request: dict[str, Any]) -> int:
    """Run one probe, its answer in a file."""
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
    return 0


def main() -> None:
    import duckdb  # noqa: F401
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import odibi_assets.identify.distribution
    import odibi_assets.identify.witnessed  # noqa: F401

    odibi_assets.identify.distribution.owner_of_module("pandas")  # reads every RECORD once
    serve(answer_request)


if __name__ == "__main__":
    main()
