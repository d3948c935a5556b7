"""Paths that steps read and write: below the root, and what one step writes is nobody else's."""

from __future__ import annotations

import fnmatch
from pathlib import PurePosixPath

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.yaml_source import Place


def check_path(definition: Definition, place: Place, path: str) -> None:
    """Note a path that does not lie below the project root."""
    parts = PurePosixPath(path.replace("\\", "/"))
    if not path or parts.is_absolute() or ".." in parts.parts:
        definition.mistake(place, path, "a path below the project root")


def check_written(definition: Definition) -> None:
    """A path that one step writes is nobody else's: neither written nor read by another."""
    written: dict[str, str] = {}
    for place, step in definition.steps.items():
        paths: dict[Place, str] = {
            ("outputs", name, "path"): output.path for name, output in step.outputs.items() if output.path
        }
        if step.write is not None:
            paths["write", "path"] = step.write.path
        for at, path in paths.items():
            plain = str(PurePosixPath(path))
            owner = next((written[other] for other in written if _overlap(plain, other)), None)
            if owner is not None:
                definition.mistake((*place, *at), path, f"a path of its own (step {owner} writes it)")
            written.setdefault(plain, step.name)
    for place, step in definition.steps.items():
        reads: dict[Place, str] = {}
        if step.read is not None and step.read.path is not None:
            reads["read", "path"] = step.read.path
        reads |= {("files", i): path for i, path in enumerate(step.files)}
        for at, path in reads.items():
            for target, owner in written.items():
                if _overlap(path, target) or fnmatch.fnmatchcase(target, str(PurePosixPath(path))):
                    expected = f"a path that no step writes: take the result of {owner} as an input"
                    definition.mistake((*place, *at), path, expected, owner)


def _overlap(path: str, other: str) -> bool:
    """Is one of two paths the other, or below it?"""
    one, two = PurePosixPath(path), PurePosixPath(other)
    return one.is_relative_to(two) or two.is_relative_to(one)
