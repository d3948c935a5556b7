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

from odibi_assets.declare.project import Project
from odibi_assets.engines.pandas_engine import PandasEngine
from odibi_assets.errors import UsageError
from odibi_assets.execute.session import Session, Settled
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.orchestrate.names import STEP_TAG

# A materialization stays below 8 kB: Dagster's own form of one column takes some 220 bytes beside its name.
_SCHEMA_BYTES, _COLUMN_BYTES = 5_500, 225


@dataclass(frozen=True)
class InputHandle:
    """An input that is loaded only if the step must be computed."""

    pipeline: str
    step: str


class StepIOManager(dg.IOManager):
    """Stores results by content; one for all pipelines of a run in a process."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.sessions: dict[str, Session] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Commit what a step settled, and say so in the materialization."""
        if not isinstance(obj, Settled):
            raise UsageError(
                f"The asset {context.asset_key.to_user_string()} returned a {type(obj).__name__} to the IO manager of "
                "odibi-assets, which keeps results of its own steps. Give the asset another io_manager_key."
            )
        session = self.sessions[context.asset_key.path[0]]
        reference = session.deliver(obj)
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(str(reference.version)))
        context.add_output_metadata(_metadata(obj, reference, session))

    def load_input(self, context: dg.InputContext) -> Any:
        """A handle for our own steps; the frame for assets of others."""
        pipeline, step = context.asset_key.path[0], context.asset_key.path[-1]
        if STEP_TAG in context.op_def.tags:
            return InputHandle(pipeline, step)
        return self._frame(context, pipeline, step)

    def _frame(self, context: dg.InputContext, pipeline: str, step: str) -> Any:
        session = self.sessions.get(pipeline)
        if session is not None:
            table = session.frame(step)
        else:
            result, results = self._current(pipeline, step)
            table = frame_format.read_result(results, result)
        asked = getattr(context.dagster_type.typing_type, "__module__", "")
        return PandasEngine().hand_over(table, "pyarrow.Table" if asked.startswith("pyarrow") else "pandas.DataFrame")

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
        self.sessions.clear()


@functools.cache
def step_io_manager(root: Path) -> dg.IOManagerDefinition:
    """The IO manager of the project at a folder; one object, so that the definitions of its pipelines merge."""

    def opened(context: dg.InitResourceContext) -> Iterator[StepIOManager]:
        manager = StepIOManager(Project.at(root))
        try:
            yield manager
        finally:
            manager.close()

    description = "Keeps results by content; a reused result is not written again."
    # Its signature names a function, its documentation allows a generator, which is closed at the end of a run.
    return dg.IOManagerDefinition(opened, description=description)  # type: ignore[arg-type]


def _metadata(settled: Settled, reference: ResultReference, session: Session) -> dict[str, dg.MetadataValue[Any]]:
    result = settled.decision.result
    schema, size, seconds = _facts(settled, result)
    metadata: dict[str, Any] = {
        "outcome": dg.MetadataValue.text(settled.outcome),
        "reason": dg.MetadataValue.text(settled.decision.reason[:1000]),
        "key": dg.MetadataValue.text(str(reference.key)),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        "attempt": dg.MetadataValue.int(settled.attempt),
    }
    if reference.row_count is not None:
        metadata["dagster/row_count"] = dg.MetadataValue.int(reference.row_count)
    if size is not None:
        metadata["bytes"] = dg.MetadataValue.int(size)
    if schema:
        metadata["columns"] = dg.MetadataValue.int(len(schema))
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(
            dg.TableSchema(columns=_shown_columns(schema))
        )
    return metadata


def _shown_columns(schema: Mapping[str, str]) -> list[dg.TableColumn]:
    """The first columns, as many as fit: the event log keeps every materialization for ever."""
    columns: list[dg.TableColumn] = []
    left = _SCHEMA_BYTES
    for name, kind in schema.items():
        left -= _COLUMN_BYTES + len(name.encode()) + len(kind)
        if left < 0:
            break
        columns.append(dg.TableColumn(name, kind))
    return columns


def _facts(settled: Settled, result: Result | None) -> tuple[dict[str, str], int | None, float]:
    if settled.computed is not None:
        table = settled.computed.frame.table
        return {field.name: str(field.type) for field in table.schema}, table.nbytes, settled.computed.seconds
    assert result is not None
    return dict(result.output.schema), result.output.memory_bytes, settled.seconds
