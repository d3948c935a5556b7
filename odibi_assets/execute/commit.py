"""A commit makes what a step computed durable: its blobs first, then its result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from odibi_assets.errors import StoreError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import FORMATS
from odibi_assets.keep.guard import writing
from odibi_assets.keep.result import OutputReference, Result, ResultReference, combined_version, reference_to
from odibi_assets.keep.results import Results
from odibi_assets.keep.saved_state import SavedStates

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Computed:
    """What a step came out with, before it is stored.

    Attributes:
        outputs: Output → its value, settled.
        replaces: A stored result with this key no longer holds, so a new generation is due.
        params: Those whose value depends on the attempt, as they were in the one that succeeded.
        used_state: There may be a saved state of the step, which is removed when the result is stored.
    """

    pipeline: str
    key: Key
    outputs: Mapping[str, Kept]
    produced_at: str
    run_id: str
    seconds: float
    reason: str
    trace: tuple[Observation, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()
    replaces: bool = False
    expires_at: str | None = None
    used_state: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> Digest:
        return combined_version({name: kept.version for name, kept in self.outputs.items()})

    @property
    def reference(self) -> ResultReference:
        """Stands for the result until it is committed: generation 0."""
        found = {name: OutputReference(kept.version, kept.row_count) for name, kept in self.outputs.items()}
        return reference_to(self.key.digest(), 0, found)


def commit(computed: Computed, results: Results) -> Result:
    """Store what was computed; returns the result that counts, which may be an earlier one of the key.

    Raises:
        StoreError: The store could not be written; nothing is visible then.
    """
    with unobserved():
        while True:
            outputs = {
                name: kept.output(FORMATS[kept.format].write(kept, results)) for name, kept in computed.outputs.items()
            }
            result = Result(
                pipeline=computed.pipeline,
                key=computed.key,
                outputs=outputs,
                produced_at=computed.produced_at,
                run_id=computed.run_id,
                seconds=computed.seconds,
                reason=computed.reason,
                trace=computed.trace,
                obstacles=computed.obstacles,
                expires_at=computed.expires_at,
                params=computed.params,
            )
            with writing(results.store):
                if results.is_whole(result):  # A file that was there already may have been collected since.
                    committed = results.commit(result, replace=computed.replaces)
                    break
        if computed.used_state:
            _discard_state(computed, results)
        return committed


def _discard_state(computed: Computed, results: Results) -> None:
    try:
        SavedStates(results.store).discard(computed.pipeline, computed.key.digest())
    except StoreError as error:
        _log.warning("The saved state of step %r can't be removed, and stays: %s", computed.key.step, error)


class Committer:
    """Commits beside the work, one after the other, on a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="odibi-assets-commit")
        self._pending: dict[Digest | str, Future[Any]] = {}
        self._lock = threading.Lock()

    def submit(self, what: Digest | str, work: Callable[[], None]) -> None:
        """Do ``work``, which stores the result with a version or does what is named, after all submitted before."""
        with self._lock:
            self._pending[what] = self._pool.submit(work)

    def wait(self, version: Digest) -> None:
        """Wait until a version is stored; raises what storing it raised."""
        with self._lock:
            future = self._pending.get(version)
        if future is not None:
            future.result()

    def flush(self) -> list[Exception]:
        """Wait for everything; returns what went wrong."""
        errors = []
        with self._lock:
            pending = dict(self._pending)
        for what, future in pending.items():
            error = future.exception()
            if isinstance(error, Exception):
                errors.append(error)
            with self._lock:
                self._pending.pop(what, None)
        return errors

    def close(self) -> None:
        self._pool.shutdown(wait=True)
