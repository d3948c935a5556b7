"""A project in a temporary folder, driven through the `oda` command line as a user would."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import tempfile
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from faults import Fault
from warm_process import WarmProcess


@dataclass(frozen=True)
class Answer:
    """What one command did."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


class Zygote:
    """A warm process that forks one `oda` command after another."""

    def __init__(self) -> None:
        self.process = WarmProcess(Path(__file__).with_name("zygote.py"))

    def oda(
        self,
        arguments: list[str],
        folder: Path,
        env: dict[str, str],
        *,
        full: bool = False,
        kill_after_s: float | None = None,
        fault: Fault | None = None,
    ) -> Answer:
        out, err = folder / ".stdout", folder / ".stderr"
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "env": env,
            "stdout": str(out),
            "stderr": str(err),
            "full": full,
            "kill_after_s": kill_after_s,
            "fault": asdict(fault) if fault is not None else None,
        }
        return Answer(self.process.ask(request), out.read_text(), err.read_text())

    def close(self) -> None:
        self.process.close()


@functools.cache
def new_home() -> Path:
    """A Dagster home in which nothing ran yet: a copy of it spares each project the making of Dagster's tables."""
    from odibi_assets.declare.project import Project
    from odibi_assets.orchestrate.launch import open_instance

    folder = Path(tempfile.mkdtemp(prefix="odibi-assets-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
        with open_instance(Project.at(folder)) as instance:
            instance.get_runs_count()
            instance.all_asset_keys()
            instance.all_instigator_state()
    return folder / "dagster_home"


@dataclass
class ProjectFolder:
    """A project's folder.

    Attributes:
        env: Variables beside those of the test process.
    """

    root: Path
    zygote: Zygote
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    def oda(
        self, *arguments: str, full: bool = False, kill_after_s: float | None = None, fault: Fault | None = None
    ) -> Answer:
        """Run a command.

        Args:
            full: Skip the quick way.
            kill_after_s: Kill it, with all that it started, unless it is done by then; its status is negative then.
            fault: What happens to its store, where that is a folder.
        """
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "PYTHON"))
        }
        home = self.root / "dagster_home"
        if arguments[:1] == ("run",) and "DAGSTER_HOME" not in self.env and not home.exists():
            shutil.copytree(new_home(), home)
        env = {**kept, "DAGSTER_HOME": str(home), **self.env}
        command = ["-C", str(self.root), *arguments]
        return self.zygote.oda(command, self.root, env, full=full, kill_after_s=kill_after_s, fault=fault)

    def complete(self) -> Answer:
        """Run the bare command, as a shell does that asks for completions; what it asks is in ``env``."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "PYTHON"))}
        return self.zygote.oda([], self.root, {**env, **self.env})

    def run(self, *arguments: str, pipeline: str = "pipe.yaml", status: int = 0) -> dict[str, Any]:
        """Run the pipeline; returns the JSON document."""
        answer = self.oda("run", pipeline, *arguments, "--json")
        assert answer.status == status, answer.text
        document: dict[str, Any] = answer.json
        return document

    def outcomes(self, *arguments: str, pipeline: str = "pipe.yaml", status: int = 0) -> dict[str, str]:
        return {
            step["name"]: step["outcome"] for step in self.run(*arguments, pipeline=pipeline, status=status)["steps"]
        }

    def plan(self, *arguments: str, pipeline: str = "pipe.yaml") -> dict[str, dict[str, Any]]:
        answer = self.oda("plan", pipeline, *arguments, "--json")
        assert answer.status == 0, answer.text
        return {step["name"]: step for step in answer.json["steps"]}

    def data(self, step: str, pipeline: str = "pipe.yaml") -> list[dict[str, Any]]:
        """The rows that are current for a step."""
        target = self.root / "_shown.parquet"
        answer = self.oda("show", pipeline, step, "--output", target.name)
        assert answer.status == 0, answer.text
        rows: list[dict[str, Any]] = pq.ParquetFile(target).read().to_pylist()
        return rows
