"""A pipeline is a named graph of steps in layers, with the policies that hold for all of them."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from odibi_assets.declare.policies import (
    Alert,
    Cache,
    Checkpoint,
    Model,
    Resume,
    Retention,
    Retry,
    Schedule,
    TimeoutSeconds,
)
from odibi_assets.declare.presets import Preset
from odibi_assets.declare.step import EngineName, Name, Step

JobName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$", max_length=100)]
DEFAULT_LAYERS = ("bronze", "silver", "gold")


class Pipeline(Model):
    """A pipeline, as declared, after its params were filled in.

    Every ``{{ params.X }}`` is replaced; ``{{ env.X }}`` stands until a step runs.
    """

    name: Name = Field(description="Names the asset group, the job and the line of snapshots.")
    description: str | None = Field(None, description="Shown in the Dagster UI.")
    layers: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = Field(
        DEFAULT_LAYERS, description="In order; a step never reads from a later layer."
    )
    engine: EngineName = Field("pandas", description="What holds the data of Python steps.")
    params: dict[str, Any] = Field({}, description="Values for {{ params.X }} in any step.")
    store: str | None = Field(
        None,
        description="Where results live: a folder, or a bucket as s3://bucket/prefix; .oda in the project unless "
        "given. ODA_STORE stands above it.",
    )
    preset: Preset | None = Field(
        None, description="Policies for all that the pipeline does not say itself, field by field."
    )
    checkpoint: Checkpoint = Field(Checkpoint(), description="When results are committed and published.")
    cache: Cache = Field(Cache(), description="Whether results are reused.")
    retry: Retry = Field(Retry(), description="How transient failures are tried again.")
    timeout: TimeoutSeconds | None = Field(
        None, description="Seconds that an attempt at a step may take; no limit unless given."
    )
    run_timeout: TimeoutSeconds | None = Field(None, description="Seconds that a run may take; no limit unless given.")
    schedule: Schedule | None = Field(None, description="When Dagster's daemon runs the pipeline.")
    jobs: dict[JobName, Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]] = Field(
        {}, description="Further Dagster jobs: name → the steps of it; oda run --job NAME runs one."
    )
    resume: Resume = Field(Resume(), description="How often a failed run may be resumed.")
    alerts: Annotated[tuple[Alert, ...], Field(strict=False)] = Field(
        (), description="Who is told when a run fails, and when the pipeline recovers."
    )
    retention: Retention = Field(Retention(), description="What collection keeps.")
    on_error: Literal["fail_fast", "continue"] = Field(
        "fail_fast", description="fail_fast: nothing new starts after a failure; continue: independent steps go on."
    )
    rollback: bool = Field(
        False, description="true: a run that fails undoes what it did: its steps' side effects, and what it published."
    )
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1)] = Field(
        description="The steps, in any order."
    )

    @cached_property
    def by_name(self) -> Mapping[str, Step]:
        return {step.name: step for step in self.steps}

    def timeout_of(self, name: str) -> float | None:
        """Seconds that an attempt at a step may take; None for no limit."""
        step = self.by_name[name]
        return step.timeout if "timeout" in step.model_fields_set else self.timeout

    def retry_of(self, name: str) -> Retry:
        """How transient failures of a step are tried again."""
        step = self.by_name[name]
        return (step.retry or Retry()) if "retry" in step.model_fields_set else self.retry

    @cached_property
    def awaited(self) -> frozenset[str]:
        """Steps of which some other must hear where they are absent: it accepts that, or follows them without data."""
        found: set[str] = set()
        for step in reversed(self.ordered):
            found.update(step.after, (step.bindings[name].step for name in step.accepts))
            if step.name in found:
                found.update(taken.step for taken in step.bindings.values())
        return frozenset(found)

    @cached_property
    def ordered(self) -> tuple[Step, ...]:
        """The steps, each after all that it waits for; layer by layer, as declared within a layer."""
        position = {step.name: (self.layers.index(step.layer), i) for i, step in enumerate(self.steps)}
        sorter = graphlib.TopologicalSorter({step.name: step.upstream for step in self.steps})
        sorter.prepare()
        ordered: list[Step] = []
        ready: list[str] = []
        while sorter.is_active():
            ready.extend(sorter.get_ready())
            ready.sort(key=position.__getitem__)
            name = ready.pop(0)
            ordered.append(self.by_name[name])
            sorter.done(name)
        return tuple(ordered)
