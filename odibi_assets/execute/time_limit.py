"""A limit of time for work that may never end: it is interrupted, again, and at last given up.

In the main thread a timer's signal ends a sleep, a wait and a loop. In another thread an exception
is raised at the next instruction of Python, since no signal reaches it. Code of C that neither
returns nor looks at signals can't be interrupted by anybody but the end of its process: that is
what giving up is for.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, NoneType, TracebackType

from odibi_assets.errors import StepError

AGAIN_S = 5.0
GRACE_S = 10.0
# Giving up writes records; a process that can't even do that, because C code holds the interpreter, ends after this.
_LAST_S = 30.0

Stop = Callable[[], object]


class Interrupted(BaseException):
    """Raised in the middle of what is interrupted; no ``except Exception`` of a step's code takes it."""


_is_spared = False


@contextlib.contextmanager
def process_spared() -> Iterator[None]:
    """The process belongs to somebody else, as a notebook's does: nothing in it is given up."""
    global _is_spared
    before, _is_spared = _is_spared, True
    try:
        yield
    finally:
        _is_spared = before


_exit_status = 1


def note_exit_status(status: int) -> int:
    """Remember with what this process means to end, should threads that were left behind keep it from ending."""
    global _exit_status
    _exit_status = status
    return status


@functools.cache
def _leave_in_time() -> None:
    """Once for a process: it ends although threads that were started in what was interrupted go on for ever.

    Python waits for them at its end, those of thread pools first; only what is registered after
    theirs is told before.
    """
    leaving = threading.Event()
    threading._register_atexit(leaving.set)  # type: ignore[attr-defined]

    def leave() -> None:
        leaving.wait()
        time.sleep(AGAIN_S)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_exit_status)

    threading.Thread(target=leave, name="leave in time", daemon=True).start()


class TimeLimit:
    """A limit for the work in a ``with`` block; what takes longer raises ``told()`` at its end.

    Only what runs in ``interruptible()`` is interrupted, so that what puts things in order afterwards is not.

    Args:
        seconds: None for no limit.
        told: The error that the block then raises.
        give_up: Called from another thread when ``GRACE_S`` after the limit the block has still not ended,
            and expected to end the process; None leaves it hanging.
    """

    def __init__(
        self, seconds: float | None, told: Callable[[], StepError], give_up: Callable[[StepError], object] | None = None
    ) -> None:
        self._seconds = seconds
        self._told = told
        self._give_up = None if _is_spared else give_up
        self._is_open = False
        self._stops: list[Stop] = []
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> TimeLimit:
        if self._seconds is None:
            return self
        self._until = time.monotonic() + self._seconds
        self._thread = threading.get_ident()
        self._has_signals = threading.current_thread() is threading.main_thread()
        if self._has_signals:
            self._handler = signal.signal(signal.SIGALRM, self._on_signal)
            self._timer = signal.setitimer(signal.ITIMER_REAL, max(self._seconds, 1e-6), AGAIN_S)
            if self._give_up is not None:
                self._end_with_the_interpreter_held()
        threading.Thread(target=self._watch, args=(self._seconds,), name="time limit", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seconds is None:
            return
        self._is_open = False
        self._ended.set()
        self._woken.set()
        with self._lock:  # Whoever gives up right now ends the process.
            pass
        if self._has_signals:
            self._restore_timer()
        if self.is_over and self._give_up is not None:
            _leave_in_time()
        if isinstance(error, Interrupted) or (self.is_over and isinstance(error, (Exception, SystemExit, NoneType))):
            raise self._told() from None if isinstance(error, Interrupted) else error

    @property
    def is_over(self) -> bool:
        """Is the time up?"""
        return self._seconds is not None and time.monotonic() >= self._until

    def end_now(self, told: Callable[[], StepError]) -> None:
        """Let the time be up, from another thread; ``told`` is the error that the block then raises."""
        self._told, self._until = told, time.monotonic()
        if self._has_signals:
            signal.setitimer(signal.ITIMER_REAL, 1e-6, AGAIN_S)
        self._woken.set()

    def check(self) -> None:
        """
        Raises:
            Interrupted: The time is up.
        """
        if self.is_over:
            raise Interrupted

    @contextlib.contextmanager
    def interruptible(self, stop: Stop | None = None) -> Iterator[None]:
        """Code that is interrupted when the time is up.

        Args:
            stop: Ends what no signal ends; called from another thread.
        """
        if self._seconds is None:
            yield
            return
        if stop is not None:
            self._stops.append(stop)
        try:
            self._is_open = True
            self.check()
            yield
        finally:
            self._is_open = False
            if stop is not None:
                self._stops.remove(stop)
            if not self._has_signals:
                _raise_in(self._thread, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._is_open:
            raise Interrupted

    def _watch(self, seconds: float) -> None:
        for over, wait_s in ((self._woken, seconds), (self._ended, AGAIN_S)):
            over.wait(wait_s)
            if self._ended.is_set():
                return
            for stop in list(self._stops):
                stop()
            if self._is_open and not self._has_signals:
                _raise_in(self._thread, Interrupted)
        if self._ended.wait(GRACE_S - AGAIN_S) or self._give_up is None or not self._has_signals:
            return
        with self._lock:
            if not self._ended.is_set():
                self._give_up(self._told())

    def _end_with_the_interpreter_held(self) -> None:
        assert self._seconds is not None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stderr = sys.__stderr__
            assert stderr is not None
            faulthandler.dump_traceback_later(self._seconds + GRACE_S + _LAST_S, exit=True, file=stderr)

    def _restore_timer(self) -> None:
        assert self._seconds is not None
        if self._give_up is not None:
            faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler if self._handler is not None else signal.SIG_DFL)
        left, interval = self._timer
        if left:  # Somebody else's timer, which stood still meanwhile.
            passed = time.monotonic() - self._until + self._seconds
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 1e-3), interval)


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise in another thread at its next instruction, or take back what was not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(kind) if kind is not None else None
    )
