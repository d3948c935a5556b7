"""A step is one node of a pipeline: a layer, inputs, one transform, and policies of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from odibi_assets.declare.condition import Condition
from odibi_assets.declare.input import Input
from odibi_assets.declare.policies import Model, Retry, StepCache, TimeoutSeconds

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Paths = Annotated[tuple[str, ...], Field(strict=False)]
Argument = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value)]
EngineName = Literal["pandas"]
OutputFormat = Literal["parquet", "text", "json", "bytes", "numpy", "file", "folder", "pickle"]
Kind = Literal["read", "sql", "python", "command"]


class Read(Model):
    """Files, or what a URL answers, read with the engine's own reader; exactly one of ``path`` and ``url``."""

    format: Literal["csv", "parquet", "json", "jsonl", "excel"] = Field(
        description="How the files are parsed; jsonl has one JSON object a line."
    )
    path: str | None = Field(
        None,
        description="A file, folder or glob below the project root. Several files are joined in the order of their "
        "names; of a folder all files below it, but those that begin with . or _. Folders named key=value become "
        "columns: whole numbers where all values are, else text.",
    )
    url: str | None = Field(
        None,
        description="An address, http:// or https://, in place of path. A plan and a run ask it; its content counts, "
        "not its name.",
    )
    headers: dict[str, str] = Field(
        {},
        description="Sent with the request to url, to no other host that it leads to. A credential comes from the "
        "environment: {{ env.X }}.",
    )
    options: dict[str, Any] = Field({}, description="Handed to pandas' reader as they are.")


class SqlFile(Model):
    """A SQL statement in a file of its own."""

    file: str = Field(description="Looked for beside the YAML file, then at the project root.")


class DeclaredOutput(Model):
    """One of the outputs of a step."""

    format: OutputFormat = Field(description="How it is kept.")
    path: str | None = Field(
        None, description="Where the step puts it, below the project root; put back there when the step is reused."
    )


class Write(Model):
    """A copy of a step's result for people; written again when it is missing or another."""

    format: Literal["csv", "parquet", "json", "jsonl", "excel", "text", "bytes"] = Field(
        description="How the copy is written."
    )
    path: str = Field(description="A file below the project root.")


class OptionalInput(Model):
    """An input without which the step can run."""

    step: str = Field(description="A step, or step.output.")
    if_absent: Literal["none"] = Field(description="none: where the step has no result in a run, None is handed over.")


