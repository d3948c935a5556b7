"""Work in a fork that is killed in the middle, and what became of a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def in_fork(work: Callable[[], object]) -> int:
    """The exit status of a fork that does the work; negative where a signal ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_alive(pid: int) -> bool:
    """Is there such a process, and not only its entry, which nobody has collected yet?"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


class Countdown:
    """Kills this process at its n-th step, before the step is made."""

    def __init__(self, number: int) -> None:
        self.number, self.count = number, 0

    def tick(self) -> None:
        self.count += 1
        if self.count == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function, each call of which is a step."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            return real(*args, **kwargs)

        return call


def die_at(number: int, *names: str) -> None:
    """Have this process kill itself before its n-th call of the named functions of ``os``."""
    countdown = Countdown(number)
    for name in names:
        setattr(os, name, countdown.counted(getattr(os, name)))
