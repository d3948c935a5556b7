"""What a Python step was seen to read while it ran: files, folders, missing files, variables.

An audit hook sees ``open``, listings, sockets and subprocesses; ``os.stat`` and ``os.environ`` are
wrapped, since they raise no audit event (truth.md 4.5; ccache's direct mode and Shake's traces
are the models). It is a safety net beside declared inputs, not a proof: native readers go past it.
"""

from __future__ import annotations

import _posixsubprocess
import contextlib
import functools
import linecache
import os
import site
import stat as stat_module
import sys
import sysconfig
import threading
import tokenize
import types
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from odibi_assets.identify.digest import Digest, keyed_digest
from odibi_assets.identify.machine_fact import machine_fact

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
    for recorder in _recorders():
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
        self._foreign_below = tuple(folder for folder in _never_counted() if folder.startswith(self._below))

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
        return text.startswith(_never_counted()) and not (text.startswith("/etc/") and not _is_the_systems(text))

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
        elif text.startswith(("/proc/", "/sys/")) and not _read_by_a_library():
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
        from odibi_assets.identify.effects import imported_modules
        from odibi_assets.identify.fingerprint import is_first_party_module

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


def _never_counted() -> tuple[str, ...]:
    """Folders of the interpreter, of distributions and of the system.

    Not all that lies below the interpreter's prefix: that may be ``/usr``, with projects in ``/usr/src``.
    """
    global _NEVER_COUNTED
    if not _NEVER_COUNTED:
        paths = sysconfig.get_paths()
        folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "include")}
        folders |= {*site.getsitepackages(), site.getusersitepackages()}
        if sys.prefix != sys.base_prefix:
            folders.add(sys.prefix)
        if sys.base_prefix not in ("/usr", "/usr/local"):
            folders |= {
                os.path.join(sys.base_prefix, name) for name in ("bin", "etc", "include", "lib", "share", "ssl")
            }
        folders |= {os.path.realpath(folder) for folder in folders}
        folders |= {"/proc", "/dev", "/sys", "/etc", "/usr/lib"}
        folders |= {f"/usr/share/{name}" for name in ("zoneinfo", "locale", "mime", "fonts")}
        _NEVER_COUNTED = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
    return _NEVER_COUNTED


# In DAGSTER_HOME, which may be the project's own folder.
_OF_DAGSTER = ("history", "schedules", "storage", "logs", "dagster.yaml", ".telemetry", ".logs_queue", ".nux")

_OF_THE_SYSTEM = frozenset(
    """localtime timezone passwd group nsswitch.conf hosts host.conf resolv.conf gai.conf services protocols
    ld.so.cache os-release lsb-release""".split()
)
_FOLDERS_OF_THE_SYSTEM = ("ssl/", "pki/", "ca-certificates", "fonts/", "alternatives/", "python")


def _is_the_systems(text: str) -> bool:
    """Is a file below ``/etc`` one that libraries read on their own account, and no step for its data?"""
    name = text.removeprefix("/etc/")
    return name in _OF_THE_SYSTEM or name.startswith(_FOLDERS_OF_THE_SYSTEM) or name.endswith("mime.types")


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


def _by_import_system(event: str, args: tuple[Any, ...]) -> bool:
    """Is it Python's own search that looks: for a module, a distribution, the text of a line that a warning shows?

    What they find is in the fingerprint. Data files that are read by the same means are not.
    """
    if not sys._getframe(2).f_code.co_filename.startswith(_OF_THE_IMPORT_SYSTEM):
        return False
    is_data = event == "open" and isinstance(args[0], str) and not args[0].endswith(_OF_CODE)
    return not is_data or sys._getframe(2).f_code.co_filename.startswith(_METADATA)


_OF_CODE = (".py", ".pyc", ".pyw", ".pyx", ".pxd", ".so", ".pyd")


