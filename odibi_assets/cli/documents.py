"""The documents that commands print under ``--json``; the JSON schemas in docs/schemas are made from these types."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, TypeAdapter

from odibi_assets.cli.cache.documents import CACHE_DOCUMENTS
from odibi_assets.cli.document import Accepted, Document, Time, Version

Outcome = Literal["computed", "cached", "failed", "skipped", "absent", "waiting"]
Planned = Literal["hit", "miss", "unknown", "absent", "skipped"]
Rows = list[dict[str, Any]]


class Retried(Document):
    """An attempt that failed and was followed by another."""

    attempt: Annotated[int, Field(description="The first is 1.")]
    error: str
    wait_s: Annotated[float | None, Field(description="Seconds until the next; null where it is not known.")]


class Step(Document):
    name: str
    layer: str
    partition: str | None
    seconds: Annotated[float, Field(description="Of the last attempt; 0 where nothing was computed.")]
    attempts: int
    rows: int | None
    version: Version | None
    key: Version | None
    reason: Annotated[str, Field(description="Why it ran, or need not.")]
    error: str | None
    retries: list[Retried]
    params: Annotated[
        dict[str, Any], Field(description="Those that depend on the attempt, as they were in the one that succeeded.")
    ]


class RunStep(Step):
    outcome: Outcome


class PlanStep(Step):
    outcome: Planned


class UndoneEntry(Document):
    step: str
    effect: Annotated[
        Literal["done", "unknown"], Field(description="unknown: the step, or an earlier undo of it, ended in between.")
    ]
    error: Annotated[str | None, Field(description="What the undo raised; null where the step is undone.")]


class RolledBackEntry(Document):
    at: Time
    undone: Annotated[list[UndoneEntry], Field(description="In the order in which the undos ran.")]
    moved: Annotated[list[str], Field(description="Steps whose current result is what it was before the run.")]
    snapshot: Annotated[Version | None, Field(description="What was current then.")]


class RunDocument(Document):
    """What `oda run` and `oda resume` did."""

    pipeline: str
    environment: str
    run_id: Annotated[str | None, Field(description="Dagster's run; null where there was nothing to do.")]
    parent_run_id: Annotated[str | None, Field(description="The run that this one resumes.")]
    status: Literal["success", "failed", "waiting"]
    seconds: float
    snapshot: Annotated[Version | None, Field(description="What is current afterwards.")]
    rolled_back: Annotated[RolledBackEntry | None, Field(description="How it was undone, if it failed and was.")]
    steps: list[RunStep]


class Policy(Document):
    name: Annotated[str, Field(description="As in the YAML, `retry.max_retries`.")]
    value: Any
    origin: Annotated[Literal["default", "preset", "pipeline", "step"], Field(description="Who says so.")]


class Policies(Document):
    preset: str | None
    pipeline: list[Policy]
    steps: dict[str, list[Policy]]


class PlanDocument(Document):
    """What `oda run` would do."""

    pipeline: str
    environment: str
    run_id: None
    parent_run_id: None
    status: Literal["success"]
    seconds: float
    snapshot: None
    rolled_back: None
    steps: list[PlanStep]
    imports: Annotated[
        list[str], Field(description="Why the modules are imported each time; empty where a plan can do without.")
    ]
    policies: Annotated[NotRequired[Policies], Field(description="With `--effective`: as they came out.")]


class ListedStep(Document):
    name: str
    layer: str
    kind: str
    inputs: list[str]


class ListedPipeline(Document):
    name: str
    file: str
    mistakes: Annotated[int, Field(description="How many; `oda validate` names them.")]
    steps: list[ListedStep]


class ListDocument(Document):
    """The pipelines of a project."""

    pipelines: list[ListedPipeline]


class GraphNode(Document):
    name: str
    layer: str
    kind: str
    outcome: Annotated[Outcome | None, Field(description="Of the last run that listed it.")]


class GraphEdge(Document):
    source: str
    target: str
    kind: Annotated[
        Literal["data", "optional", "after"],
        Field(description="optional: data that may be absent; after: order without data."),
    ]


class GraphDocument(Document):
    """Steps in an order in which each follows what it waits for."""

    pipeline: str
    layers: list[str]
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class MistakeEntry(Document):
    file: str
    line: int | None
    key: str
    found: str | None
    expected: str
    nearest: str | None


class ValidateDocument(Document):
    """All mistakes; the exit status is 2 if there is any."""

    mistakes: list[MistakeEntry]


class ErrorDocument(Document):
    """What any command prints that could not begin: exit status 2, or 1 where a store failed."""

    error: str
    mistakes: list[MistakeEntry]


class ReasonEntry(Document):
    kind: str
    text: str
    place: Annotated[str | None, Field(description="file:line")]


class Cause(Document):
    step: str
    reasons: list[ReasonEntry]


class CurrentResult(Document):
    key: Version
    version: Version
    run_id: str
    produced_at: Time
    reason: str
    accepted: Annotated[Accepted | None, Field(description="Where it was taken over from another key.")]
    nondeterministic: bool


class WhyDocument(Document):
    """Why a step would run now, or need not."""

    pipeline: str
    step: str
    outcome: Planned
    reasons: list[ReasonEntry]
    causes: Annotated[list[Cause], Field(description="The steps at or above it that will run, nearest first.")]
    current: CurrentResult | None


class ReceiptStep(Document):
    step: str
    key: Version
    generation: int
    version: Version
    components: Annotated[dict[str, Any], Field(description="The parts of its key, by section and name.")]
    outputs: Annotated[dict[str, Any], Field(description="Output → version, format, blobs, rows, schema, columns.")]
    trace: Annotated[list[Any], Field(description="What was read beside the inputs: kind, name, state.")]
    produced_at: Time
    run_id: str
    by: Annotated[
        str | None, Field(description="Who began the run, as user@host; null where the run's record is gone.")
    ]
    seconds: float
    reason: str
    accepted: Annotated[dict[str, Any] | None, Field(description="Who took it over from another key: by, at, chain.")]
    nondeterministic: bool
    expires_at: Time | None


class ReceiptDocument(Document):
    """What `oda why --receipt` prints: everything that skipping a step relies on, for `oda verify`."""

    receipt: Annotated[Literal[1], Field(description="The schema of the receipt.")]
    key_schema: int
    odibi_assets: Annotated[str, Field(description="The version that wrote it.")]
    pipeline: str
    source: Annotated[str, Field(description="The YAML file below the project root, or file.py:name.")]
    environment: str
    step: str
    reason: str
    issued_at: Time
    store_id: str
    salt: Annotated[Version, Field(description="Tells stores with one salt; the salt can't be told from it.")]
    steps: Annotated[list[ReceiptStep], Field(description="Each after those that it takes data of; the step last.")]
    absent: Annotated[dict[str, str], Field(description="Steps above without a result → why.")]


class CheckEntry(Document):
    step: str
    part: Annotated[str, Field(description="Section and name: `code rules.is_big`, `output result`.")]
    outcome: Annotated[Literal["holds", "differs", "unknown"], Field(description="unknown: it can't be told here.")]
    text: Annotated[str, Field(description="What differs, or why it can't be told.")]
    place: Annotated[str | None, Field(description="file:line")]


class VerifyDocument(Document):
    """What became of the parts of a receipt; exit status 1 if one differs."""

    pipeline: str
    step: str
    key: Version
    version: Version
    holds: Annotated[bool, Field(description="Nothing differs.")]
    checks: list[CheckEntry]


class AcceptDocument(Document):
    """What `oda accept` took over, or would."""

    pipeline: str
    environment: str
    step: str
    dry_run: bool
    key_before: Annotated[Version, Field(description="Of the current result, which is taken over.")]
    key: Annotated[Version, Field(description="That it is taken over for.")]
    version: Version
    differences: Annotated[list[ReasonEntry], Field(description="What is not the same in the two keys.")]
    accepted: Annotated[Accepted | None, Field(description="null in a dry run.")]
    snapshot: Annotated[Version | None, Field(description="What is current afterwards; null in a dry run.")]


class ShownFrame(Document):
    """The data of a frame."""

    pipeline: str
    step: str
    version: Version
    row_count: int
    schema: Annotated[dict[str, str], Field(description="Column → type.")]
    rows: Annotated[Rows, Field(description="The first, as many as `--rows` says.")]


class ShownValue(Document):
    """What a step came out with that is no frame."""

    pipeline: str
    step: str
    version: Version
    format: str
    value: Annotated[Any, Field(description="Of JSON and text, the value; null for what a document can't hold.")]


class HistoryRun(Document):
    run_id: str
    parent_run_id: str | None
    status: Literal["running", "success", "failed", "canceled", "interrupted"]
    started_at: Time
    seconds: float | None
    steps: dict[str, Outcome]
    progress: Annotated[str, Field(description="finished/planned")]
    can_resume: bool
    why_not: str | None
    rolled_back: RolledBackEntry | None


class HistoryCheckpoint(Document):
    snapshot: str
    published_at: Time
    run_id: Annotated[str | None, Field(description="null where a run with nothing to do published it")]
    done: Annotated[int, Field(description="Steps that the run finished.")]
    total: Annotated[int, Field(description="Steps that the run planned.")]
    steps: list[str]
    size_bytes: int
    is_current: bool


class HistoryDocument(Document):
    """Runs, and the snapshots that are kept, each newest first."""

    pipeline: str
    runs: list[HistoryRun]
    checkpoints: list[HistoryCheckpoint]


class ChangedTable(Document):
    step: str
    output: Annotated[str | None, Field(description="Of a step with several outputs.")]
    partition: None
    rows_before: int | None
    rows_after: int | None
    version_before: Annotated[Version | None, Field(description="null: nothing was current.")]
    version_after: Annotated[Version | None, Field(description="null: nothing is current any more.")]


class Consumer(Document):
    step: str
    takes: list[str]
    changes: Annotated[bool, Field(description="false: it stays derived from what was current before.")]


class RollbackDocument(Document):
    """What `oda rollback` did, or would do."""

    pipeline: str
    environment: str
    dry_run: bool
    run_id: Annotated[str | None, Field(description="The run that is rolled back.")]
    to: Annotated[Version | None, Field(description="The snapshot that is returned to.")]
    snapshot_before: Version | None
    snapshot: Annotated[Version | None, Field(description="What is current afterwards; null in a dry run.")]
    tables: Annotated[list[ChangedTable], Field(description="What changes of what is current.")]
    consumers: Annotated[list[Consumer], Field(description="The steps that take data of those.")]
    undone: Annotated[list[UndoneEntry], Field(description="In the order of the undos; in a dry run, what would be.")]


class Message(Document):
    time: Time
    level: str
    step: str | None
    message: str


class LogsDocument(Document):
    """What a run logged."""

    run_id: str
    messages: list[Message]


class SyncedPipeline(Document):
    pipeline: str
    reported: Annotated[list[str], Field(description="Steps that Dagster was told of.")]
    unchanged: list[str]
    missing: Annotated[list[str], Field(description="Steps whose result is gone from the store.")]


class SyncDocument(Document):
    """What Dagster was told is current."""

    environment: str
    pipelines: list[SyncedPipeline]


class InitDocument(Document):
    """The files of a new project."""

    project: str
    files: list[str]


class ExportDocument(Document):
    """A pipeline as YAML."""

    pipeline: str
    yaml: str


DOCUMENTS: dict[str, Any] = {
    "list": ListDocument,
    "graph": GraphDocument,
    "validate": ValidateDocument,
    "plan": PlanDocument,
    "run": RunDocument,
    "resume": RunDocument,
    "rollback": RollbackDocument,
    "why": WhyDocument | ReceiptDocument,
    "verify": VerifyDocument,
    "accept": AcceptDocument,
    "show": ShownFrame | ShownValue,
    "history": HistoryDocument,
    "logs": LogsDocument,
    "init": InitDocument,
    "export": ExportDocument,
    "sync": SyncDocument,
    **{f"cache {command}": document for command, document in CACHE_DOCUMENTS.items()},
}
"""Command → the type of its document; every command may print an ``ErrorDocument`` instead."""


def schema(document: Any) -> dict[str, Any]:
    """The JSON schema of a document."""
    found = TypeAdapter(document).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def schemas() -> dict[str, dict[str, Any]]:
    """File name below docs/schemas → schema."""
    named = {command.replace(" ", "-"): document for command, document in DOCUMENTS.items()}
    return {f"{name}.json": schema(document) for name, document in {**named, "error": ErrorDocument}.items()}
