"""A witness vouches for an identity without importing anything: all that the imports rested on is unchanged.

It is written after a pipeline was imported and identified (truth.md 5), and read before anything
else: its room imports nothing heavy. Whatever does not hold costs an import, never a recompute.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.declare.project import Project
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.identify.key import KEY_SCHEMA
from odibi_assets.identify.local_file import write_local
from odibi_assets.identify.observed_inputs import Observation

_VERSION = 1


@dataclass(frozen=True)
class Witness:
    """Everything that a recorded identity rests on.

    Attributes:
        files: Path → digest of its bytes, or None for what was not there: the YAML and SQL files,
            every loaded first-party module, pyproject.toml.
        listings: First-party import folders → digest of their Python entries: a new file may shadow.
        candidates: Names of the files that may declare a pipeline: a new one may have the same name.
        observed: What the imports were seen to read.
    """

    machine: str
    files: Mapping[str, str | None]
    listings: Mapping[str, str]
    candidates: str
    observed: tuple[Observation, ...]
    path: str
    identity: PipelineIdentity

    def holds(self, project: Project) -> bool:
        """Is all of it as it was?"""
        return (
            self.machine == machine_state()
            and self.candidates == _candidates(project)
            and all(_file_state(project.root / name) == state for name, state in self.files.items())
            and all(listing_state(project.root / name) == state for name, state in self.listings.items())
            and all(observation.holds(project.root, SALT, project.env) for observation in self.observed)
        )


SALT = bytes(32)  # a witness never leaves its machine, and holds no value that an import did not show


def load_witness(project: Project, reference: str, overrides: Mapping[str, Any]) -> Witness | None:
    """The witness of a pipeline, if there is one and it holds."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
        data = json.loads(_path(project, reference, overrides).read_text())
        if data["v"] != _VERSION:
            return None
        witness = Witness(
            data["machine"],
            data["files"],
            data["listings"],
            data["candidates"],
            tuple(Observation.from_json(observation) for observation in data["observed"]),
            data["path"],
            PipelineIdentity.from_json(data["identity"]),
        )
        return witness if witness.holds(project) else None
    return None


def save_witness(
    project: Project,
    reference: str,
    overrides: Mapping[str, Any],
    identity: PipelineIdentity,
    *,
    path: Path,
    files: Iterable[Path],
    observed: Iterable[Observation],
) -> None:
    """Write down what an identity rests on; a witness that can't be written costs time, nothing else."""
    paths = {*files, path, project.root / "pyproject.toml"}
    folders = {project.root, path.parent} | {file.parent for file in paths if file.suffix == ".py"}
    folders |= {project.root / entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    data = {
        "v": _VERSION,
        "machine": machine_state(),
        "files": {project.shown(file): _file_state(file) for file in sorted(paths)},
        "listings": {project.shown(folder): listing_state(folder) for folder in sorted(folders)},
        "candidates": _candidates(project),
        "observed": [observation.to_json() for observation in observed],
        "path": str(path),
        "identity": identity.to_json(),
    }
    write_local(_path(project, reference, overrides), json.dumps(data))


def forget_witness(project: Project, reference: str, overrides: Mapping[str, Any]) -> None:
    """Remove a witness: its identity could not be confirmed."""
    with contextlib.suppress(OSError):
        _path(project, reference, overrides).unlink()


def machine_state() -> str:
    """Python, platform, our own code's version, the search path and every installed distribution."""
    entries = [entry for entry in sys.path if "site-packages" in entry]
    own = Digest.of_file(Path(__file__).with_name("key.py"))
    python = [platform.python_version(), sys.platform, sys.flags.optimize, os.environ.get("PYTHONPATH", "")]
    return str(Digest.of_struct("machine", [KEY_SCHEMA, str(own), python, entries, sorted(_installed())]))


def _installed() -> Iterator[str]:
    """Names of the distributions; of what came from a local path, and of path files, the content as well."""
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                if entry.name.endswith(".dist-info"):
                    local = os.path.exists(os.path.join(entry.path, "direct_url.json"))
                    yield f"{entry.name} {_file_state(Path(entry.path, 'RECORD'))}" if local else entry.name
                elif entry.name.endswith((".pth", ".egg-link")):
                    yield f"{entry.name} {_file_state(Path(entry.path))}"


def listing_state(folder: Path) -> str:
    """What a folder offers to an import: its Python files and packages."""
    names = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith((".py", ".so", ".pyd")):
                names.append(entry.name)
            elif entry.is_dir() and entry.name.isidentifier() and _holds_source(entry.path):
                names.append(entry.name + "/")
    return str(Digest.of_struct("listing", sorted(names)))


def _candidates(project: Project) -> str:
    return str(Digest.of_struct("candidates", [project.shown(path) for path in project.candidates()]))


def _holds_source(folder: str) -> bool:
    return any(name.endswith(".py") for name in os.listdir(folder))


def _file_state(path: Path) -> str | None:
    try:
        return Digest.of_file(path).hex if path.stat().st_size else "empty"
    except OSError:
        return None


def _path(project: Project, reference: str, overrides: Mapping[str, Any]) -> Path:
    name = Digest.of_struct("witness", [reference, json.dumps(overrides, sort_keys=True, default=repr)])
    return project.local / "witness" / f"{name.hex[:32]}.json"
