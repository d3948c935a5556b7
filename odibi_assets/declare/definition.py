"""A definition is a pipeline as it was read: the model where it holds, every mistake where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odibi_assets.declare.mistake import DefinitionError, Mistake, shown
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.policies import Retry
from odibi_assets.declare.step import Step
from odibi_assets.declare.yaml_source import Place, YamlSource, dotted


@dataclass
class Definition:
    """What was read from one YAML file, or declared by one Python object.

    Attributes:
        file: How messages name the file.
        source: The parsed file; None for a pipeline declared in Python.
        folder: The folder of the file: on the import path, and first in the search for SQL files.
        steps: The steps that are right by themselves, by their place.
        mistakes: All that was found so far; other rooms add theirs.
        names: Every step's name, also of those with mistakes.
        pipeline: The whole, if nothing was wrong.
        data: What was declared, templates unfilled.
        prefix: The place of the pipeline in the file.
        retry: The pipeline's policy, as far as the pipeline is right by itself.
    """

    file: str
    folder: Path
    source: YamlSource | None = None
    steps: dict[Place, Step] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    pipeline: Pipeline | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    prefix: Place = ()
    retry: Retry = field(default_factory=Retry)

    def mistake(self, place: Place, found: object, expected: str, nearest: str | None = None) -> None:
        """Note one more mistake at a place in the file."""
        line = self.source.line(place) if self.source else None
        self.mistakes.append(Mistake(self.file, line, dotted(place), shown(found), expected, nearest))

    def knows_inputs_of(self, step: Step) -> bool:
        """Are all its inputs steps? Where one is not, that is the mistake, and no other need be told of it."""
        return {taken.step for taken in step.bindings.values()} <= self.names

    def checked(self) -> Pipeline:
        """The pipeline.

        Raises:
            DefinitionError: There are mistakes.
        """
        if self.mistakes or self.pipeline is None:
            raise DefinitionError(self.mistakes)
        return self.pipeline
