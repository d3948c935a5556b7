"""Identification turns a definition into an identity: it imports the user's code and takes its fingerprints."""

from __future__ import annotations

import functools
import glob
import importlib.metadata
import platform
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi_assets.declare.condition import Condition
from odibi_assets.declare.definition import Definition
from odibi_assets.declare.mistake import nearest
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.step import SqlFile, Step, secret_template
from odibi_assets.declare.template import BadTemplate, env_names, fill_params
from odibi_assets.declare.yaml_source import Place
from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify import source_loader
from odibi_assets.identify.command import Command, resolve_command
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.fingerprint import Fingerprint, fingerprint, judgement
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.import_purity import ImportPurity
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.key import Key
from odibi_assets.identify.left_in_libraries import left_in_libraries
from odibi_assets.identify.module_values import ModuleValues
from odibi_assets.identify.retry_on import RetryOn, check_retry_on
from odibi_assets.identify.shown_value import safe_repr
from odibi_assets.identify.sql_statement import BadStatement, Statement, parse_statement
from odibi_assets.identify.transform import PATH, Transform, check_transform
from odibi_assets.identify.undo import check_undo
from odibi_assets.identify.url_digest import UrlSource


@dataclass(frozen=True)
class Identified:
    """A pipeline that is known to be right, with all that running it needs.

    Attributes:
        transforms: Python step → its resolved function.
        undos: Step → the function that undoes its side effects, where it has one.
        statements: SQL step → its text, with environment templates unfilled.
        values: Module values that the steps reach, as they were when the import ended.
        commands: Command step → its program.
        files: Files that the identity rests on, beside the YAML file and the modules: SQL files and programs.
        retry_on: Step → what its policy declares transient.
        mutable: Python step → identities of the objects that it reaches and that can be changed in place.
        seeded: Step → modules whose global random generator its code seeds.
        memos: Step → functions in reach that remember what they returned.
        modules: Names of the first-party modules that are loaded for it.
    """

    pipeline: Pipeline
    identity: PipelineIdentity
    transforms: Mapping[str, Transform]
    statements: Mapping[str, str]
    values: ModuleValues
    commands: Mapping[str, Command] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    undos: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    retry_on: Mapping[str, tuple[RetryOn, ...]] = field(default_factory=dict)
    mutable: Mapping[str, frozenset[int]] = field(default_factory=dict)
    seeded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    memos: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()


def identify(definition: Definition, root: Path) -> Identified:
    """Check what the file alone does not show, and take every step's identity.

    Raises:
        DefinitionError: With all mistakes, those of the file and those of the code it names.
    """
    source_loader.install()
    source_loader.put_on_path(definition.folder, root)
    reading = _Identification(definition, root)
    return reading.run()


