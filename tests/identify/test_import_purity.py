"""Which values may be other ones at the next import, though no file and no variable changed."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

VALUES = """
    import dataclasses
    import datetime
    import enum
    import functools
    import json
    import os
    import random
    import re
    import time
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    import numpy as np
    import pandas as pd

    import clocks
    from clocks import TODAY as DAY, Clock, later, stamped, twice
    from more import *


    TODAY = date.today()
    LABEL = f"{TODAY:%Y}"
    DEEP = {"label": [LABEL]}
    FROM_IMPORT = DAY
    OF_MODULE = clocks.TODAY
    STARRED = STAR
    A, B = random.random(), 2
    NOISE = np.random.rand(2)
    NOW = pd.Timestamp.now()
    FILLED = {}
    FILLED.update(day=date.today())
    SET_LATER = {}
    SET_LATER["day"] = date.today()
    LISTED = []
    for n in range(2):
        LISTED.append(time.time())
    with open(__file__) as file:
        OPENED = (file.read(), time.time())
    try:
        TRIED = time.time()
    except OSError:
        TRIED = 0
    if TODAY:
        CONDITIONAL = random.random()
    PLACE = os.getcwd()
    CALLED = later()
    OF_INSTANCE = Clock().get()
    LAMBDA = (lambda: time.time())()


    def default(frame, day=date.today()):
        return day


    @stamped
    def decorated(frame):
        return frame


    class Config:
        day = date.today()


    closure = functools.partial(max, time.time())

    PLAIN = {"a": [1, 2]}
    HOST = os.environ.get("HOST", "none")
    ROOT = Path(__file__).resolve().parent
    TEXT = (ROOT / "values.py").read_text()
    PATTERN = re.compile("a")
    WORDS = sorted("b a".split())
    SQUARES = [n * n for n in range(10)]
    START = datetime.date(2013, 1, 1)
    PRICE = Decimal("1.5")
    FRAME = pd.DataFrame({"a": [1]}).assign(b=np.arange(1))
    TOTAL = FRAME["a"].sum()
    DOUBLED = twice(2)
    SEEDED = random.Random(3)
    PARSED = json.loads("{}")


    def body(frame):
        return time.time()


    @functools.lru_cache(maxsize=None)
    def cached(x):
        return x


    @functools.singledispatch
    def shown(x):
        return str(x)


    @shown.register
    def numbered(x: int):
        return "number"


    class Colour(enum.Enum):
        RED = enum.auto()


    @dataclasses.dataclass
    class Settings:
        names: list = dataclasses.field(default_factory=list)
    """
MODULES = {
    "values.py": VALUES,
    "clocks.py": """
        import datetime
        import functools
        import time

        TODAY = datetime.date.today()


        class Clock:
            def get(self):
                return time.time()


        def later():
            return Clock().get() + 1


        def twice(x):
            return x * 2


        def stamped(function):
            at = time.time()

            @functools.wraps(function)
            def wrapper(frame):
                return function(frame).assign(at=at)

            return wrapper
        """,
    "more.py": "import time\nSTAR = time.time()\n",
}
DOUBTFUL = (
    "TODAY LABEL DEEP FROM_IMPORT OF_MODULE STARRED A B NOISE NOW FILLED SET_LATER LISTED OPENED TRIED CONDITIONAL "
    "PLACE CALLED OF_INSTANCE LAMBDA default decorated Config closure"
).split()
CERTAIN = (
    "PLAIN HOST ROOT TEXT PATTERN WORDS SQUARES START PRICE FRAME TOTAL DOUBLED SEEDED PARSED body cached shown "
    "numbered Colour Settings"
).split()


def doubts(root: Path, names: list[str]) -> Any:
    import functools
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.distribution import is_first_party_module
    from odibi_assets.identify.fingerprint import judgement
    from odibi_assets.identify.import_purity import ImportPurity

    source_loader.install()
    source_loader.put_on_path(root)
    importlib.import_module("values")
    purity = ImportPurity(functools.partial(judgement, root=root), is_first_party_module)
    return {name: why for (_, name), why in purity.doubts([("values", name) for name in names]).items()}


@pytest.fixture(scope="module")
def found(children: ChildProcesses, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("purity") / "shop"
    root.mkdir()
    for name, text in MODULES.items():
        (root / name).write_text(textwrap.dedent(text).lstrip("\n"))
    answer: dict[str, str] = children.run(doubts, root, [*DOUBTFUL, *CERTAIN])
    return answer


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_value_that_may_be_another_at_the_next_import_is_doubted(name: str, found: dict[str, str]) -> None:
    assert name in found


@pytest.mark.parametrize("name", CERTAIN)
def test_a_value_that_follows_from_what_is_known_is_not(name: str, found: dict[str, str]) -> None:
    assert found.get(name) is None


def test_a_doubt_says_what_is_called_and_where(found: dict[str, str]) -> None:
    line = textwrap.dedent(VALUES).lstrip("\n").splitlines().index("TODAY = date.today()") + 1
    assert found["LABEL"] == f"it reads the clock with datetime.date.today (values, line {line})"


EFFECTS = """
    import datetime
    import random
    import sqlite3
    import warnings

    import clocks
    import numpy as np
    import pandas as pd

    random.seed(42)
    np.random.seed(0)
    warnings.filterwarnings("ignore")
    pd.set_option("display.width", 90)
    sqlite3.enable_callback_tracebacks(True)
    clocks.twice(3)
    if datetime.date.today().year > 2020:
        pd.set_option("display.width", 91)
    pd.set_option("display.width", random.randint(60, 90))
    clocks.later()
    """


def doubts_of_effects(root: Path) -> Any:
    import functools
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.distribution import is_first_party_module
    from odibi_assets.identify.fingerprint import judgement
    from odibi_assets.identify.import_purity import ImportPurity

    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module("effects")
    judge = functools.partial(judgement, root=root)
    return list(ImportPurity(judge, is_first_party_module, trusts_unknown=True).doubts_of_effects([module]))


def test_a_statement_that_may_do_something_else_at_the_next_import_is_doubted(
    children: ChildProcesses, tmp_path: Path
) -> None:
    for name, text in {**MODULES, "effects.py": EFFECTS}.items():
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip("\n"))
    assert children.run(doubts_of_effects, tmp_path) == [
        "effects: if datetime.date.today().year > 2020: it reads the clock with datetime.date.today (effects, line 16)",
        "effects: pd.set_option('display.width', random.randint(60, 90)): it draws from random.randint without a seed "
        "(effects, line 18)",
        "effects: clocks.later(): clocks.later is called: it reads the clock with time.time (effects, line 19)",
    ]
