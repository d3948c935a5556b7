"""A result is the immutable record of one computed key: what came out, when, and how to tell it still holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from odibi_assets.declare.input import Input
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation

ResultId = tuple[Digest, int]
"""Key and generation."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file: the digest that names it, and its size."""

    digest: Digest
    size_bytes: int


@dataclass(frozen=True)
class Output:
    """One output of a step.

    Attributes:
        version: Identity of the content: Dagster's data version.
        blobs: Its files, in order.
        memory_bytes: Size in Arrow's memory, for a frame.
        row_count: Rows, for a frame.
        schema: Column → type, for a frame.
        columns: Column → digest, for a frame; for reasons, not for identity.
        changes: Type changes that keeping it made, each as a sentence.
    """

    version: Digest
    format: str
    blobs: tuple[Blob, ...]
    row_count: int | None = None
    memory_bytes: int | None = None
    schema: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Digest] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(blob.size_bytes for blob in self.blobs)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": str(self.version),
            "format": self.format,
            "blobs": [[str(blob.digest), blob.size_bytes] for blob in self.blobs],
            "row_count": self.row_count,
            "memory_bytes": self.memory_bytes,
            "schema": [list(column) for column in self.schema.items()],
            "columns": {name: str(digest) for name, digest in self.columns.items()},
            "changes": list(self.changes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Output:
        return cls(
            Digest.parse(data["version"]),
            data["format"],
            tuple(Blob(Digest.parse(digest), size) for digest, size in data["blobs"]),
            data["row_count"],
            data["memory_bytes"],
            dict(data["schema"]),
            {name: Digest.parse(digest) for name, digest in data["columns"].items()},
            tuple(data["changes"]),
        )


@dataclass(frozen=True)
class Acceptance:
    """That a user took a result over for another key: an edit, they say, changed nothing.

    Attributes:
        by: User and host, as ``ann@laptop``.
        at: ISO 8601, UTC.
        chain: The results that it was taken from, the nearest first; the last of them was computed.
        reason: As the user gave it.
    """

    by: str
    at: str
    chain: tuple[ResultId, ...]
    reason: str | None = None

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"accepted by {self.by} on {self.at[:16].replace('T', ' ')} UTC{why}"

    def to_json(self) -> dict[str, Any]:
        chain = [[str(key), generation] for key, generation in self.chain]
        return {"by": self.by, "at": self.at, "chain": chain, "reason": self.reason}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Acceptance:
        chain = tuple((Digest.parse(key), generation) for key, generation in data["chain"])
        return cls(data["by"], data["at"], chain, data["reason"])


@dataclass(frozen=True)
class Result:
    """The record of one computation.

    Attributes:
        key: Its components, kept readable, so that a later run can say what changed.
        outputs: Output name → what came out.
        generation: Counts the records of one key, from 1; the highest unrevoked counts.
        trace: What the step was seen to read; a hit needs all of it to hold.
        obstacles: What it did that makes it non-reusable, as found while it ran: (kind, text).
        produced_at: ISO 8601, UTC.
        seconds: Duration of the computation, without reading inputs and committing.
        nondeterministic: The same key has had another version before.
        expires_at: ISO 8601, UTC, for a step that declares ``ttl``.
        accepted: Set where it was not computed under this key, but taken over from another one.
    """

    pipeline: str
    key: Key
    outputs: Mapping[str, Output]
    produced_at: str
    run_id: str
    seconds: float
    reason: str = ""
    generation: int = 1
    trace: tuple[Observation, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()
    nondeterministic: bool = False
    expires_at: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    accepted: Acceptance | None = None

    @property
    def output(self) -> Output:
        """The only output of a step that has one."""
        (only,) = self.outputs.values()
        return only

    @property
    def id(self) -> ResultId:
        return self.key.digest(), self.generation

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The files of all outputs, in order; one that several share stands for each."""
        return tuple(blob for output in self.outputs.values() for blob in output.blobs)

    @property
    def version(self) -> Digest:
        """Identity of everything that came out."""
        return combined_version({name: output.version for name, output in self.outputs.items()})

    @property
    def row_count(self) -> int | None:
        """Rows, where one frame came out."""
        return self.output.row_count if len(self.outputs) == 1 else None

    @property
    def size_bytes(self) -> int:
        return sum(blob.size_bytes for blob in self.blobs)

    @property
    def recorded_at(self) -> str:
        """When it came under its key; ISO 8601, UTC."""
        return self.accepted.at if self.accepted is not None else self.produced_at

    @property
    def reference(self) -> ResultReference:
        found = {name: OutputReference(output.version, output.row_count) for name, output in self.outputs.items()}
        return reference_to(self.key.digest(), self.generation, found)

    def with_generation(self, generation: int, *, nondeterministic: bool) -> Result:
        return replace(self, generation=generation, nondeterministic=nondeterministic)

    def to_json(self) -> dict[str, Any]:
        accepted = {"accepted": self.accepted.to_json()} if self.accepted is not None else {}
        return {
            **accepted,
            "pipeline": self.pipeline,
            "key": self.key.to_json(),
            "outputs": {name: output.to_json() for name, output in self.outputs.items()},
            "produced_at": self.produced_at,
            "run_id": self.run_id,
            "seconds": self.seconds,
            "reason": self.reason,
            "generation": self.generation,
            "trace": [observation.to_json() for observation in self.trace],
            "obstacles": [list(obstacle) for obstacle in self.obstacles],
            "nondeterministic": self.nondeterministic,
            "expires_at": self.expires_at,
            "params": dict(self.params),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        return cls(
            pipeline=data["pipeline"],
            key=Key.from_json(data["key"]),
            outputs={name: Output.from_json(output) for name, output in data["outputs"].items()},
            produced_at=data["produced_at"],
            run_id=data["run_id"],
            seconds=data["seconds"],
            reason=data["reason"],
            generation=data["generation"],
            trace=tuple(Observation.from_json(observation) for observation in data["trace"]),
            obstacles=tuple((kind, text) for kind, text in data["obstacles"]),
            nondeterministic=data["nondeterministic"],
            expires_at=data["expires_at"],
            params=data.get("params", {}),
            accepted=Acceptance.from_json(data["accepted"]) if data.get("accepted") else None,
        )


@dataclass(frozen=True, slots=True)
class OutputReference:
    """What a reference repeats of one output."""

    version: Digest
    row_count: int | None = None


@dataclass(frozen=True, slots=True)
class ResultReference:
    """Names one result: its key and generation; versions and rows are repeated to spare a look.

    Attributes:
        version: Of everything that came out.
        row_count: Rows, where one frame came out.
        outputs: Output → its part, where there are several.
    """

    key: Digest
    generation: int
    version: Digest
    row_count: int | None = None
    outputs: Mapping[str, OutputReference] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> ResultId:
        return self.key, self.generation

    def output(self, name: str | None) -> OutputReference:
        """One output's part; the only one where none is named."""
        if name is not None and name in self.outputs:
            return self.outputs[name]
        return OutputReference(self.version, self.row_count)

    def to_json(self) -> list[Any]:
        data: list[Any] = [str(self.key), self.generation, str(self.version), self.row_count]
        several = {name: [str(found.version), found.row_count] for name, found in self.outputs.items()}
        return [*data, several] if several else data

    @classmethod
    def from_json(cls, data: list[Any]) -> ResultReference:
        several = data[4] if len(data) > 4 else {}
        outputs = {name: OutputReference(Digest.parse(version), rows) for name, (version, rows) in several.items()}
        return cls(Digest.parse(data[0]), data[1], Digest.parse(data[2]), data[3], outputs)


def combined_version(versions: Mapping[str, Digest]) -> Digest:
    """The version of a result: that of its output, or one over all of them."""
    if len(versions) == 1:
        return next(iter(versions.values()))
    return Digest.of_struct("outputs", sorted(versions.items()))


def reference_to(key: Digest, generation: int, outputs: Mapping[str, OutputReference]) -> ResultReference:
    """The reference to a result with these outputs."""
    version = combined_version({name: output.version for name, output in outputs.items()})
    if len(outputs) > 1:
        return ResultReference(key, generation, version, None, outputs)
    (only,) = outputs.values()
    return ResultReference(key, generation, version, only.row_count)


@dataclass(frozen=True, slots=True)
class Absent:
    """In the place of a reference: the step has no result in this run, and that is no failure.

    Attributes:
        outcome: ``absent``, or ``skipped`` where it needs what is absent.
        reason: Why.
    """

    outcome: str
    reason: str


Taken = ResultReference | Absent
"""What a step is handed of another."""


def absent_item(input: Input) -> Item:
    """The part of a key that says that a parameter is handed nothing, since its input is absent."""
    return Item(Digest.of_struct("absent", None), "input", shown=f"{input} is absent", detail={"step": str(input)})


def binding_item(
    input: Input, handed_as: str, reference: OutputReference, columns: Mapping[str, Digest] | None = None
) -> Item:
    """The part of a key that says which version a parameter is handed, and as what."""
    step = str(input)
    rows = "" if reference.row_count is None else f", {reference.row_count} rows"
    detail: dict[str, Any] = {"step": step, "version": str(reference.version), "row_count": reference.row_count}
    if columns:
        detail["columns"] = {name: digest.hex[:16] for name, digest in columns.items()}
    digest = Digest.of_struct("binding", [reference.version, handed_as])
    return Item(digest, "input", shown=f"{step}{rows}", detail=detail)
