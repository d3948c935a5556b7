"""Where a pipeline comes from: a name in the project, a YAML file, or ``file.py:name``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.hook import Hook
from odibi_assets.declare.mistake import DefinitionError, expected_one_of
from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.project import Project
from odibi_assets.declare.reading import COMPONENT_TYPE, define
from odibi_assets.declare.yaml_source import read_yaml
from odibi_assets.errors import UsageError
from odibi_assets.identify import source_loader
from odibi_assets.identify.identification import Identified, identify
from odibi_assets.identify.observing import unobserved


@runtime_checkable
class Declares(Protocol):
    """An object that declares a pipeline in Python: ``odibi_assets.Pipeline``."""

    hooks: list[Hook]

    def definition(self, overrides: Overrides | None = None) -> Definition: ...


@dataclass(frozen=True)
class PipelineSource:
    """One pipeline's origin.

    Attributes:
        path: The YAML file, or the Python file that declares it.
        declared: The object that declares it, if it is not a YAML file.
    """

    project: Project
    path: Path
    declared: Declares | None = None

    def definition(self, overrides: Overrides | None = None) -> Definition:
        """Read it, with what ``--set`` changes."""
        if self.declared is not None:
            return self.declared.definition(overrides)
        source = read_yaml(self.path, file=self.project.shown(self.path))
        return define(source, self.path.parent, overrides)

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The functions that are told of events of its runs."""
        return tuple(self.declared.hooks) if self.declared is not None else ()

    def identified(self, overrides: Overrides | None = None) -> Identified:
        """Read, check and identify it.

        Raises:
            DefinitionError: With all mistakes.
        """
        return identify(self.definition(overrides), self.project.root)


def find_pipeline(project: Project, reference: str) -> PipelineSource:
    """The pipeline that a user names.

    Raises:
        UsageError: There is none, or more than one.
        DefinitionError: The file can't be read.
    """
    file, colon, name = reference.rpartition(":")
    if colon and file.endswith(".py"):
        return _python_source(project, project.root / file, name)
    if reference.endswith((".yaml", ".yml")):
        path = project.root / reference
        if not path.is_file():
            raise UsageError(
                f"There is no pipeline file {reference!r} in {project.root}: expected a path below the project root."
            )
        return PipelineSource(project, path)
    return _by_name(project, reference)


def _by_name(project: Project, name: str) -> PipelineSource:
    with unobserved():
        sources = list(pipelines(project))
    found = [source for source, its_name in sources if its_name == name]
    if len(found) == 1:
        return found[0]
    names = sorted({its_name for _, its_name in sources})
    if found:
        files = ", ".join(project.shown(source.path) for source in found)
        raise UsageError(f"The name {name!r} stands for {len(found)} pipelines ({files}): give each a name of its own.")
    raise UsageError(
        f"There is no pipeline {name!r} in {project.root}: {expected_one_of(name, names)} "
        "A YAML file or file.py:name does as well."
    )


def pipelines(project: Project) -> Iterator[tuple[PipelineSource, str]]:
    """Every YAML pipeline of a project, with its name; files that declare none are passed over."""
    for path in project.candidates():
        name = _name_in(path, project)
        if name is not None:
            yield PipelineSource(project, path), name


def named_or_all(project: Project, name: str | None) -> list[PipelineSource]:
    """The pipeline that a user names, else every YAML pipeline of the project."""
    return [find_pipeline(project, name)] if name else [source for source, _ in pipelines(project)]


def _name_in(path: Path, project: Project) -> str | None:
    try:
        data: Any = read_yaml(path, file=project.shown(path)).data
    except DefinitionError:
        return path.stem  # its mistakes are told when it is used
    if isinstance(data, dict) and data.get("type") == COMPONENT_TYPE:
        data = data.get("attributes")
        if not isinstance(data, dict):
            return path.parent.name
    elif not isinstance(data, dict) or "steps" not in data:
        return None
    return str(data.get("name", path.stem))


def _python_source(project: Project, path: Path, name: str) -> PipelineSource:
    if not path.is_file():
        raise UsageError(f"There is no file {path}: expected a Python file below the project root.")
    source_loader.install()
    source_loader.put_on_path(path.parent, project.root)
    module = importlib.import_module(path.stem)
    declared = getattr(module, name, None)
    if not isinstance(declared, Declares):
        names = [
            key for key, value in vars(module).items() if isinstance(value, Declares) and not isinstance(value, type)
        ]
        raise UsageError(f"{path.name} has no pipeline {name!r}: {expected_one_of(name, names)}")
    return PipelineSource(project, path, declared)
