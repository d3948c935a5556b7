"""Facts of the machine and the account that a program runs under, which code may ask for.

They rarely change, so code that asks for one is no obstacle to reuse: what the fact is now is part
of the step's key, and a witness holds only as long as it is so.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable


def fact_behind(name: str) -> str | None:
    """The fact that a fully qualified name asks for, if it does.

    >>> fact_behind("os.cpu_count")
    'processors'
    """
    return _ASKED.get(name)


def machine_fact(fact: str) -> str:
    """What a fact is now, as text."""
    with contextlib.suppress(OSError):
        return repr(_FACTS[fact]())
    return "not known"


def _locale() -> object:
    import locale

    return locale.setlocale(locale.LC_ALL), locale.getpreferredencoding(False)


def _login() -> object:
    with contextlib.suppress(OSError):
        return os.getlogin()
    return None


def _zone() -> object:
    return time.tzname, time.timezone, time.altzone, os.path.realpath("/etc/localtime")


_FACTS: dict[str, Callable[[], object]] = {
    "processors": lambda: (os.cpu_count(), sorted(os.sched_getaffinity(0))),
    "account": lambda: (os.getresuid(), os.getresgid(), os.getgroups(), _login()),
    "host name": lambda: os.uname().nodename,
    "platform": lambda: tuple(part for i, part in enumerate(os.uname()) if i != 1),
    "locale": _locale,
    "time zone": _zone,
}

_ASKED = {
    name: fact
    for fact, names in {
        "processors": "os.cpu_count os.sched_getaffinity multiprocessing.cpu_count joblib.cpu_count",
        "account": "os.getlogin os.getuid os.geteuid os.getgid os.getegid os.getgroups os.getresuid getpass.getuser",
        "host name": "os.uname socket.gethostname socket.getfqdn platform.node platform.uname",
        "platform": """platform.platform platform.machine platform.processor platform.release platform.version
            platform.system platform.architecture""",
        "locale": """locale.getlocale locale.getpreferredencoding locale.getdefaultlocale locale.localeconv
            locale.nl_langinfo locale.getencoding locale.strcoll locale.strxfrm locale.currency locale.format_string
            locale.atof locale.str""",
        "time zone": """time.mktime time.tzname time.timezone time.altzone time.daylight
            datetime.datetime.fromtimestamp datetime.date.fromtimestamp""",
    }.items()
    for name in names.split()
}
