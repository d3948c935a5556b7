"""How much a store holds, and what sharing spares: data for ``oda cache stats``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from odibi_assets.keep.garbage import Stored


@dataclass(frozen=True)
class Share:
    """What some results take.

    Attributes:
        logical_bytes: As if each result had its files for itself.
        stored_bytes: Each file once.
    """

    results: int
    logical_bytes: int
    stored_bytes: int

    @property
    def deduplicated(self) -> float:
        """The part of the logical bytes that sharing spares, from 0 to 1."""
        return 1 - self.stored_bytes / self.logical_bytes if self.logical_bytes else 0.0


def share(results: Iterable[Stored]) -> Share:
    """Add up results."""
    found = list(results)
    sizes = {blob.digest: blob.size_bytes for stored in found for blob in stored.blobs}
    return Share(len(found), sum(stored.size_bytes for stored in found), sum(sizes.values()))


def by_step(results: Iterable[Stored]) -> dict[tuple[str, str], Share]:
    """Pipeline and step → what its results take, the largest first."""
    groups: dict[tuple[str, str], list[Stored]] = {}
    for stored in results:
        groups.setdefault((stored.pipeline, stored.step), []).append(stored)
    shares = {group: share(found) for group, found in groups.items()}
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1].stored_bytes, pair[0])))
