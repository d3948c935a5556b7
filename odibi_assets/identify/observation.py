"""One thing that a step was seen to read, and whether it still is as it was."""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.machine_fact import machine_fact
from odibi_assets.identify.observing import recorders, unobserved

Kind = Literal["file", "folder", "entries", "present", "time", "link", "missing", "variable", "machine"]


@dataclass(frozen=True)
class Observation:
    """One thing that was read, and the state it had.

    Attributes:
        name: A path, relative to the project root where it lies below it, or the name of a variable or fact.
        state: Digest of the content, the listing or (salted) the value; what it is and how large for what was only
            looked for; where a link leads; None for what was not there.
    """

    kind: Kind
    name: str
    state: str | None

    def to_json(self) -> list[str | None]:
        return [self.kind, self.name, self.state]

    @classmethod
    def from_json(cls, data: list[Any]) -> Observation:
        return cls(data[0], data[1], data[2])

    def holds(self, root: Path, salt: bytes, env: Mapping[str, str]) -> bool:
        """Is everything still as it was seen?"""
        if self.kind == "variable":
            return variable_state(self.name, salt, env) == self.state
        if self.kind == "machine":
            return machine_state(self.name) == self.state
        return path_state(self.kind, root / self.name) == self.state

    def describe(self) -> str:
        """What a reason says when it no longer holds."""
        return {
            "file": f"{self.name}, which the step opens, changed",
            "folder": f"the listing of {self.name}, which the step reads, changed",
            "entries": f"what lies in {self.name}, which the step lists with sizes, changed",
            "time": f"the time of {self.name}, which the step takes, changed",
            "link": f"the link {self.name}, which the step follows, leads elsewhere",
            "present": f"{self.name}, which the step looks for, is no longer what it was",
            "missing": f"{self.name}, which the step looks for, exists now",
            "variable": f"the environment variable {self.name}, which the step reads, changed",
            "machine": f"the {self.name} that the step ran with is another",
        }[self.kind]


def observed_now(seen: Observation, root: Path, salt: bytes, env: Mapping[str, str]) -> Observation:
    """The same thing in the state that it has now. What was not there and is there now counts by its content."""
    if seen.kind == "variable":
        return Observation("variable", seen.name, variable_state(seen.name, salt, env))
    path, kind = root / seen.name, seen.kind
    with unobserved():
        if kind in ("missing", "present"):
            is_there = os.path.lexists(path)
            if kind == "present" and not is_there:
                kind = "missing"
            elif kind == "missing" and is_there:
                kind = "folder" if path.is_dir() else "file"
    return Observation(kind, seen.name, path_state(kind, path))


def variable_state(name: str, salt: bytes, env: Mapping[str, str]) -> str | None:
    """Salted digest of a variable's value; None when it is not set."""
    return str(keyed_digest(salt, env[name].encode())) if name in env else None


WORKING_DIRECTORY = "working directory"


def machine_state(fact: str) -> str:
    """The state of a fact of the machine, or of this process, that an observation compares."""
    with unobserved():
        return str(Digest.of_struct("machine", os.getcwd() if fact == WORKING_DIRECTORY else machine_fact(fact)))


def note_machine_fact(fact: str) -> str:
    """The state of a fact, which whoever is observed rests on from now on."""
    for recorder in recorders():
        recorder.facts.add(fact)
    return machine_state(fact)


def path_state(kind: Kind, path: Path) -> str | None:
    """The state of a path that an observation of this kind compares."""
    with unobserved():
        try:
            if kind == "file":
                return str(Digest.of_file(path)) if path.is_file() else "not a file"
            if kind == "folder":
                return str(Digest.of_struct("listing", sorted(map(_entry, os.scandir(path)))))
            if kind == "entries":
                entries = sorted((entry.name, _presence(entry.stat())) for entry in os.scandir(path))
                return str(Digest.of_struct("entries", entries))
            if kind == "time":
                return str(os.stat(path).st_mtime_ns)
            if kind == "link":
                return os.readlink(path)
            if kind == "present":
                return _presence(os.lstat(path) if path.is_symlink() and not path.exists() else os.stat(path))
            return None if not os.path.lexists(path) else "exists"
        except OSError as error:
            return f"unreadable: {error.strerror}"


def _entry(entry: os.DirEntry[str]) -> str:
    return entry.name + ("/" if entry.is_dir() else "")


def _presence(found: os.stat_result) -> str:
    return f"a file of {found.st_size} bytes" if stat_module.S_ISREG(found.st_mode) else "a folder or device"