_METADATA = os.path.join(os.path.dirname(linecache.__file__), "importlib", "metadata", "")
_OF_THE_IMPORT_SYSTEM = ("<frozen importlib", linecache.__file__, tokenize.__file__, _METADATA)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _ACTIVE:
        return
    handler = _EVENTS.get(event)
    if handler is not None and not _by_import_system(event, args):
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
    "sqlite3.connect": lambda recorder, args: recorder.database(args[0]),
    # A library loaded by hand; one that is looked up by name alone is the system's.
    "ctypes.dlopen": lambda recorder, args: (
        recorder.open(args[0], None, os.O_RDONLY) if isinstance(args[0], str) and os.sep in args[0] else None
    ),
    "pickle.find_class": lambda recorder, args: recorder.unpickled.add(str(args[0])),
    "os.listdir": lambda recorder, args: recorder.list(args[0]),
    "os.scandir": lambda recorder, args: recorder.scan(args[0], with_sizes=not _listed_by_a_library()),
    "socket.connect": _obstacle("network", "it opens a network connection"),
    "socket.getaddrinfo": _obstacle("network", "it looks up a network address"),
    "socket.gethostbyname": _obstacle("network", "it looks up a network address"),
    "socket.gethostbyaddr": _obstacle("network", "it looks up a network address"),
    "socket.getnameinfo": _obstacle("network", "it looks up a network address"),
    "socket.sendmsg": _obstacle("network", "it sends to the network"),
    "socket.bind": _obstacle("network", "it listens to the network"),
    "socket.sendto": _obstacle("network", "it sends to the network"),
    "subprocess.Popen": _obstacle("subprocess", "it starts another program"),
    "os.system": _obstacle("subprocess", "it starts another program"),
    "os.exec": _obstacle("subprocess", "it starts another program"),
    "os.posix_spawn": _obstacle("subprocess", "it starts another program"),
    "os.forkpty": _obstacle("subprocess", "it forks"),
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
    os.readlink = _watched_readlink(os.readlink)
    _posixsubprocess.fork_exec = _watched_spawn(_posixsubprocess.fork_exec)
    for environ in (os.environ, os.environb):
        environ.__class__ = _WatchedEnviron


def _watched_stat(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if _ACTIVE and not isinstance(path, int):
            caller = sys._getframe(1).f_code
            if not caller.co_filename.startswith(_OF_THE_IMPORT_SYSTEM):
                for recorder in _recorders():
                    with unobserved():
                        recorder.look(path)
                        if caller is _GETMTIME:
                            recorder.take_time(path)
                        elif caller in _OTHER_TIMES:
                            recorder.obstacles.setdefault("clock", "it takes a file's time of change or access")
        return real(path, *args, **kwargs)

    return watched


_GETMTIME = os.path.getmtime.__code__
_OTHER_TIMES = (os.path.getctime.__code__, os.path.getatime.__code__)


def _watched_readlink(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if _ACTIVE:
            for recorder in _recorders():
                with unobserved():
                    recorder.follow(path)
        return real(path, *args, **kwargs)

    return watched


def _watched_spawn(real: Callable[..., Any]) -> Callable[..., Any]:
    """``multiprocessing`` starts processes by it, past all audit events."""

    @functools.wraps(real)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if _ACTIVE:
            for recorder in _recorders():
                recorder.obstacles.setdefault("subprocess", "it starts another program")
        return real(*args, **kwargs)

    return watched


# Libraries ask for the terminal's size and colours when they format text; no data depends on it.
_OF_THE_TERMINAL = frozenset({"COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "COLORTERM"})


def _read_by_a_library() -> bool:
    """Is the code that reads something the interpreter's or a distribution's?"""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename.startswith("<frozen"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_never_counted())


def _listed_by_a_library() -> bool:
    """Does ``os.walk``, ``glob`` or the like list a folder, which take names and kinds only?"""
    file = sys._getframe(3).f_code.co_filename
    return file.startswith(("<frozen", *_never_counted()))


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
                recorder.obstacles.setdefault("variables", _ALL_VARIABLES)
        return super().__iter__()

    def __len__(self) -> int:
        if _ACTIVE:
            for recorder in _recorders():
                recorder.obstacles.setdefault("variables", _ALL_VARIABLES)
        return int(super().__len__())


_ALL_VARIABLES = "it reads all environment variables at once"