class _Identification:
    def __init__(self, definition: Definition, root: Path) -> None:
        self.definition, self.root = definition, root
        self.transforms: dict[str, Transform] = {}
        self.statements: dict[str, str] = {}
        self.parsed: dict[str, Statement] = {}
        self.commands: dict[str, Command] = {}
        self.undos: dict[str, Callable[..., Any]] = {}
        self.files: list[Path] = []

    def run(self) -> Identified:
        retry_on = self._retry_on()
        for place, step in self.definition.steps.items():
            self._check_sql(place, step)
            self._check_command(place, step)
            transform = check_transform(self.definition, place, step)
            if transform is not None:
                self.transforms[step.name] = transform
            undo = check_undo(self.definition, place, step)
            if undo is not None:
                self.undos[step.name] = undo
        pipeline = self.definition.checked()
        prints = self._fingerprints(pipeline)
        self._check_module_names(prints)
        pipeline = self.definition.checked()
        steps = tuple(self._step(pipeline, step, prints) for step in pipeline.ordered)
        identity = PipelineIdentity(
            pipeline.name, pipeline.layers, steps, pipeline.store, pipeline.checkpoint.mode, pipeline.on_error,
            self._computed_values(prints),
        )  # fmt: skip
        places = {name: place for one in prints.values() for name, place in one.values.items()}
        values = ModuleValues.taken(places, self.root)
        return Identified(
            pipeline,
            identity,
            self.transforms,
            self.statements,
            values,
            self.commands,
            tuple(self.files),
            self.undos,
            retry_on,
            {name: frozenset(one.mutable) for name, one in prints.items()},
            {name: frozenset(one.seeded) for name, one in prints.items()},
            {name: tuple(one.memos) for name, one in prints.items()},
            frozenset(_loaded(prints)),
        )

    def _retry_on(self) -> dict[str, tuple[RetryOn, ...]]:
        """What counts for each step: its own policy, else the pipeline's. It is part of no key."""
        policy = self.definition.retry
        common = check_retry_on(self.definition, (*self.definition.prefix, "retry"), policy)
        return {
            step.name: check_retry_on(self.definition, (*place, "retry"), step.retry) if step.retry else common
            for place, step in self.definition.steps.items()
        }

    def _check_command(self, place: Place, step: Step) -> None:
        if step.command is None:
            return
        made = [output.path for output in step.outputs.values() if output.path is not None]
        command = resolve_command(step.command, self.root, made)
        if command is None:
            self.definition.mistake((*place, "command", 0), step.command[0], "a program that can be found and executed")
            return
        self.commands[step.name] = command
        self.files += [command.program, *command.sources]

    def _check_sql(self, place: Place, step: Step) -> None:
        if step.sql is None:
            return
        text = self._sql_text(place, step.sql)
        if text is None:
            return
        try:
            statement = parse_statement(text)
        except BadStatement as error:
            at = (*place, "sql") if isinstance(step.sql, str) else (*place, "sql", "file")
            self.definition.mistake(at, error, self._sql_expectation(error, step, place))
            return
        self.statements[step.name], self.parsed[step.name] = text, statement
        if not self.definition.knows_inputs_of(step):
            return
        bound = {name.lower(): name for name in step.bindings}
        for table in sorted(statement.tables):
            if table.lower() not in bound:
                self.definition.mistake(
                    (*place, "sql"),
                    f"table {table}",
                    f"an input of the step ({', '.join(step.bindings) or 'none'})",
                    nearest(table, step.bindings),
                )
        used = {table.lower() for table in statement.tables}
        for name in step.bindings:
            if name.lower() not in used:
                self.definition.mistake(
                    (*place, *step.place_of_input(name)),
                    name,
                    "an input that the statement reads",
                    nearest(name, statement.tables),
                )

    def _sql_expectation(self, error: BadStatement, step: Step, place: Place) -> str:
        if "reads a file" in str(error):
            return "a statement over the step's inputs: declare a read step for a file and name it as an input"
        where = f" (line {error.line} of the statement)" if error.line > 1 else ""
        return f"one SELECT statement that DuckDB parses{where}"

    def _sql_text(self, place: Place, sql: str | SqlFile) -> str | None:
        if isinstance(sql, str):
            return sql
        for folder in (self.definition.folder, self.root):
            path = folder / sql.file
            if path.is_file():
                self.files.append(path)
                return self._file_text((*place, "sql", "file"), path)
        self.definition.mistake(
            (*place, "sql", "file"), sql.file, "a file beside the YAML file or below the project root"
        )
        return None

    def _file_text(self, place: Place, path: Path) -> str | None:
        """A statement's file with the params filled in; they are known once the pipeline is right."""
        try:
            text = path.read_text(encoding="utf-8")
            env_names(text)
            pipeline = self.definition.pipeline
            return str(fill_params(text, pipeline.params)) if pipeline is not None else text
        except (OSError, UnicodeDecodeError) as error:
            self.definition.mistake(place, error, "a readable UTF-8 file")
        except BadTemplate as error:
            self.definition.mistake(place, f"{error.found} in {path.name}", error.expected)
        return None

    def _fingerprints(self, pipeline: Pipeline) -> dict[str, Fingerprint]:
        modules = self._entry_modules()
        prints = {
            step.name: fingerprint(self.transforms[step.name].function, self.root, extra_modules=modules)
            for step in pipeline.ordered
            if step.name in self.transforms
        }
        left = left_in_libraries(_loaded(prints), self.root)
        for one in prints.values():
            one.items = {**left.items, **one.items}
            one.obstacles += [obstacle for obstacle in left.obstacles if obstacle not in one.obstacles]
        return prints

    def _check_module_names(self, prints: Mapping[str, Fingerprint]) -> None:
        """A module name stands for one file in a process; another pipeline may have taken it."""
        for name, module in _loaded(prints).items():
            loaded = getattr(module, "__file__", None)
            beside = [folder / f"{name}.py" for folder in (self.definition.folder, self.root)]
            own = next((path for path in beside if path.is_file()), None)
            if loaded and own is not None and not own.samefile(loaded):
                place = next(place for place, step in self.definition.steps.items() if step.python is not None)
                expected = f"one file for the module {name!r}: {own} has the same name; give one of them another"
                self.definition.mistake((*place, "python"), loaded, expected)

    def _entry_modules(self) -> list[types.ModuleType]:
        names = {transform.function.__module__ for transform in self.transforms.values()}
        names |= {
            step.python.partition(":")[0] for step in self.definition.steps.values() if isinstance(step.python, str)
        }
        return [sys.modules[name] for name in sorted(filter(None, names)) if name in sys.modules]

    def _computed_values(self, prints: Mapping[str, Fingerprint]) -> tuple[str, ...]:
        found = set()
        for step, one in prints.items():
            if one.computes_imports:
                found.add(f"the modules that step {step} imports by computed names")
        judge = functools.partial(judgement, root=self.root)
        purity = ImportPurity(judge, is_first_party_module)
        names = {name for one in prints.values() for name in one.names}
        references = [step.python for step in self.definition.steps.values() if isinstance(step.python, str)]
        for module, _, function in (reference.partition(":") for reference in references):
            names.add((module, function.partition(".")[0]))
        found |= {f"{module}.{name}: {why}" for (module, name), why in purity.doubts(names).items()}
        effects = ImportPurity(judge, is_first_party_module, trusts_unknown=True)
        found |= set(effects.doubts_of_effects(_loaded(prints).values()))
        return tuple(sorted(found))

    def _step(self, pipeline: Pipeline, step: Step, prints: Mapping[str, Fingerprint]) -> StepIdentity:
        found = prints.get(step.name, Fingerprint())
        statement = self.parsed.get(step.name)
        transform = self.transforms.get(step.name)
        obstacles = [*found.obstacles, *(statement.obstacles if statement else ())]
        params = self._params(step, obstacles)
        # A templated path names files, it does not go into the data; what they hold counts.
        templated = [
            step.params_in_key(),
            self.statements.get(step.name),
            step.read.options if step.read else None,
            step.command,
        ]
        env = sorted({*step.env, *env_names(templated)})
        obstacles = [obstacle for obstacle in obstacles if not self._is_declared(step, obstacle)]
        if not pipeline.cache.enabled:
            obstacles.append(Obstacle("disabled", "the pipeline's cache is off"))
        takes_nothing = not step.bindings and not step.files
        if step.kind in ("python", "command") and takes_nothing and not self._has_source(step):
            obstacles.append(Obstacle("inputs", "it has neither inputs nor files, so what it takes in can't be told"))
        key = Key(
            step.name,
            code=self._code(step, found, statement),
            params=params,
            engine=_engine(step, transform),
            settings=self._settings(step),
            outputs=_outputs(step),
        )
        return StepIdentity(
            name=step.name,
            layer=step.layer,
            kind=step.kind,
            key=key,
            bindings=dict(step.bindings),
            handed_as={name: self._handed_as(step, name) for name in step.bindings},
            upstream=step.upstream,
            reads=_paths(step, self._sources(step)),
            source=_source(step),
            env=tuple(env),
            takes_date=statement is not None and statement.takes_date,
            obstacles=tuple(obstacles),
            ttl_s=step.cache.ttl,
            allow=("all",) if self._has_source(step) else step.cache.allow,
            places={name: output.path for name, output in step.outputs.items() if output.path is not None},
            write=(step.write.format, step.write.path) if step.write is not None else None,
            accepts=step.accepts,
            when=step.when if isinstance(step.when, Condition) else None,
            optional=step.optional,
        )

    def _handed_as(self, step: Step, name: str) -> str:
        if step.name in self.transforms:
            return self.transforms[step.name].inputs[name]
        return "duckdb" if step.kind == "sql" else PATH

    def _sources(self, step: Step) -> tuple[str, ...]:
        """Files that a command is known to load, as patterns below the root."""
        command = self.commands.get(step.name)
        found = command.sources if command is not None else ()
        return tuple(glob.escape(str(path.relative_to(self.root))) for path in found if path.is_relative_to(self.root))

    def _has_source(self, step: Step) -> bool:
        return step.cache.source_version is not None or step.cache.ttl is not None

    def _is_declared(self, step: Step, obstacle: Obstacle) -> bool:
        """Has the user said how to tell a change, or that this kind makes none?"""
        if obstacle.kind == "value":
            return False
        if obstacle.kind == "reader" and step.files:
            return True
        return self._has_source(step) or obstacle.kind in step.cache.allow

    def _params(self, step: Step, obstacles: list[Obstacle]) -> dict[str, Item]:
        items = {}
        for name, value in step.params.items():
            if name in step.params_by_attempt:
                continue
            if secret_template(value) is not None:
                items[name] = Item(Digest.of_struct("secret", name), "param", shown="(secret)")
                continue
            try:
                items[name] = Item(Digest.of_struct("param", value), "param", shown=safe_repr(value))
            except NotFingerprintable as error:
                obstacles.append(Obstacle("value", f"param {name}: {error}"))
        for name, values in step.params_by_attempt.items():
            try:
                digest = Digest.of_struct("params by attempt", list(values))
                items[name] = Item(digest, "param", shown=", then ".join(map(safe_repr, values)))
            except NotFingerprintable as error:
                obstacles.append(Obstacle("value", f"retry.params.{name}: {error}"))
        return items

    def _code(self, step: Step, found: Fingerprint, statement: Statement | None) -> dict[str, Item]:
        if statement is not None:
            line = self._line(step, "sql")
            return {
                "statement": Item(
                    Digest.of_struct("sql", statement.text), "sql", shown=_short(statement.text), place=line
                )
            }
        if step.read is not None:
            items = {
                "read.format": Item(Digest.of_struct("format", step.read.format), "option", shown=step.read.format)
            }
            for name, value in step.read.options.items():
                items[f"read.options.{name}"] = Item(
                    Digest.of_struct("option", value), "option", shown=safe_repr(value)
                )
            return items
        if step.name in self.commands:
            return self.commands[step.name].items()
        return found.items

    def _line(self, step: Step, key: str) -> str | None:
        for place, declared in self.definition.steps.items():
            if declared is step or declared.name == step.name:
                line = self.definition.source.line((*place, key)) if self.definition.source else None
                return f"{self.definition.file}:{line}" if line else self.definition.file
        return None

    def _settings(self, step: Step) -> dict[str, Item]:
        items = {}
        if step.kind == "sql":
            items["time zone"] = Item(Digest.of_struct("setting", "UTC"), "setting", shown="UTC")
            if step.deterministic:
                items["threads"] = Item(Digest.of_struct("setting", 1), "setting", shown="1")
        if step.cache.source_version is not None:
            items["source_version"] = Item(
                Digest.of_struct("setting", step.cache.source_version), "setting", shown=step.cache.source_version
            )
        return items


