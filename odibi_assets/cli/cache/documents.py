"""The documents that ``oda cache`` prints under ``--json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from odibi_assets.cli.document import Accepted, Document, Time, Version


class StoredResult(Document):
    pipeline: str
    step: str
    key: Version
    generation: int
    version: Version
    rows: int | None
    size_bytes: int
    produced_at: Time
    seconds: float
    run_id: str
    nondeterministic: Annotated[
        bool, Field(description="Its key came out otherwise, before it or when an audit computed it again.")
    ]
    accepted: Annotated[Accepted | None, Field(description="Where it was taken over from another key.")]


class CacheLsDocument(Document):
    """Stored results, newest first."""

    results: list[StoredResult]


class CacheVerifyDocument(Document):
    """Damage in the store; the exit status is 1 if there is any."""

    checked: Annotated[int, Field(description="Objects.")]
    damage: Annotated[list[str], Field(description="One sentence for each damaged object.")]


class CurrentPlace(Document):
    environment: str
    pipeline: str
    step: str


class CacheShowDocument(StoredResult):
    """All that is recorded of one result."""

    reason: str
    revoked: Annotated[str | None, Field(description="Why it was taken out of use, as a sentence.")]
    expires_at: Time | None
    current_in: list[CurrentPlace]
    components: Annotated[dict[str, Any], Field(description="The parts of its key, by section and name.")]
    outputs: Annotated[dict[str, Any], Field(description="Output → version, format, blobs, rows, schema, columns.")]
    trace: Annotated[list[Any], Field(description="What was read beside the inputs: kind, name, state.")]
    obstacles: Annotated[list[Any], Field(description="What makes it non-reusable: kind, text.")]


class DifferingPlace(Document):
    output: str
    column: Annotated[str, Field(description="Of a frame; of another value, its path, line or element.")]
    row: Annotated[int | None, Field(description="Counts from 1.")]
    before: Annotated[str, Field(description="What is reused.")]
    after: Annotated[str, Field(description="What it came out as this time.")]


class AuditedStep(Document):
    step: str
    outcome: Literal["same", "differs", "left out"]
    note: Annotated[str, Field(description="Why it was left out, or what else is to say.")]
    key: Version
    version: Annotated[Version, Field(description="Of the result that is reused.")]
    version_now: Annotated[Version | None, Field(description="What it came out with; null where it was left out.")]
    seconds: float
    places: Annotated[list[DifferingPlace], Field(description="The first places that differ.")]


class CacheAuditDocument(Document):
    """What a sample of the hits came out as when it was computed again; exit status 1 if anything differed."""

    pipeline: str
    environment: str
    sample: Annotated[float, Field(description="The part of the hits that was asked for, 0 to 1.")]
    seed: Annotated[int, Field(description="Draws the same sample again.")]
    hits: int
    recomputed: Annotated[int, Field(description="Without those that were left out.")]
    differed: int
    rate: Annotated[float | None, Field(description="differed / recomputed; null where nothing was recomputed.")]
    upper_bound: Annotated[
        float | None, Field(description="Of the rate: one-sided, exact (Clopper-Pearson), at `confidence`.")
    ]
    confidence: float
    steps: Annotated[list[AuditedStep], Field(description="In the order in which they were drawn.")]


class Invalidated(Document):
    step: str
    key: Version
    generation: int


class CacheInvalidateDocument(Document):
    """Results that were taken out of use."""

    invalidated: list[Invalidated]
    steps: list[str]


class CacheClearDocument(Document):
    """What was deleted."""

    pipeline: Annotated[str | None, Field(description="Null for every pipeline.")]
    results: int
    blobs: int
    freed_bytes: int
    heads: Annotated[list[str], Field(description="environment/pipeline: nothing is current there any more.")]


class Deleted(Document):
    results: int
    blobs: int
    snapshots: Annotated[int, Field(description="Objects; a large snapshot has several.")]
    runs: int
    revocations: int
    temporary: int
    pins: int
    states: int


class CacheGcDocument(Document):
    """What was deleted, or would be, and why results stay."""

    dry_run: bool
    deleted: Deleted
    freed_bytes: int
    noted: Annotated[int, Field(description="In a bucket: objects that a gc an hour later deletes.")]
    kept: Annotated[dict[str, int], Field(description="current, snapshot, pinned, recent, young → results.")]


class Collectable(Document):
    results: int
    blobs: int
    bytes: int


class StepShare(Document):
    pipeline: str
    step: str
    results: int
    stored_bytes: int
    logical_bytes: int


class CacheStatsDocument(Document):
    """How much the store holds."""

    store: str
    results: int
    revoked: int
    blobs: int
    snapshots: Annotated[int, Field(description="Objects; a large snapshot has several.")]
    runs: int
    stored_bytes: int
    logical_bytes: Annotated[int, Field(description="As if each result had its files for itself.")]
    deduplicated: Annotated[float, Field(description="The part of the logical bytes that sharing spares, 0 to 1.")]
    collectable: Annotated[Collectable, Field(description="What a gc would free.")]
    steps: list[StepShare]


class LineMove(Document):
    environment: str
    pipeline: str
    moved: Literal["unchanged", "created", "forwarded", "ahead", "merged", "left"]


# "from" is a Python keyword, so this one is written as a call.
TransferDocument = TypedDict(
    "TransferDocument",
    {
        "from": str,
        "to": str,
        "copied": Annotated[int, Field(description="Results that were not there.")],
        "present": Annotated[int, Field(description="Results that were there.")],
        "blobs": int,
        "bytes": int,
        "left_out": Annotated[list[str], Field(description="A sentence for each result that was not copied.")],
        "lines": list[LineMove],
    },
)
TransferDocument.__doc__ = "Results copied to, or from, another store, and what became of each environment."
TransferDocument.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]

CACHE_DOCUMENTS: dict[str, Any] = {
    "ls": CacheLsDocument,
    "show": CacheShowDocument,
    "verify": CacheVerifyDocument,
    "audit": CacheAuditDocument,
    "invalidate": CacheInvalidateDocument,
    "clear": CacheClearDocument,
    "gc": CacheGcDocument,
    "stats": CacheStatsDocument,
    "push": TransferDocument,
    "pull": TransferDocument,
}
"""Command of ``oda cache`` → the type of its document."""
