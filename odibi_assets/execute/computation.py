"""One computation: inputs handed over, the transform run and watched, what came out settled."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.declare.step import Step, secret_template
from odibi_assets.declare.template import fill_env
from odibi_assets.engines.duckdb_sql import run_statement
from odibi_assets.engines.engine import Engine
from odibi_assets.errors import NotStorable, OdibiAssetsError, StepError
from odibi_assets.execute.commit import Computed
from odibi_assets.execute.hidden_channels import HiddenChannels
from odibi_assets.execute.step_context import StepContext
from odibi_assets.identify.file_digest import match
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.observed_inputs import Observation, Recorder, observed
from odibi_assets.keep.formats.frame import settle


class FilesChanged(StepError):
    """A file was written while a step read it; another try decides anew."""


@dataclass
class _Watched:
    """What watching the transform found."""

    value: Any
    shared: bool = False
    trace: tuple[Observation, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Computation:
    """Everything needed to compute one step of one run.

    Attributes:
        mutated: Module values that steps of this process have changed.
    """

    identified: Identified
    world: World
    engine: Engine
    run_id: str
    ignored: tuple[str, ...]
    log: logging.Logger
    mutated: set[str]

    def run(self, decision: Decision, tables: Mapping[str, pa.Table], *, attempt: int) -> Computed:
        """Compute a step from the tables of its inputs.

        Raises:
            StepError: The step was called wrongly, or its files changed meanwhile.
            NotStorable: What it returned can't be kept.
            Exception: Whatever the step's own code raises.
        """
        assert decision.key is not None
        step = self.identified.pipeline.by_name[decision.step.name]
        started = time.perf_counter()
        transform = {"read": self._run_read, "sql": self._run_sql, "python": self._run_python}[step.kind]
        watched = transform(step, decision, tables, attempt)
        seconds = time.perf_counter() - started
        try:
            frame = settle(self.engine.take(watched.value), shared=watched.shared)
        except NotStorable as error:
            raise NotStorable(f"The result of step {step.name!r} can't be kept. {error}") from error
        now = self.world.now()
        expires = now + datetime.timedelta(seconds=step.cache.ttl) if step.cache.ttl is not None else None
        return Computed(
            pipeline=self.identified.pipeline.name,
            key=decision.key,
            frame=frame,
            produced_at=now.isoformat(timespec="milliseconds"),
            run_id=self.run_id,
            seconds=round(seconds, 6),
            reason=decision.reason,
            trace=watched.trace,
            obstacles=watched.obstacles,
            replaces=decision.replaces,
            expires_at=expires.isoformat(timespec="milliseconds") if expires else None,
        )

    def _run_read(self, step: Step, decision: Decision, tables: Mapping[str, pa.Table], attempt: int) -> _Watched:
        assert step.read is not None and decision.key is not None
        paths = match(self.world.root, fill_env(step.read.path, self.world.env))
        value = self.engine.read(step.read.format, paths, fill_env(step.read.options, self.world.env))
        # What was read during a change is never stored (truth.md 4.1).
        if self.world.file_items(decision.step) != decision.key.files:
            raise FilesChanged(
                f"The files of step {step.name!r} ({step.read.path}) changed while they were read. "
                "Run again when they rest."
            )
        return _Watched(value)

    def _run_sql(self, step: Step, decision: Decision, tables: Mapping[str, pa.Table], attempt: int) -> _Watched:
        statement = fill_env(self.identified.statements[step.name], self.world.env)
        return _Watched(run_statement(statement, tables, threads=1 if step.deterministic else None))

    def _run_python(self, step: Step, decision: Decision, tables: Mapping[str, pa.Table], attempt: int) -> _Watched:
        transform = self.identified.transforms[step.name]
        arguments = {name: self.engine.hand_over(tables[name], transform.inputs[name]) for name in step.bindings}
        params = self._params(step)
        extra: dict[str, Any] = {}
        if transform.context is not None:
            pipeline = self.identified.pipeline.name
            extra[transform.context] = StepContext(pipeline, step.name, self.run_id, attempt, params, self.log)
        recorder = Recorder(self.world.root, self.ignored)
        channels = HiddenChannels.taken()
        try:
            with observed(recorder):
                value = transform.function(**arguments, **params, **extra)
        finally:
            changed = channels.restore()
        trace = recorder.finish(self.world.results.salt, self.world.env)
        obstacles = dict(recorder.obstacles)
        if changed:
            obstacles["channel"] = f"it leaves {' and '.join(changed)} changed"
        mutated = self._mutated_values(decision)
        if mutated:
            obstacles["channel"] = mutated
        return _Watched(value, True, trace, tuple(self._standing(decision, obstacles)))

    def _mutated_values(self, decision: Decision) -> str | None:
        """What the step did to module values, or took of what an earlier step of this process did."""
        before = self.mutated & set(decision.key.code if decision.key is not None else ())
        now = self.identified.values.changed()
        own = sorted(now - self.mutated)
        self.mutated.update(now)
        if own:
            return f"it changes the module value {', '.join(own)}"
        return f"it takes {', '.join(sorted(before))}, which an earlier step changed" if before else None

    def _standing(self, decision: Decision, obstacles: Mapping[str, str]) -> list[tuple[str, str]]:
        allow = decision.step.allow
        return [(kind, text) for kind, text in sorted(obstacles.items()) if kind not in allow and "all" not in allow]

    def _params(self, step: Step) -> dict[str, Any]:
        try:
            filled = {name: secret_template(value) or value for name, value in step.params.items()}
            return dict(fill_env(filled, self.world.env))
        except OdibiAssetsError as error:
            raise StepError(f"The params of step {step.name!r} can't be filled. {error}") from error
