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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odibi_assets.declare.project import Project
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.identify.import_path import as_started, first_party_folders
from odibi_assets.identify.key import KEY_SCHEMA
from odibi_assets.identify.local_file import write_local
from odibi_assets.identify.observation import Observation

_VERSION = 2
IMPORTABLE = (".py", ".pyc", ".so", ".pyd")


@dataclass(frozen=True)
class Witness:
    """Everything that a recorded identity rests on.

    Attributes:
        files: Path → digest of its bytes, or None for what was not there: the YAML and SQL files,
            every loaded first-party module, pyproject.toml.
        listings: First-party import folders → digest of their Python entries: a new file may shadow.
        candidates: Names of the files that may declare a pipeline: a new one may have the same name.
        observed: What the imports were seen to read.
        void: Why it vouches for nothing, though it holds.
    """

    machine: str
    files: Mapping[str, str | None]
    listings: Mapping[str, str]
    candidates: str
    observed: tuple[Observation, ...]
    path: str
    identity: PipelineIdentity
    void: tuple[str, ...] = ()

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
    """The witness of a pipeline, if there is one, and it holds and is not void."""
    witness = standing_witness(project, reference, overrides)
    return witness if witness is not None and not witness.void else None


def standing_witness(project: Project, reference: str, overrides: Mapping[str, Any]) -> Witness | None:
    """The witness of a pipeline, if there is one and it holds; it may be void."""
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
            tuple(data["void"]),
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
    folders: Iterable[Path],
    observed: Iterable[Observation],
    void: Sequence[str] = (),
) -> None:
    """Write down what an identity rests on; a witness that can't be written costs time, nothing else.

    Args:
        files: All that was loaded, and what else the identity rests on.
        folders: Where packages look for their modules.
        void: What came out differently though nothing changed: while that is so, no identity is vouched for.
    """
    paths = {*files, path, project.root / "pyproject.toml"}
    folders = {project.root, path.parent, *folders, *first_party_folders()}
    folders |= {file.parent for file in paths if file.suffix in IMPORTABLE}
    data = {
        "void": list(void),
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
    """Python, platform, our own code, the import path and every installed distribution."""
    entries = list(as_started())
    own = [_own_files("identify"), _own_files("declare")]
    python = [platform.python_version(), sys.platform, sys.flags.optimize, os.environ.get("PYTHONPATH", "")]
    return str(Digest.of_struct("machine", [KEY_SCHEMA, own, python, entries, sorted(_installed())]))


def _own_files(room: str) -> list[tuple[str, int, int]]:
    """Our own code, which a checkout changes without another version: names, sizes and times cost next to nothing."""
    files = []
    for folder, folders, names in os.walk(Path(__file__).parents[1] / room):
        folders[:] = [name for name in folders if name != "__pycache__"]
        files += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    found = [(os.path.basename(file), os.stat(file)) for file in files]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def _installed() -> Iterator[str]:
    """Names of the distributions; of what came from a local path, and of path files, the content as well."""
    for folder in as_started():
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
            if entry.name.endswith((*IMPORTABLE, ".dist-info", ".egg-info")):
                names.append(entry.name)
            elif entry.name.isidentifier() and entry.name != "__pycache__" and _holds_source(entry.path):
                names.append(entry.name + "/")
    return str(Digest.of_struct("listing", sorted(names)))


def _candidates(project: Project) -> str:
    return str(Digest.of_struct("candidates", [project.shown(path) for path in project.candidates()]))


def _holds_source(folder: str) -> bool:
    try:
        return any(name.endswith(IMPORTABLE) for name in os.listdir(folder))
    except OSError:
        return False  # a file


def _file_state(path: Path) -> str | None:
    try:
        return Digest.of_file(path).hex if path.stat().st_size else "empty"
    except OSError:
        return None


def _path(project: Project, reference: str, overrides: Mapping[str, Any]) -> Path:
    name = Digest.of_struct("witness", [reference, json.dumps(overrides, sort_keys=True, default=repr)])
    return project.local / "witness" / f"{name.hex[:32]}.json"