def _loaded(prints: Mapping[str, Fingerprint]) -> dict[str, types.ModuleType]:
    """The first-party modules that are loaded for any of the steps."""
    return {name: module for one in prints.values() for name, module in one.modules.items()}


def _paths(step: Step, sources: tuple[str, ...]) -> tuple[str, ...]:
    if step.read is None:
        return (*step.files, *sources)
    return (step.read.path,) if step.read.path is not None else ()


def _source(step: Step) -> UrlSource | None:
    if step.read is None or step.read.url is None:
        return None
    return UrlSource(step.read.url, step.read.headers)


_ENGINE_LIBRARIES = {
    "read": ("pandas", "pyarrow", "numpy"),
    "sql": ("duckdb", "pyarrow"),
    "python": ("pandas", "pyarrow", "numpy"),
    "command": ("pyarrow",),
}
_FRAME_LIBRARIES = {"polars", "duckdb"}


def _outputs(step: Step) -> dict[str, Item]:
    if not step.outputs:
        return {"result": Item(Digest.of_struct("output", "parquet"), "output", shown="parquet")}
    return {
        # Where an output is captured from a path, the path says what it is.
        name: Item(Digest.of_struct("output", [output.format, output.path]), "output", shown=output.format)
        for name, output in step.outputs.items()
    }


def _engine(step: Step, transform: Transform | None) -> dict[str, Item]:
    items = {}
    libraries = set(_ENGINE_LIBRARIES[step.kind])
    libraries |= {
        asked.partition(".")[0] for asked in (transform.inputs.values() if transform else ())
    } & _FRAME_LIBRARIES
    if step.read is not None and step.read.format == "excel":
        libraries.add("openpyxl")
    for library in sorted(libraries):
        version = _version(library)
        items[library] = Item(Digest.of_struct("library", [library, version]), "library", shown=version)
    python = ".".join(platform.python_version_tuple()[:2])
    if step.kind == "python":
        items["python"] = Item(Digest.of_struct("library", ["python", python]), "library", shown=python)
    return items


@functools.cache
def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
