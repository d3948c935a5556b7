"""A step is one node of a pipeline: a layer, inputs, one transform, and policies of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from odibi_assets.declare.policies import Model, Retry, StepCache

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Paths = Annotated[tuple[str, ...], Field(strict=False)]
EngineName = Literal["pandas"]


class Read(Model):
    """Files that a bronze step reads, each with the engine's own reader."""

    format: Literal["csv", "parquet"] = Field(description="How the files are parsed.")
    path: str = Field(
        description="A path or glob below the project root; several files are joined in the order of their names."
    )
    options: dict[str, Any] = Field({}, description="Handed to the engine's reader as they are.")


class SqlFile(Model):
    """A SQL statement in a file of its own."""

    file: str = Field(description="Looked for beside the YAML file, then at the project root.")


class Step(Model):
    """One step, as declared.

    Exactly one of ``read``, ``sql`` and ``python`` says what it computes.
    """

    name: Name = Field(description="Unique in the pipeline; the asset's key is [pipeline, name].")
    layer: str = Field(description="One of the pipeline's layers.")
    description: str | None = Field(None, description="Shown in the Dagster UI.")
    engine: EngineName | None = Field(None, description="What holds the step's data; the pipeline's unless given.")
    read: Read | None = Field(None, description="Read files.")
    sql: str | SqlFile | None = Field(None, description="One SELECT over the inputs, run by DuckDB.")
    python: str | SkipJsonSchema[Callable[..., Any]] | None = Field(
        None, description="module:function. Positional parameters are inputs, keyword-only ones params."
    )
    inputs: Annotated[tuple[str, ...], Field(strict=False)] | dict[str, str] = Field(
        (), description="Steps whose results it takes: a list, or a mapping of parameter to step."
    )
    after: Paths = Field((), description="Steps that must finish before, without handing on data.")
    params: dict[str, Any] = Field({}, description="Values for the keyword-only parameters of the function.")
    files: Paths = Field((), description="Files or globs that the function reads by itself; their content counts.")
    env: Paths = Field((), description="Environment variables that the function reads; their values count.")
    retry: Retry | None = Field(None, description="The pipeline's unless given.")
    cache: StepCache = Field(StepCache(), description="What is known of reads that can't be seen.")
    deterministic: bool = Field(False, description="SQL: run in one thread, so that sums of doubles repeat exactly.")

    @property
    def bindings(self) -> Mapping[str, str]:
        """Parameter or table name → the step whose result it takes."""
        return self.inputs if isinstance(self.inputs, dict) else {name: name for name in self.inputs}

    @property
    def upstream(self) -> tuple[str, ...]:
        """Every step that must finish before, each once: those it takes data from, then ``after``."""
        return tuple(dict.fromkeys([*self.bindings.values(), *self.after]))

    def params_in_key(self) -> dict[str, Any]:
        """The params whose values count; a secret does not (truth.md 2.4)."""
        return {name: value for name, value in self.params.items() if secret_template(value) is None}

    @property
    def kind(self) -> Literal["read", "sql", "python"]:
        return "read" if self.read is not None else "sql" if self.sql is not None else "python"


def secret_template(value: Any) -> str | None:
    """The text behind ``{secret: …}``, or None for an ordinary param."""
    if isinstance(value, Mapping) and set(value) == {"secret"}:
        return str(value["secret"])
    return None
