"""The policies as they came out: each with its value, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.presets import PRESETS
from odibi_assets.declare.step import Step

Origin = Literal["default", "preset", "pipeline", "step"]

_OF_PIPELINE = ("checkpoint", "cache", "retry", "timeout", "run_timeout", "on_error", "rollback", "resume", "retention")
_OF_STEP = ("retry", "timeout", "checkpoint", "critical", "optional", "cache")
# What a step does not say, these take from the pipeline.
_INHERITED = ("retry", "timeout")


@dataclass(frozen=True)
class Policy:
    """One policy.

    Attributes:
        name: As in the YAML, ``retry.max_retries``.
        origin: Who says so.
    """

    name: str
    value: Any
    origin: Origin

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "origin": self.origin}


@dataclass(frozen=True)
class Effective:
    """The policies of a pipeline, and of each of its steps."""

    preset: str | None
    pipeline: tuple[Policy, ...]
    steps: Mapping[str, tuple[Policy, ...]]

    def to_json(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "pipeline": [policy.to_json() for policy in self.pipeline],
            "steps": {name: [policy.to_json() for policy in policies] for name, policies in self.steps.items()},
        }


def effective(pipeline: Pipeline, data: Mapping[str, Any]) -> Effective:
    """The policies of a pipeline.

    Args:
        data: What it was declared with, before its preset filled anything in.
    """
    preset = PRESETS.get(pipeline.preset or "", {})
    of_pipeline = tuple(
        Policy(name, value, "pipeline" if _says(data, name) else "preset" if _says(preset, name) else "default")
        for name, value in _flat(pipeline, _OF_PIPELINE)
    )
    steps = {step.name: tuple(_of_step(step, of_pipeline)) for step in pipeline.ordered}
    return Effective(pipeline.preset, of_pipeline, steps)


def _of_step(step: Step, inherited: tuple[Policy, ...]) -> Iterator[Policy]:
    for field in _OF_STEP:
        if field in _INHERITED and field not in step.model_fields_set:
            yield from (policy for policy in inherited if policy.name.partition(".")[0] == field)
            continue
        own = getattr(step, field)
        said = {field: own.model_dump(exclude_unset=True) if isinstance(own, BaseModel) else own}
        is_said = field in step.model_fields_set
        for name, value in _flat(step, (field,)):
            yield Policy(name, value, "step" if is_said and _says(said, name) else "default")


def _flat(model: BaseModel, fields: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for field in fields:
        value = model.model_dump(mode="json", include={field})[field]
        if isinstance(value, Mapping):
            yield from ((f"{field}.{name}", item) for name, item in value.items())
        else:
            yield field, value


def _says(data: Mapping[str, Any], name: str) -> bool:
    """Is a policy in what was declared?"""
    field, _, inner = name.partition(".")
    return field in data and (not inner or (isinstance(data[field], Mapping) and inner in data[field]))
