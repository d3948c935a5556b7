"""A project in a temporary folder, loaded as a code location and executed in this process."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from odibi_assets.declare.project import Project
from odibi_assets.identify.pipeline_source import PipelineSource
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshot, Snapshots
from odibi_assets.orchestrate.assets import pipeline_definitions

PIPELINE = "shop"


@dataclass(frozen=True)
class Execution:
    """What one run left in the instance."""

    run_id: str
    success: bool
    instance: dg.DagsterInstance

    @property
    def run(self) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        return run

    def events(self, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
        records = self.instance.all_logs(self.run_id, of_type=kind)
        return [record.dagster_event for record in records if record.dagster_event is not None]

    def step_keys(self, kind: dg.DagsterEventType) -> list[str]:
        """Keys of the steps that have such an event, without the pipeline's name."""
        return [str(event.step_key).partition("__")[2] for event in self.events(kind)]

    @property
    def materializations(self) -> dict[str, dg.AssetMaterialization]:
        """Of our own steps, by the step's name."""
        events = self.events(dg.DagsterEventType.ASSET_MATERIALIZATION)
        found = [event.step_materialization_data.materialization for event in events]
        return {found.asset_key.path[-1]: found for found in found if found.asset_key.path[0] == PIPELINE}

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: str(found.metadata["outcome"].value) for name, found in self.materializations.items()}

    @property
    def versions(self) -> dict[str, str]:
        return {name: (found.tags or {})["dagster/data_version"] for name, found in self.materializations.items()}


@dataclass
class CodeLocation:
    """A project's folder, which is also the working directory, and a Dagster instance beside it."""

    root: Path
    instance: dg.DagsterInstance

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        (self.root / name).write_text(text.replace(old, new))

    def load(self, *others: dg.Definitions) -> dg.Definitions:
        """Load the location anew, as another process would."""
        self.forget_modules()
        source = PipelineSource(Project.at(self.root), self.root / "pipe.yaml")
        return dg.Definitions.merge(pipeline_definitions(source), *others)

    def launch(
        self,
        definitions: dg.Definitions | None = None,
        *,
        steps: Collection[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Execution:
        """Run the pipeline's job, or some of its steps."""
        job = (definitions or self.load()).resolve_job_def(PIPELINE)
        result = job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey([PIPELINE, step]) for step in steps] if steps is not None else None,
            tags=dict(tags or {}),
        )
        return Execution(result.run_id, result.success, self.instance)

    def code_versions(self) -> dict[str, str | None]:
        graph = self.load().resolve_asset_graph()
        return {key.path[-1]: graph.get(key).code_version for key in graph.get_all_asset_keys()}

    def calls(self) -> list[str]:
        """What the transforms wrote into ``calls.log`` as they ran, since the last time this was asked."""
        path = self.root / "calls.log"
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    @property
    def results(self) -> Results:
        return open_results(self.root / ".oda")

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.results.store, "default", PIPELINE)

    @property
    def current(self) -> Snapshot:
        snapshot = self.snapshots.current()
        assert snapshot is not None
        return snapshot

    def forget_modules(self) -> None:
        for name, module in list(sys.modules.items()):
            file: Any = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(str(self.root)):
                del sys.modules[name]
