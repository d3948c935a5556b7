"""Which process began a run, and whether it is still there; who is at work."""

from __future__ import annotations

import datetime
import getpass
import os
from pathlib import Path


def this_process() -> str:
    """Host, id and start of this process: an id alone may be another process's later."""
    return _named(os.getpid())


def this_user() -> str:
    """User and host, as ``ann@laptop``."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # A container may run under a number that has no name.
        name = str(os.getuid())
    return f"{name}@{os.uname().nodename}"


def _named(pid: int) -> str:
    return f"{os.uname().nodename}/{pid}/{_started(pid)}"


def run_process() -> str:
    """As ``this_process``, of the process that a run lives in: the parent, where that starts one for each step."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    return _named(parent.pid) if parent is not None and parent.pid is not None else this_process()


def may_be_alive(process: str) -> bool:
    """Is the process running? One on another host can't be asked, and counts as gone."""
    host, _, rest = process.partition("/")
    pid, _, started = rest.partition("/")
    return host == os.uname().nodename and pid.isdigit() and bool(started) and _started(int(pid)) == started


def host_of(process: str) -> str:
    return process.partition("/")[0]


def _started(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


MOST_HOURS_ELSEWHERE = 24


def may_go_on(process: str, *, began_at: str, now: datetime.datetime) -> bool:
    """Must collection reckon with a process? One on another host, which can't be asked, counts for a day.

    Args:
        began_at: ISO 8601, UTC.
    """
    host = host_of(process)
    if host in ("", os.uname().nodename):
        return may_be_alive(process)
    return now - datetime.datetime.fromisoformat(began_at) < datetime.timedelta(hours=MOST_HOURS_ELSEWHERE)
