"""What a long step saves of its work, so that a killed one goes on where it was: ``context.state``."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi_assets.decide.plan import World
from odibi_assets.engines.engine import Engine
from odibi_assets.errors import NotStorable, OdibiAssetsError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.observation import Observation
from odibi_assets.identify.observing import unobserved
from odibi_assets.keep.formats import frame
from odibi_assets.keep.formats.known import FORMATS, suitable
from odibi_assets.keep.formats.plain import BYTES, JSON, TEXT
from odibi_assets.keep.saved_state import SavedState, SavedStates

_FRAME_TYPES = {"pandas": "pandas.DataFrame", "pyarrow": "pyarrow.Table", "polars": "polars.DataFrame"}
_PLAIN = {found.name: found for found in (BYTES, JSON, TEXT)}


@dataclass(frozen=True)
class Seen:
    """What a step was seen to do until now: what it read, and what makes its result non-reusable."""

    trace: tuple[Observation, ...]
    obstacles: Mapping[str, str]


@dataclass
class StepState:
    """The saved state of one step, for as long as its key has no result.

    Another key, as after an edit of the code, a param or an input, has another state. What the step
    had read when it saved counts as read by whoever loads it: a state that rests on a file that
    changed since is not handed out.
    """

    world: World
    engine: Engine
    folder: Path
    pipeline: str
    step: str
    key: Digest
    params: str
    root_run_id: str
    forced: bool
    ttl_s: float | None
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    seen: Callable[[], Seen]
    began_at: datetime.datetime
    is_used: bool = False
    is_open: bool = True
    _earlier: SavedState | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def save(self, value: Any) -> None:
        """Keep a value in place of the one saved before: what JSON has, bytes, NumPy arrays, a frame.

        A value that can't be saved costs a warning, and the state saved before stands.
        """
        with self._lock, unobserved():
            self.is_used = True
            try:
                self._save(value)
            except Exception as error:  # Whatever a value or a store fails with: the step can do without.
                self.log.warning("The state of step %r can't be saved: %s The step goes on.", self.step, _told(error))

    def load(self) -> Any:
        """The value saved last, by this attempt or by an earlier one that did not finish; None if there is none."""
        with self._lock, unobserved():
            self.is_used = True
            try:
                return self._load()
            except Exception as error:  # As above: an unreadable state is none.
                self.log.warning("The state of step %r can't be read and counts as none: %s", self.step, _told(error))
                return None

    def completed(self, seen: Seen) -> Seen:
        """What a result rests on: what this attempt did, and the attempts whose state it took."""
        if self._earlier is None:
            return seen
        trace = tuple(dict.fromkeys((*self._earlier.trace, *seen.trace)))
        return Seen(trace, {**dict(self._earlier.obstacles), **seen.obstacles})

    @property
    def taken_from(self) -> datetime.datetime | None:
        """When the work began that this attempt took over; None where it did all by itself."""
        return self.began_at if self._earlier is not None else None

    def close(self) -> None:
        """The attempt is over; a thread that it left behind saves nothing any more."""
        with self._lock:
            self.is_open = False

    def _save(self, value: Any) -> None:
        if not self.is_open:
            raise NotStorable("the attempt is over.")
        name, path = self._written(value)
        try:
            seen = self.completed(self.seen())
            state = SavedState(
                pipeline=self.pipeline,
                step=self.step,
                key=self.key,
                params=self.params,
                format=name,
                data=Digest.of_file(path),
                root_run_id=self.root_run_id,
                began_at=self.began_at.isoformat(timespec="milliseconds"),
                saved_at=self.world.now().isoformat(timespec="milliseconds"),
                trace=seen.trace,
                obstacles=tuple(sorted(seen.obstacles.items())),
            )
            self._states.save(state, path)
        finally:
            path.unlink(missing_ok=True)

    def _written(self, value: Any) -> tuple[str, Path]:
        """The value as a file, and how it is to be read."""
        if self.engine.is_frame(value):
            kept = FORMATS["parquet"].settle(self.engine.take(value), shared=True, folder=self.folder)
            name = _FRAME_TYPES.get(type(value).__module__.partition(".")[0], _FRAME_TYPES["pandas"])
        else:
            name = "json" if value is None else suitable(value)
            if name not in (*_PLAIN, "numpy"):
                raise NotStorable(
                    f"it is a {type(value).__qualname__}: give it a value of JSON, bytes, arrays, a frame."
                )
            kept = FORMATS[name].settle(value, shared=True, folder=self.folder)
        return name, FORMATS[kept.format].as_path(kept, self.folder)

    def _load(self) -> Any:
        state = self._states.get(self.pipeline, self.key)
        if state is None or not self._may_take(state):
            return None
        value = self._read(state.format, self._states.open(state))
        self._earlier = state
        self.began_at = min(self.began_at, datetime.datetime.fromisoformat(state.began_at))
        return value

    def _may_take(self, state: SavedState) -> bool:
        """Is it a state that this attempt would have come to by itself?"""
        if state.params != self.params or (self.forced and state.root_run_id != self.root_run_id):
            return False
        age_s = (self.world.now() - datetime.datetime.fromisoformat(state.began_at)).total_seconds()
        if self.ttl_s is not None and not -300 < age_s < self.ttl_s:
            return False
        for observation in state.trace:
            if not observation.holds(self.world.root, self.world.results.salt, self.world.env):
                self.log.info("Step %r starts anew, without its saved state: %s.", self.step, observation.describe())
                return False
        return True

    def _read(self, name: str, path: Path) -> Any:
        if name in _PLAIN:
            return _PLAIN[name].decode(path.read_bytes())
        if name == "numpy":
            import numpy as np

            found = np.load(path, allow_pickle=False)
            return found if isinstance(found, np.ndarray) else dict(found)
        return self.engine.hand_over(frame.read(path), name)

    @property
    def _states(self) -> SavedStates:
        return SavedStates(self.world.results.store)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, OdibiAssetsError) else f"{type(error).__name__}: {error}."
