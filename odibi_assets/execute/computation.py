"""One computation: inputs handed over, the transform run and watched, what came out settled."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import World
from odibi_assets.declare.step import Step, secret_template
from odibi_assets.declare.template import fill_env
from odibi_assets.engines.duckdb_sql import interrupt_statements, run_statement
from odibi_assets.engines.engine import Engine, SourceFile
from odibi_assets.errors import NotStorable, OdibiAssetsError, StepError
from odibi_assets.execute.command_run import command_environment, found_at_path, run_command
from odibi_assets.execute.commit import Computed
from odibi_assets.execute.copies import Copies
from odibi_assets.execute.earlier_order import in_earlier_order
from odibi_assets.execute.handed import handed
from odibi_assets.execute.hidden_channels import GlobalGenerators, HiddenChannels
from odibi_assets.execute.redaction import RedactingLog, redacting
from odibi_assets.execute.returned import Returned
from odibi_assets.execute.step_context import StepContext
from odibi_assets.execute.step_state import Seen, StepState
from odibi_assets.execute.time_limit import TimeLimit
from odibi_assets.identify.digest import keyed_digest
from odibi_assets.identify.file_digest import match, partition_of
from odibi_assets.identify.identification import Identified
from odibi_assets.identify.observation import WORKING_DIRECTORY, Observation
from odibi_assets.identify.observed_inputs import observed
from odibi_assets.identify.observing import unobserved
from odibi_assets.identify.recorder import Recorder
from odibi_assets.identify.sql_statement import parse_statement
from odibi_assets.identify.transform import ANYTHING, FRAMES, PATH
from odibi_assets.keep.formats.kept import Kept


class FilesChanged(StepError):
    """A file was written while a step read it; another try decides anew."""


@dataclass
class _Watched:
    """What watching the transform found."""

    value: Any
    shared: bool = False
    trace: tuple[Observation, ...] = ()
    obstacles: tuple[tuple[str, str], ...] = ()
    state: StepState | None = None


@dataclass(frozen=True)
class Computation:
    """Everything needed to compute one step of one run.

    Attributes:
        log: Secrets in what it is told are replaced.
        mutated: Module values that steps of this process have changed.
        folder: For files that the step takes and makes, as long as the run lasts.
        limit: How long it may take.
        checkpoint: Commits what the run has finished.
        root_run_id: The first of the runs that this one re-executes.
        forced: The step starts anew, whatever an earlier run saved of it.
    """

    identified: Identified
    world: World
    engine: Engine
    run_id: str
    ignored: tuple[str, ...]
    log: RedactingLog
    mutated: set[str]
    copies: Copies
    folder: Path
    limit: TimeLimit
    checkpoint: Callable[[], None]
    root_run_id: str = ""
    forced: bool = False

    def run(self, decision: Decision, inputs: Mapping[str, Kept | None], *, attempt: int) -> Computed:
        """Compute a step from its inputs: parameter or table → value, None for what is absent.

        Raises:
            StepError: The step was called wrongly, or its files changed meanwhile.
            NotStorable: What it returned can't be kept.
            Exception: Whatever the step's own code raises.
        """
        assert decision.key is not None
        step = self.identified.pipeline.by_name[decision.step.name]
        started = time.perf_counter()
        transform = {
            "read": self._run_read,
            "sql": self._run_sql,
            "python": self._run_python,
            "command": self._run_command,
        }[step.kind]
        with self.copies.room_for(decision.step, self.log):
            watched = transform(step, decision, inputs, attempt)
            seconds = time.perf_counter() - started
            returned = Returned(step, self.world.root, self.engine, self.folder)
            try:
                with unobserved(), self.limit.interruptible():
                    outputs = returned.settled(watched.value, shared=watched.shared)
                    if step.kind == "sql" and parse_statement(self.identified.statements[step.name]).is_unordered:
                        earlier = self.world.previous(step.name)
                        outputs = in_earlier_order(outputs, earlier, self.world.results)
            except NotStorable as error:
                raise NotStorable(f"The result of step {step.name!r} can't be kept. {error}") from error
        now = self.world.now()
        if step.cache.ttl is not None and watched.state is not None and watched.state.taken_from is not None:
            now = watched.state.taken_from  # What an earlier attempt fetched, and saved, is as old as that attempt.
        expires = now + datetime.timedelta(seconds=step.cache.ttl) if step.cache.ttl is not None else None
        return Computed(
            pipeline=self.identified.pipeline.name,
            key=decision.key,
            outputs=outputs,
            produced_at=now.isoformat(timespec="milliseconds"),
            run_id=self.run_id,
            seconds=round(seconds, 6),
            reason=decision.reason,
            trace=watched.trace,
            obstacles=watched.obstacles,
            replaces=decision.replaces,
            expires_at=expires.isoformat(timespec="milliseconds") if expires else None,
            used_state=watched.state is not None and watched.state.is_used,
            params=shown_params(step, attempt),
        )

    def _handed(self, kept: Kept | None, handed_as: str) -> Any:
        if kept is None:
            return None
        if kept.format == "parquet" and handed_as not in (*FRAMES, *ANYTHING):
            raise StepError(f"An input is a frame, and the function asks for {handed_as}: name a frame's type.")
        with unobserved():
            return handed(kept, handed_as, self.engine, self.folder)

    def _run_command(self, step: Step, decision: Decision, inputs: Mapping[str, Kept | None], attempt: int) -> _Watched:
        assert decision.key is not None
        command = self.identified.commands[step.name]
        with unobserved():
            with self.limit.interruptible():
                given = {
                    name: handed(kept, PATH, self.engine, self.folder)
                    for name, kept in inputs.items()
                    if kept is not None
                }
            env = command_environment(self.world.env, decision.step.env, given)
            arguments = fill_env(list(command.arguments), self.world.env)
            run_command(command, arguments, self.world.root, env, self.log.info, self.limit.check)
            self._check_files(step, decision)
            values = {name: found_at_path(name, output, self.world.root) for name, output in step.outputs.items()}
        return _Watched(values, True)

    def _check_files(self, step: Step, decision: Decision) -> None:
        """What was computed while its files changed is never stored (truth.md 4.1)."""
        assert decision.key is not None
        if self.world.file_items(decision.step) != decision.key.files:
            raise FilesChanged(
                f"The files of step {step.name!r} ({', '.join(decision.step.reads)}) changed while they were read. "
                "Run again when they rest."
            )

    def _run_read(self, step: Step, decision: Decision, inputs: Mapping[str, Kept | None], attempt: int) -> _Watched:
        assert step.read is not None and decision.key is not None
        if decision.step.source is not None:
            return self._run_url(step, decision)
        assert step.read.path is not None
        paths = match(self.world.root, fill_env(step.read.path, self.world.env))
        files = [SourceFile(path, dict(partition_of(path, self.world.root))) for path in paths]
        with self.limit.interruptible():
            value = self.engine.read(step.read.format, files, fill_env(step.read.options, self.world.env))
        self._check_files(step, decision)
        return _Watched(value)

    def _run_url(self, step: Step, decision: Decision) -> _Watched:
        """Read the copy of what the URL answered, which does not change while it is read."""
        source, urls = decision.step.source, self.world.urls
        assert step.read is not None and decision.key is not None and source is not None and urls is not None
        with self.limit.interruptible():
            digest = urls.ask(source)
            path = urls.content(source, digest)
            if self.world.file_items(decision.step) != decision.key.files:
                raise FilesChanged(f"What {source.url} answers changed while step {step.name!r} ran. Run again.")
            options = fill_env(step.read.options, self.world.env)
            return _Watched(self.engine.read(step.read.format, [SourceFile(path, shown=source.url)], options))

    def _run_sql(self, step: Step, decision: Decision, inputs: Mapping[str, Kept | None], attempt: int) -> _Watched:
        tables = {name: self._as_table(name, kept) for name, kept in inputs.items() if kept is not None}
        statement = fill_env(self.identified.statements[step.name], self.world.env)
        threads = 1 if step.deterministic else None
        return _Watched(run_statement(statement, tables, threads=threads, interruptible=self.limit.interruptible))

    def _as_table(self, name: str, kept: Kept) -> Any:
        if kept.format != "parquet":
            raise StepError(f"Input {name!r} is a {kept.format} value: expected a frame, since SQL reads tables.")
        return kept.value

    def _run_python(self, step: Step, decision: Decision, inputs: Mapping[str, Kept | None], attempt: int) -> _Watched:
        transform = self.identified.transforms[step.name]
        with self.limit.interruptible():
            arguments = {name: self._handed(inputs[name], transform.inputs[name]) for name in step.bindings}
        params = self._params(step, attempt)
        recorder = Recorder(self.world.root, self.ignored)
        if Path.cwd() != self.world.root:
            recorder.facts.add(WORKING_DIRECTORY)  # Relative paths lead elsewhere.
        for memo in self.identified.memos.get(step.name, ()):
            memo.cache_clear()  # What an earlier step had it read is to be seen here too.
        channels, generators = HiddenChannels.taken(), GlobalGenerators.taken()

        def seen() -> Seen:
            obstacles = dict(recorder.obstacles)
            trace = recorder.finish(self.world.results.salt, self.world.env)
            if channels.changed() or self._touches_module_values(decision):
                obstacles["channel"] = "it changed options or module values before it saved its state"
            return Seen(trace, {**obstacles, **recorder.obstacles})

        state = self._state(step, decision, params, seen)
        extra: dict[str, Any] = {}
        if transform.context is not None:
            pipeline = self.identified.pipeline.name
            extra[transform.context] = StepContext(
                pipeline, step.name, self.run_id, attempt, params, self.log, state, self.checkpoint
            )
        try:
            with observed(recorder), redacting(self.log.secrets), self.limit.interruptible(interrupt_statements):
                value = transform.function(**arguments, **params, **extra)
        finally:
            state.close()
            changed = channels.restore()
        found = state.completed(Seen(recorder.finish(self.world.results.salt, self.world.env), recorder.obstacles))
        obstacles = dict(found.obstacles)
        drawn = [name for name in generators.drawn() if name not in self.identified.seeded.get(step.name, ())]
        if drawn:
            obstacles.setdefault("random", f"it draws from the global generator of {' and '.join(drawn)}")
        if changed:
            obstacles["channel"] = f"it leaves {' and '.join(changed)} changed"
        mutated = self._mutated_values(decision)
        if mutated:
            obstacles["channel"] = mutated
        return _Watched(value, True, found.trace, tuple(self._standing(decision, obstacles)), state)

    def _state(self, step: Step, decision: Decision, params: Mapping[str, Any], seen: Callable[[], Seen]) -> StepState:
        assert decision.key is not None
        # An attempt may have params of its own. Digested with the store's salt, as they may come from the environment.
        counting = {name: params[name] for name in step.params_in_key() if name in params}
        text = json.dumps(counting, sort_keys=True, default=repr)
        return StepState(
            world=self.world,
            engine=self.engine,
            folder=self.folder,
            pipeline=self.identified.pipeline.name,
            step=step.name,
            key=decision.key.digest(),
            params=str(keyed_digest(self.world.results.salt, text.encode())),
            root_run_id=self.root_run_id,
            forced=self.forced,
            ttl_s=step.cache.ttl,
            log=self.log,
            seen=seen,
            began_at=self.world.now(),
        )

    def _touches_module_values(self, decision: Decision) -> bool:
        code = set(decision.key.code) if decision.key is not None else set()
        return bool((self.identified.values.changed() - self.mutated) | (self.mutated & code))

    def _mutated_values(self, decision: Decision) -> str | None:
        """What the step did to module values, or took of what an earlier step of this process did."""
        before = self.mutated & set(decision.key.code if decision.key is not None else ())
        now = self.identified.values.changed()
        # What no other step takes, a memo that the step fills, starts afresh in each process and reaches nobody.
        own = sorted(name for name in now - self.mutated if self._is_shared(name, decision.step.name))
        self.mutated.update(now)
        if own:
            return f"it changes the module value {', '.join(own)}"
        return f"it takes {', '.join(sorted(before))}, which an earlier step changed" if before else None

    def _is_shared(self, value: str, step: str) -> bool:
        """Does another step reach a module value, by its name, with its whole module, or in another way?"""
        reaching = {value, f"{value.rpartition('.')[0]} (whole)"}
        found = self.identified.values.identity(value)
        return any(
            other.name != step
            and (
                not reaching.isdisjoint(other.key.code) or found in self.identified.mutable.get(other.name, frozenset())
            )
            for other in self.identified.identity.steps
        )

    def _standing(self, decision: Decision, obstacles: Mapping[str, str]) -> list[tuple[str, str]]:
        allow = decision.step.allow
        return [(kind, text) for kind, text in sorted(obstacles.items()) if kind not in allow and "all" not in allow]

    def _params(self, step: Step, attempt: int) -> dict[str, Any]:
        try:
            declared = {**step.params, **step.params_of(attempt)}
            filled = {name: secret_template(value) or value for name, value in declared.items()}
            return dict(fill_env(filled, self.world.env))
        except OdibiAssetsError as error:
            raise StepError(f"The params of step {step.name!r} can't be filled. {error}") from error


def shown_params(step: Step, attempt: int) -> dict[str, Any]:
    """What an attempt's own params are recorded as: JSON, templates unfilled."""
    found: dict[str, Any] = json.loads(json.dumps(step.params_of(attempt), default=str))
    return found


def attempt_with(step: Step, params: Mapping[str, Any]) -> int:
    """The first attempt whose own params are these; 1 where none has them."""
    most = max(map(len, step.params_by_attempt.values()), default=1)
    return next((attempt for attempt in range(1, most + 1) if shown_params(step, attempt) == params), 1)
