"""Collects what one step reads while it runs, and tells what of it made the result non-reusable."""

from __future__ import annotations

import os
import stat as stat_module
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from odibi_assets.identify.observation import Kind, Observation, machine_state, path_state, variable_state
from odibi_assets.identify.observing import unobserved
from odibi_assets.identify.uncounted import is_the_systems, read_by_a_library, uncounted_folders

# In DAGSTER_HOME, which may be the project's own folder.
_OF_DAGSTER = ("history", "schedules", "storage", "logs", "dagster.yaml", ".telemetry", ".logs_queue", ".nux")


@dataclass
class Recorder:
    """Collects what is read until ``finish``.

    Attributes:
        obstacles: What was done that makes the result non-reusable: kind (``network``,
            ``subprocess``, ``write``, ``variables``, …) → what was seen first.
        facts: What was asked of the machine.
    """

    root: Path
    ignored: tuple[str, ...] = ()
    opened: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    listed: dict[str, str | None] = field(default_factory=dict)
    entries: dict[str, str | None] = field(default_factory=dict)
    times: dict[str, str | None] = field(default_factory=dict)
    links: dict[str, str | None] = field(default_factory=dict)
    facts: set[str] = field(default_factory=set)
    sought: set[str] = field(default_factory=set)
    present: dict[str, str | None] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    unpickled: set[str] = field(default_factory=set)
    obstacles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._below = f"{self.root}{os.sep}"
        self._ignored = tuple(path + os.sep for folder in self.ignored for path in self._without_the_project(folder))
        self._foreign_below = tuple(folder for folder in uncounted_folders() if folder.startswith(self._below))

    def path(self, path: object) -> str | None:
        """The absolute path if it counts: not the interpreter's, a distribution's or a device's."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.path.abspath(os.fsdecode(os.fspath(path)))
        if f"{text}{os.sep}".startswith(self._ignored) or self._never_counts(text):
            return None
        if self.made and any(text == folder or text.startswith(folder + os.sep) for folder in self.made):
            return None
        return text

    def _without_the_project(self, folder: str) -> list[str]:
        """A folder to ignore; where the project lies in it, what Dagster keeps there."""
        folder = folder.rstrip(os.sep)
        is_above = self._below.startswith(folder + os.sep)
        return [os.path.join(folder, name) for name in _OF_DAGSTER] if is_above else [folder]

    def _never_counts(self, text: str) -> bool:
        """Is it the interpreter's, a distribution's or the system's? The project may lie within their folders."""
        if text.startswith(self._below):
            return text.startswith(self._foreign_below)
        return text.startswith(uncounted_folders()) and not (text.startswith("/etc/") and not is_the_systems(text))

    def make_folder(self, path: object) -> None:
        """What a step makes and fills is its own; reading it back is no input."""
        text = self.path(path)
        if text is not None and not os.path.lexists(text):
            self.made.add(text)

    def open(self, path: object, mode: object, flags: object) -> None:
        text = self.path(path)
        if text is None:
            self._open_device(path)
            return
        writes = isinstance(flags, int) and bool(
            flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
        )
        if writes:
            self._written(text, kept=isinstance(flags, int) and bool(flags & os.O_RDWR) and not flags & os.O_TRUNC)
        elif text not in self.written:
            self._read(text)

    def _open_device(self, path: object) -> None:
        """The files of devices and processes that do not answer the same each time."""
        text = os.path.abspath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if text in ("/dev/random", "/dev/urandom"):
            self.obstacles.setdefault("random", f"it reads {text}")
        elif text.startswith(("/proc/", "/sys/")) and not read_by_a_library():
            self.obstacles.setdefault("process", f"it reads {text}, which differs from process to process")

    def database(self, path: object) -> None:
        """A file of SQLite, with what its write-ahead log adds to it."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        text = os.fsdecode(os.fspath(path))
        if text.startswith("file:"):
            text = urllib.parse.unquote(urllib.parse.urlsplit(text).path)
        if text not in ("", ":memory:"):
            self.open(text, None, os.O_RDONLY)
            self.look(f"{text}-wal")

    def take_time(self, path: object) -> None:
        """Something asked when a file was modified."""
        text = self.path(path)
        if text is not None and text not in self.written and os.path.lexists(text):
            self.times.setdefault(text, path_state("time", Path(text)))

    def follow(self, path: object) -> None:
        """Something asked where a link leads."""
        text = self.path(path)
        if text is not None and text not in self.written and os.path.islink(text) and not self._is_above(text):
            self.links.setdefault(text, path_state("link", Path(text)))

    def look(self, path: object) -> None:
        """Something asked whether a path exists, or for its size or time."""
        text = self.path(path)
        if text is None or text in self.written or text in self.opened or text in self.present:
            return
        if not os.path.lexists(text):
            self.sought.add(text)
        elif text not in self.sought and not self._is_above(text):
            self.present[text] = path_state("present", Path(text))

    def _is_above(self, text: str) -> bool:
        """Is it the project's root, or does that lie within it?"""
        return self._below.startswith(text.rstrip(os.sep) + os.sep)

    def list(self, path: object) -> None:
        text = self.path("." if path is None else path)
        if text is not None:
            self.listed.setdefault(text, path_state("folder", Path(text)))

    def scan(self, path: object, *, with_sizes: bool) -> None:
        """A listing whose entries can be asked for their sizes, which raises no event."""
        text = self.path("." if path is None else path)
        if with_sizes and text is not None:
            self.entries.setdefault(text, path_state("entries", Path(text)))
        elif not with_sizes:
            self.list(path)

    def _read(self, text: str) -> None:
        if text in self.opened or text in self.sought:
            return
        signature = _signature(text)
        if signature is None:
            self.sought.add(text)
        elif not stat_module.S_ISDIR(signature[0]):
            self.opened[text] = signature

    def _written(self, text: str, *, kept: bool = False) -> None:
        """A file is written; ``kept``: opened for reading as well, with what is in it."""
        if text not in self.written and (text in self.opened or (kept and os.path.exists(text))):
            self.obstacles.setdefault("write", f"it reads {self._shown(text)} and then writes it")
        self.written.add(text)

    def write(self, path: object) -> None:
        """A file gets its content without being opened here."""
        text = self.path(path)
        if text is not None:
            self._written(text)

    def move(self, source: object, target: object) -> None:
        """A rename takes what was there before from its place, so only the step's own files may move."""
        old, new = self.path(source), self.path(target)
        if old is not None and old not in self.written:
            self.obstacles.setdefault("write", f"it moves {self._shown(old)}")
        if new is not None:
            self._written(new)

    def _shown(self, text: str) -> str:
        path = Path(text)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else text

    def finish(self, salt: bytes, env: Mapping[str, str]) -> tuple[Observation, ...]:
        """Everything read, with its state; a file that changed meanwhile becomes an obstacle."""
        found = []
        for text in self._files_of_unpickled():
            found.append(Observation("file", self._shown(text), path_state("file", Path(text))))
        for text, signature in sorted(self.opened.items()):
            if _signature(text) != signature and text not in self.written:
                self.obstacles.setdefault("write", f"{self._shown(text)} changed while the step read it")
            found.append(Observation("file", self._shown(text), path_state("file", Path(text))))
        for text, state in sorted(self.listed.items()):
            found.append(Observation("folder", self._shown(text), state))
        states_of: dict[Kind, dict[str, str | None]] = {
            "entries": self.entries, "time": self.times, "link": self.links,
        }  # fmt: skip
        for kind, states in states_of.items():
            found += [Observation(kind, self._shown(text), states[text]) for text in sorted(states)]
        for text, state in sorted(self.present.items()):
            if text not in self.opened and text not in self.listed and text not in self.written:
                found.append(Observation("present", self._shown(text), state))
        for text in sorted(self.sought - self.written - self.made - set(self.opened)):
            found.append(Observation("missing", self._shown(text), None))
        for name in sorted(self.variables):
            found.append(Observation("variable", name, variable_state(name, salt, env)))
        found += [Observation("machine", fact, machine_state(fact)) for fact in sorted(self.facts)]
        return tuple(found)

    def _files_of_unpickled(self) -> Iterator[str]:
        """Files of the user's modules that a pickle named, and of those that they import: no code names them."""
        if not self.unpickled:
            return
        from odibi_assets.identify.distribution import is_first_party_module
        from odibi_assets.identify.effects import imported_modules

        with unobserved():
            start = [sys.modules[name] for name in sorted(self.unpickled) if name in sys.modules]
            modules = imported_modules(start, is_first_party_module).values()
        files = {os.path.abspath(module.__file__) for module in modules if module.__file__}
        yield from sorted(files - set(self.opened))


def _signature(text: str) -> tuple[int, ...] | None:
    try:
        found = _REAL_STAT(text)
    except OSError:
        return None
    return (found.st_mode, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


_REAL_STAT = os.stat
