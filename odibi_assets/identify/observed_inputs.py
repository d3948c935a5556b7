"""What a Python step was seen to read while it ran: files, folders, missing files, variables.

An audit hook sees ``open``, listings, sockets and subprocesses; ``os.stat`` and ``os.environ`` are
wrapped, since they raise no audit event (truth.md 4.5; ccache's direct mode and Shake's traces
are the models). It is a safety net beside declared inputs, not a proof: native readers go past it.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import stat as stat_module
import sys
import sysconfig
import threading
import tokenize
import types
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from odibi_assets.identify.digest import Digest, keyed_digest

Kind = Literal["file", "folder", "present", "missing", "variable"]


@dataclass(frozen=True)
class Observation:
    """One thing that was read, and the state it had.

    Attributes:
        name: A path, relative to the project root where it lies below it, or a variable's name.
        state: Digest of the content, the listing or (salted) the value; what it is and how large for what was only
            looked for; None for what was not there.
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
        return path_state(self.kind, root / self.name) == self.state

    def describe(self) -> str:
        """What a reason says when it no longer holds."""
        return {
            "file": f"{self.name}, which the step opens, changed",
            "folder": f"the listing of {self.name}, which the step reads, changed",
            "present": f"{self.name}, which the step looks for, is no longer what it was",
            "missing": f"{self.name}, which the step looks for, exists now",
            "variable": f"the environment variable {self.name}, which the step reads, changed",
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


def path_state(kind: Kind, path: Path) -> str | None:
    """The state of a path that an observation of this kind compares."""
    with unobserved():
        try:
            if kind == "file":
                return str(Digest.of_file(path)) if path.is_file() else "not a file"
            if kind == "folder":
                return str(Digest.of_struct("listing", sorted(os.listdir(path))))
            if kind == "present":
                return _presence(os.lstat(path) if path.is_symlink() and not path.exists() else os.stat(path))
            return None if not os.path.lexists(path) else "exists"
        except OSError as error:
            return f"unreadable: {error.strerror}"


def _presence(found: os.stat_result) -> str:
    return f"a file of {found.st_size} bytes" if stat_module.S_ISREG(found.st_mode) else "a folder or device"


@dataclass
class Recorder:
    """Collects what is read until ``finish``.

    Attributes:
        obstacles: What was done that makes the result non-reusable: kind (``network``,
            ``subprocess``, ``write``, ``variables``) → what was seen first.
    """

    root: Path
    ignored: tuple[str, ...] = ()
    opened: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    listed: dict[str, str | None] = field(default_factory=dict)
    sought: set[str] = field(default_factory=set)
    present: dict[str, str | None] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    obstacles: dict[str, str] = field(default_factory=dict)

    def path(self, path: object) -> str | None:
        """The absolute path if it counts: not the interpreter's, a distribution's or a device's."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.path.abspath(os.fsdecode(os.fspath(path)))
        if text.startswith((*self.ignored, *_never_counted())):
            return None
        if self.made and any(text == folder or text.startswith(folder + os.sep) for folder in self.made):
            return None
        return text

    def make_folder(self, path: object) -> None:
        """What a step makes and fills is its own; reading it back is no input."""
        text = self.path(path)
        if text is not None and not os.path.lexists(text):
            self.made.add(text)

    def open(self, path: object, mode: object, flags: object) -> None:
        text = self.path(path)
        if text is None:
            return
        writes = isinstance(flags, int) and bool(
            flags & (os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
        )
        if writes:
            self._written(text, kept=isinstance(flags, int) and bool(flags & os.O_RDWR) and not flags & os.O_TRUNC)
        elif text not in self.written:
            self._read(text)

    def look(self, path: object) -> None:
        """Something asked whether a path exists, or for its size or time."""
        text = self.path(path)
        if text is None or text in self.written or text in self.opened or text in self.present:
            return
        if not os.path.lexists(text):
            self.sought.add(text)
        elif text not in self.sought and not f"{self.root}{os.sep}".startswith(text.rstrip(os.sep) + os.sep):
            self.present[text] = path_state("present", Path(text))

    def list(self, path: object) -> None:
        text = self.path("." if path is None else path)
        if text is not None:
            self.listed.setdefault(text, path_state("folder", Path(text)))

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
        for text, signature in sorted(self.opened.items()):
            if _signature(text) != signature and text not in self.written:
                self.obstacles.setdefault("write", f"{self._shown(text)} changed while the step read it")
            found.append(Observation("file", self._shown(text), path_state("file", Path(text))))
        for text, state in sorted(self.listed.items()):
            found.append(Observation("folder", self._shown(text), state))
        for text, state in sorted(self.present.items()):
            if text not in self.opened and text not in self.listed and text not in self.written:
                found.append(Observation("present", self._shown(text), state))
        for text in sorted(self.sought - self.written - self.made - set(self.opened)):
            found.append(Observation("missing", self._shown(text), None))
        for name in sorted(self.variables):
            found.append(Observation("variable", name, variable_state(name, salt, env)))
        return tuple(found)


def _signature(text: str) -> tuple[int, ...] | None:
    try:
        found = _REAL_STAT(text)
    except OSError:
        return None
    return (found.st_mode, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _never_counted() -> tuple[str, ...]:
    global _NEVER_COUNTED
    if not _NEVER_COUNTED:
        paths = sysconfig.get_paths()
        folders = {sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], paths["platlib"]}
        folders |= {os.path.realpath(folder) for folder in folders}
        folders |= {"/proc", "/dev", "/sys", "/etc", "/usr/share/zoneinfo", "/usr/lib"}
        _NEVER_COUNTED = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
    return _NEVER_COUNTED


_NEVER_COUNTED: tuple[str, ...] = ()
_REAL_STAT = os.stat
_CURRENT: ContextVar[Recorder | Literal["unobserved"] | None] = ContextVar("odibi_assets_recorder", default=None)
_ACTIVE: list[Recorder] = []
_LOCK = threading.Lock()
_INSTALLED = False


@contextlib.contextmanager
def observed(recorder: Recorder) -> Iterator[Recorder]:
    """Record what is read inside, in this context and in threads that it starts."""
    _install()
    token = _CURRENT.set(recorder)
    with _LOCK:
        _ACTIVE.append(recorder)
    try:
        yield recorder
    finally:
        _CURRENT.reset(token)
        with _LOCK:
            _ACTIVE.remove(recorder)


@contextlib.contextmanager
def unobserved() -> Iterator[None]:
    """Our own reads inside are nobody's inputs."""
    token = _CURRENT.set("unobserved")
    try:
        yield
    finally:
        _CURRENT.reset(token)


def _recorders() -> list[Recorder]:
    current = _CURRENT.get()
    if current == "unobserved":
        return []
    # A thread that a step started has no context of its own: what it reads counts for every
    # step that is running, which can only cost a recompute.
    return [current] if isinstance(current, Recorder) else list(_ACTIVE)


def _by_import_system() -> bool:
    """Is it Python's own search that looks: for a module, a distribution, the text of a line that a warning shows?

    What they find is in the fingerprint.
    """
    return sys._getframe(2).f_code.co_filename.startswith(_OF_THE_IMPORT_SYSTEM)


_METADATA = os.path.join(os.path.dirname(linecache.__file__), "importlib", "metadata", "")
_OF_THE_IMPORT_SYSTEM = ("<frozen importlib", linecache.__file__, tokenize.__file__, _METADATA)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _ACTIVE:
        return
    handler = _EVENTS.get(event)
    if handler is not None and not _by_import_system():
        for recorder in _recorders():
            with unobserved():
                handler(recorder, args)


def _obstacle(kind: str, text: str) -> Callable[[Recorder, tuple[Any, ...]], None]:
    def handler(recorder: Recorder, args: tuple[Any, ...]) -> None:
        recorder.obstacles.setdefault(kind, text)

    return handler


_EVENTS: dict[str, Callable[[Recorder, tuple[Any, ...]], None]] = {
    "open": lambda recorder, args: recorder.open(*args[:3]),
    "os.mkdir": lambda recorder, args: recorder.make_folder(args[0]),
    "os.rename": lambda recorder, args: recorder.move(args[0], args[1]),
    "os.truncate": lambda recorder, args: recorder.write(args[0]),
    "sqlite3.connect": lambda recorder, args: (
        None if args[0] in ("", ":memory:") else recorder.open(args[0], None, os.O_RDONLY)
    ),
    "os.listdir": lambda recorder, args: recorder.list(args[0]),
    "os.scandir": lambda recorder, args: recorder.list(args[0]),
    "socket.connect": _obstacle("network", "it opens a network connection"),
    "socket.getaddrinfo": _obstacle("network", "it looks up a network address"),
    "socket.sendto": _obstacle("network", "it sends to the network"),
    "subprocess.Popen": _obstacle("subprocess", "it starts another program"),
    "os.system": _obstacle("subprocess", "it starts another program"),
    "os.exec": _obstacle("subprocess", "it starts another program"),
    "os.posix_spawn": _obstacle("subprocess", "it starts another program"),
    "os.fork": _obstacle("subprocess", "it forks"),
}


def _install() -> None:
    global _INSTALLED
    with _LOCK:
        if _INSTALLED:
            return
        _INSTALLED = True
    _never_counted()  # looks at folders itself
    sys.addaudithook(_audit)
    os.stat = _watched_stat(os.stat)
    os.lstat = _watched_stat(os.lstat)
    os.access = _watched_stat(os.access)
    for environ in (os.environ, os.environb):
        environ.__class__ = _WatchedEnviron


def _watched_stat(real: Callable[..., Any]) -> Callable[..., Any]:
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            _ACTIVE
            and not isinstance(path, int)
            and not sys._getframe(1).f_code.co_filename.startswith(_OF_THE_IMPORT_SYSTEM)
        ):
            for recorder in _recorders():
                with unobserved():
                    recorder.look(path)
        return real(path, *args, **kwargs)

    return watched


# Libraries ask for the terminal's size and colours when they format text; no data depends on it.
_OF_THE_TERMINAL = frozenset({"COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "COLORTERM"})


def _read_by_a_library() -> bool:
    """Is the code that reads a variable the interpreter's or a distribution's?"""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith("<frozen"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_never_counted())


class _WatchedEnviron(type(os.environ)):  # type: ignore[misc]
    """``os.environ`` that tells the recorders which names are read."""

    def __getitem__(self, key: Any) -> Any:
        name = os.fsdecode(key) if isinstance(key, bytes) else key
        if _ACTIVE and isinstance(name, str) and not (name in _OF_THE_TERMINAL and _read_by_a_library()):
            for recorder in _recorders():
                recorder.variables.add(name)
        return super().__getitem__(key)

    def __iter__(self) -> Any:
        if _ACTIVE:
            for recorder in _recorders():
                recorder.obstacles.setdefault("variables", "it reads all environment variables at once")
        return super().__iter__()
