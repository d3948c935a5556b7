"""What a pipeline can be gone back to: its snapshots, with the progress of the runs that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from odibi_assets.keep.result import ResultId
from odibi_assets.keep.results import Results
from odibi_assets.keep.run_record import Run
from odibi_assets.keep.snapshot import Snapshot, Snapshots


@dataclass(frozen=True)
class Checkpoint:
    """One snapshot.

    Attributes:
        published_at: ISO 8601, UTC.
        run_id: The run that published it; None where a run with nothing to do did.
        done: How many of that run's planned steps had a result when it was published or since.
        total: How many it planned.
        steps: The steps that have a result in it.
        size_bytes: What their results take in the store; what two snapshots share counts in both.
        is_current: Is it what readers see?
    """

    snapshot: str
    published_at: str
    run_id: str | None
    done: int
    total: int
    steps: tuple[str, ...]
    size_bytes: int
    is_current: bool


def checkpoints(snapshots: Snapshots, runs: Mapping[str, Run], results: Results) -> Iterator[Checkpoint]:
    """Newest first.

    Args:
        runs: The pipeline's runs by their id.
    """
    sizes: dict[ResultId, int] = {}
    for number, snapshot in enumerate(snapshots.history()):
        run = runs.get(snapshot.run_id or "")
        yield Checkpoint(
            snapshot=str(snapshot.id),
            published_at=snapshot.published_at,
            run_id=snapshot.run_id,
            done=len(run.finished) if run is not None else len(snapshot.steps),
            total=len(run.start.steps) if run is not None else len(snapshot.steps),
            steps=tuple(snapshot.steps),
            size_bytes=_size_bytes(snapshot, results, sizes),
            is_current=number == 0,
        )


def _size_bytes(snapshot: Snapshot, results: Results, sizes: dict[ResultId, int]) -> int:
    for reference in snapshot.steps.values():
        if reference.id not in sizes:
            result = results.get(reference)
            sizes[reference.id] = result.size_bytes if result is not None else 0
    return sum(sizes[reference.id] for reference in snapshot.steps.values())
