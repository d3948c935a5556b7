"""The IO manager puts and gets: it commits what a step settled, and loads by version.

It neither decides nor computes; the op's body did that, and hands over what it settled.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from odibi_assets.declare.input import Input
from odibi_assets.declare.project import Project
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import UsageError
from odibi_assets.execute.session import Session
from odibi_assets.execute.settled import Settled
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.identify.transform import PATH, handed_as
from odibi_assets.keep.formats.known import FORMATS, read_output
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.orchestrate.absence import ABSENT_VERSION, absence_metadata
from odibi_assets.orchestrate.materialization import result_metadata
from odibi_assets.orchestrate.names import STEP_TAG
from odibi_assets.orchestrate.run_session import settle_session


@dataclass(frozen=True)
class InputHandle:
    """An input that is loaded only if the step must be computed."""

    pipeline: str
    step: str


class StepIOManager(dg.IOManager):
    """Stores results by content; one for all pipelines of a run in a process."""

    def __init__(self, project: Project, instance: dg.DagsterInstance | None = None) -> None:
        self.project, self.instance = project, instance
        self.sessions: dict[str, Session] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Commit what a step settled, and say so in the materialization."""
        if not isinstance(obj, Settled):
            raise UsageError(
                f"The asset {context.asset_key.to_user_string()} returned a {type(obj).__name__} to the IO manager of "
                "odibi-assets, which keeps results of its own steps. Give the asset another io_manager_key."
            )
        if obj.decision.absence is not None:
            context.step_context.set_data_version(context.asset_key, ABSENT_VERSION)
            context.add_output_metadata(absence_metadata(obj))
            return
        session = self.sessions[context.asset_key.path[0]]
        reference = session.delivered(obj)
        output = context.asset_key.path[2] if len(context.asset_key.path) > 2 else None
        version = reference.output(output).version
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(str(version)))
        context.add_output_metadata(_metadata(obj, reference, output))

    def load_input(self, context: dg.InputContext) -> Any:
        """A handle for our own steps; the value for assets of others."""
        pipeline, step, *rest = context.asset_key.path
        if STEP_TAG in context.op_def.tags:
            return InputHandle(pipeline, step)
        return self._value(context, pipeline, Input(step, rest[0] if rest else None))

    def _value(self, context: dg.InputContext, pipeline: str, taken: Input) -> Any:
        session = self.sessions.get(pipeline)
        if session is not None:
            kept = session.value(taken)
        else:
            result, results = self._current(pipeline, taken.step)
            kept = read_output(result.outputs[taken.output] if taken.output else result.output, results)
        format, folder = FORMATS[kept.format], self.project.local / "values" / "assets"
        asked = handed_as(context.dagster_type.typing_type)
        if asked == PATH:
            return format.as_path(kept, folder)
        if kept.format == "parquet":
            return PandasEngine().hand_over(kept.value, asked)
        return format.hand_over(kept, folder)

    def _current(self, pipeline: str, step: str) -> tuple[Result, Results]:
        source = find_pipeline(self.project, pipeline)
        results = open_results(self.project.store_root(source.identified().identity.store))
        snapshot = Snapshots(results.store, self.project.environment, pipeline).current()
        reference = snapshot.steps.get(step) if snapshot is not None else None
        result = results.get(reference) if reference is not None else None
        if result is None:
            raise UsageError(f"The asset {pipeline}/{step} has no current result. Materialize it first.")
        return result, results

    def close(self) -> None:
        """Commit what is finished; called at the end of a run, failed or not."""
        for session in self.sessions.values():
            session.close()
            if self.instance is not None:
                settle_session(session, self.project.environment, self.instance)
        self.sessions.clear()


@functools.cache
def step_io_manager(root: Path) -> dg.IOManagerDefinition:
    """The IO manager of the project at a folder; one object, so that the definitions of its pipelines merge."""

    def opened(context: dg.InitResourceContext) -> Iterator[StepIOManager]:
        manager = StepIOManager(Project.at(root), context.instance)
        try:
            yield manager
        finally:
            manager.close()

    description = "Keeps results by content; a reused result is not written again."
    # Its signature names a function, its documentation allows a generator, which is closed at the end of a run.
    return dg.IOManagerDefinition(opened, description=description)  # type: ignore[arg-type]


def _metadata(settled: Settled, reference: ResultReference, output: str | None) -> dict[str, dg.MetadataValue[Any]]:
    schema, size_bytes, seconds = _facts(settled, output)
    found = result_metadata(
        settled.outcome,
        settled.decision.reason,
        reference.key,
        seconds=seconds,
        row_count=reference.output(output).row_count,
        size_bytes=size_bytes,
        schema=schema,
    )
    found["attempt"] = dg.MetadataValue.int(settled.attempt)
    if settled.params:
        found["params"] = dg.MetadataValue.json(dict(settled.params))
    return found


def _facts(settled: Settled, output: str | None) -> tuple[Mapping[str, str], int | None, float]:
    if settled.computed is not None:
        outputs = settled.computed.outputs
        kept = outputs[output] if output else next(iter(outputs.values()))
        return kept.schema, kept.size_bytes, settled.computed.seconds
    result = settled.decision.result
    assert result is not None
    found = result.outputs[output] if output else result.output
    return found.schema, found.memory_bytes, settled.seconds