class Step(Model):
    """One step, as declared.

    Exactly one of ``read``, ``sql``, ``python`` and ``command`` says what it computes.
    """

    name: Name = Field(description="Unique in the pipeline; the asset's key is [pipeline, name].")
    layer: str = Field(description="One of the pipeline's layers.")
    description: str | None = Field(None, description="Shown in the Dagster UI.")
    engine: EngineName | None = Field(None, description="What holds the step's data; the pipeline's unless given.")
    read: Read | None = Field(None, description="Read files or a URL.")
    sql: str | SqlFile | None = Field(
        None,
        description="One SELECT over the inputs, run by DuckDB. It sees nothing else: no files, no network, "
        "time zone UTC. Every table that it names must be an input, every input must be named.",
    )
    python: str | SkipJsonSchema[Callable[..., Any]] | None = Field(
        None,
        description="module:function. Positional parameters are inputs, keyword-only ones params; one named context "
        "receives a StepContext.",
    )
    command: Annotated[tuple[Argument, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="A program and its arguments, run at the project root; its outputs are the files it makes."
    )
    inputs: Annotated[tuple[str, ...], Field(strict=False)] | dict[str, str | OptionalInput] = Field(
        (),
        description="Steps: a list where parameter and step have one name, else a mapping of parameter to step, "
        "step.output, or {step: …, if_absent: none}.",
    )
    outputs: dict[Name, DeclaredOutput] = Field(
        {}, description="What the function returns as a dict, each an asset of its own; one result unless given."
    )
    after: Paths = Field((), description="Steps that must finish before, without handing on data.")
    params: dict[str, Any] = Field(
        {},
        description='Values for the keyword-only parameters of the function, any YAML. {secret: "{{ env.X }}"} is '
        "handed over in clear and is not part of the key.",
    )
    files: Paths = Field(
        (), description="Files, folders or globs that the function or program reads by itself; their content counts."
    )
    env: Paths = Field((), description="Environment variables that the function or program reads; their values count.")
    retry: Retry | None = Field(None, description="The pipeline's unless given, none where null.")
    timeout: TimeoutSeconds | None = Field(
        None, description="Seconds that an attempt may take; the pipeline's unless given, no limit where null."
    )
    critical: bool = Field(
        False,
        description="true: the step succeeds only after the attempt to store its result, in every checkpoint mode.",
    )
    checkpoint: bool = Field(
        False, description="true: what is finished is committed when this step is; the mode manual publishes it then."
    )
    cache: StepCache = Field(StepCache(), description="What is known of reads that can't be seen.")
    deterministic: bool = Field(False, description="SQL: run in one thread, so that sums of doubles repeat exactly.")
    rollback: str | SkipJsonSchema[Callable[..., Any]] | None = Field(
        None,
        description="module:function that undoes the step's side effects; it receives an UndoContext. No part of what "
        "the step computes.",
    )
    optional: bool = Field(
        False, description="true: where the step fails, it is absent and the run goes on; what needs it is skipped."
    )
    when: bool | str | SkipJsonSchema[Condition] = Field(
        True,
        description="Whether the step is wanted: true, false or one condition over params and env, as "
        '"{{ params.year > 2012 }}". Where it is false, the step is absent and does not run.',
    )
    write: Write | None = Field(None, description="A copy of the result for people; no part of what the step computes.")

    @cached_property
    def bindings(self) -> Mapping[str, Input]:
        """Parameter or table name → what it takes; in a list, an output names the parameter that takes it."""
        if isinstance(self.inputs, dict):
            return {
                name: Input.parse(taken.step if isinstance(taken, OptionalInput) else taken)
                for name, taken in self.inputs.items()
            }
        return {taken.output or taken.step: taken for taken in map(Input.parse, self.inputs)}

    @property
    def accepts(self) -> tuple[str, ...]:
        """Parameters of the inputs that may be absent."""
        inputs = self.inputs if isinstance(self.inputs, dict) else {}
        return tuple(name for name, taken in inputs.items() if isinstance(taken, OptionalInput))

    def place_of_input(self, name: str) -> tuple[str | int, ...]:
        """Where an input stands in the declaration."""
        if isinstance(self.inputs, dict):
            return ("inputs", name)
        return ("inputs", list(self.bindings).index(name))

    @property
    def upstream(self) -> tuple[str, ...]:
        """Every step that must finish before, each once: those it takes data from, then ``after``."""
        return tuple(dict.fromkeys([*(taken.step for taken in self.bindings.values()), *self.after]))

    @property
    def params_by_attempt(self) -> Mapping[str, tuple[Any, ...]]:
        """Param → the values that it has in the first attempt, the second, and so on."""
        return self.retry.params if self.retry is not None else {}

    def params_of(self, attempt: int) -> dict[str, Any]:
        """The params of an attempt (the first is 1) whose value depends on it.

        >>> step = Step(name="a", layer="b", python="m:f", retry=Retry(params={"seed": [42, 43]}))
        >>> [step.params_of(attempt) for attempt in (1, 2, 3)]
        [{'seed': 42}, {'seed': 43}, {'seed': 43}]
        """
        return {name: values[min(attempt, len(values)) - 1] for name, values in self.params_by_attempt.items()}

    def params_in_key(self) -> dict[str, Any]:
        """The params whose values count, each attempt's included; a secret does not (truth.md 2.4)."""
        single = {name: value for name, value in self.params.items() if secret_template(value) is None}
        return {**single, **{name: list(values) for name, values in self.params_by_attempt.items()}}

    @property
    def kind(self) -> Kind:
        if self.read is not None:
            return "read"
        return "sql" if self.sql is not None else "python" if self.python is not None else "command"


def secret_template(value: Any) -> str | None:
    """The text behind ``{secret: …}``, or None for an ordinary param."""
    if isinstance(value, Mapping) and set(value) == {"secret"}:
        return str(value["secret"])
    return None
