"""Sees what a Python step reads while it runs: files, folders, missing files, variables.

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
import sys
import threading
import tokenize
from collections.abc import Callable, Iterator
from typing import Any

from odibi_assets.identify.observing import ACTIVE, observing, recorders, unobserved
from odibi_assets.identify.recorder import Recorder
from odibi_assets.identify.uncounted import (
    SUBPROCESS,
    listed_by_a_library,
    read_by_a_library,
    started_by_a_library,
)

_LOCK = threading.Lock()
_INSTALLED = False


@contextlib.contextmanager
def observed(recorder: Recorder) -> Iterator[Recorder]:
    """Record what is read inside, in this context and in threads that it starts."""
    _install()
    with observing(recorder):
        yield recorder


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
    if not ACTIVE:
        return
    handler = _EVENTS.get(event)
    if handler is not None and not _by_import_system(event, args):
        for recorder in recorders():
            with unobserved():
                handler(recorder, args)


def _obstacle(kind: str, text: str) -> Callable[[Recorder, tuple[Any, ...]], None]:
    def handler(recorder: Recorder, args: tuple[Any, ...]) -> None:
        recorder.obstacles.setdefault(kind, text)

    return handler


# What libraries ask of the machine by a program that tells nothing else.
_TELLING = {"lscpu": "processors", "uname": "platform"}


def _start_program(recorder: Recorder, program: object) -> None:
    name = os.path.basename(os.fsdecode(program)) if isinstance(program, (str, bytes, os.PathLike)) else "?"
    if name in _TELLING and started_by_a_library():
        recorder.facts.add(_TELLING[name])
    else:
        recorder.obstacles.setdefault("subprocess", f"it starts another program, {name}")


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
    "os.scandir": lambda recorder, args: recorder.scan(args[0], with_sizes=not listed_by_a_library()),
    "socket.connect": _obstacle("network", "it opens a network connection"),
    "socket.getaddrinfo": _obstacle("network", "it looks up a network address"),
    "socket.gethostbyname": _obstacle("network", "it looks up a network address"),
    "socket.gethostbyaddr": _obstacle("network", "it looks up a network address"),
    "socket.getnameinfo": _obstacle("network", "it looks up a network address"),
    "socket.sendmsg": _obstacle("network", "it sends to the network"),
    "socket.bind": _obstacle("network", "it listens to the network"),
    "socket.sendto": _obstacle("network", "it sends to the network"),
    "subprocess.Popen": lambda recorder, args: _start_program(recorder, args[0]),
    "os.system": lambda recorder, args: _start_program(recorder, "sh"),
    "os.exec": lambda recorder, args: _start_program(recorder, args[0]),
    "os.posix_spawn": lambda recorder, args: _start_program(recorder, args[0]),
    "os.forkpty": _obstacle("subprocess", "it forks"),
    "os.fork": _obstacle("subprocess", "it forks"),
}


def _install() -> None:
    """Once per process; whoever comes meanwhile waits, since a step must not begin to read before."""
    global _INSTALLED
    with _LOCK:
        if _INSTALLED:
            return
        sys.addaudithook(_audit)
        os.stat = _watched_stat(os.stat)
        os.lstat = _watched_stat(os.lstat)
        os.access = _watched_stat(os.access)
        os.readlink = _watched_readlink(os.readlink)
        _posixsubprocess.fork_exec = _watched_spawn(_posixsubprocess.fork_exec)
        for environ in (os.environ, os.environb):
            environ.__class__ = _WatchedEnviron
        _INSTALLED = True


def _watched_stat(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if ACTIVE and not isinstance(path, int):
            caller = sys._getframe(1).f_code
            if not caller.co_filename.startswith(_OF_THE_IMPORT_SYSTEM):
                for recorder in recorders():
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
        if ACTIVE:
            for recorder in recorders():
                with unobserved():
                    recorder.follow(path)
        return real(path, *args, **kwargs)

    return watched


def _watched_spawn(real: Callable[..., Any]) -> Callable[..., Any]:
    """``multiprocessing`` starts processes by it, past all audit events; ``subprocess`` has raised one."""

    @functools.wraps(real)
    def watched(args: Any, *more: Any, **kwargs: Any) -> Any:
        if ACTIVE and sys._getframe(1).f_code.co_filename != SUBPROCESS:
            for recorder in recorders():
                _start_program(recorder, args[0])
        return real(args, *more, **kwargs)

    return watched


# Libraries ask for the terminal's size and colours when they format text; no data depends on it.
_OF_THE_TERMINAL = frozenset({"COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "COLORTERM"})


class _WatchedEnviron(type(os.environ)):  # type: ignore[misc]
    """``os.environ`` that tells the recorders which names are read."""

    def __getitem__(self, key: Any) -> Any:
        name = os.fsdecode(key) if isinstance(key, bytes) else key
        if ACTIVE and isinstance(name, str) and not (name in _OF_THE_TERMINAL and read_by_a_library()):
            for recorder in recorders():
                recorder.variables.add(name)
        return super().__getitem__(key)

    def __iter__(self) -> Any:
        if ACTIVE:
            for recorder in recorders():
                recorder.obstacles.setdefault("variables", _ALL_VARIABLES)
        return super().__iter__()

    def __len__(self) -> int:
        if ACTIVE:
            for recorder in recorders():
                recorder.obstacles.setdefault("variables", _ALL_VARIABLES)
        return int(super().__len__())


_ALL_VARIABLES = "it reads all environment variables at once"
