"""Clocks, unseeded random, readers that no hook sees and values that can't be told are obstacles, with their line."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

IMPORTS = """\
import datetime, os, random, secrets, socket, threading, time, uuid, logging
import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from datetime import datetime as moment
from time import time as now
from numpy.random import default_rng
from random import randint
"""
LINE = len(IMPORTS.splitlines()) + 2


def obstacles(root: Path) -> Any:
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.fingerprint import fingerprint

    source_loader.install()
    source_loader.put_on_path(root)
    found = fingerprint(importlib.import_module("steps").step, root)
    return [[obstacle.kind, obstacle.place] for obstacle in found.obstacles]


def found(children: ChildProcesses, root: Path, body: str, before: str = "") -> Any:
    (root / "steps.py").write_text(IMPORTS + before + "def step(frame):\n" + textwrap.indent(body, "    ") + "\n")
    return children.run(obstacles, root)


VOLATILE = {
    "return time.time()": "clock",
    "return now()": "clock",
    "return time.monotonic()": "clock",
    "return time.strftime('%Y')": "clock",
    "return datetime.datetime.now()": "clock",
    "return datetime.date.today()": "clock",
    "return moment.utcnow()": "clock",
    "return pd.Timestamp.now()": "clock",
    "return pd.Timestamp.today()": "clock",
    "clock = time.time; return clock()": "clock",
    "return [time.time() for _ in range(3)]": "clock",
    "return (lambda: time.time())()": "clock",
    "return random.random()": "random",
    "return random.choice([1, 2])": "random",
    "return randint(1, 6)": "random",
    "from numpy.random import rand; return rand(3)": "random",
    "return random.Random().random()": "random",
    "return np.random.rand(3)": "random",
    "return np.random.default_rng().random()": "random",
    "return default_rng().random()": "random",
    "return np.random.RandomState().rand()": "random",
    "return uuid.uuid4()": "random",
    "return os.urandom(3)": "random",
    "return secrets.token_hex()": "random",
    "return frame.sample(3)": "random",
    "return pd.read_parquet('x')": "reader",
    "return pq.read_table('x')": "reader",
    "return pq.ParquetFile('x')": "reader",
    "return duckdb.sql('select 1')": "reader",
    "return duckdb.query('select 1')": "reader",
    "return duckdb.execute('select 1')": "reader",
    "return duckdb.read_csv('x')": "reader",
    "from duckdb import sql; return sql('select 1')": "reader",
    "from pyarrow import csv; return csv.read_csv('x')": "reader",
    "import pyarrow.dataset as ds; return ds.dataset('x')": "reader",
    "import pyarrow.feather; return pyarrow.feather.read_table('x')": "reader",
    "import pyarrow as pa; return pa.memory_map('x')": "reader",
    "from pyarrow import fs; return fs.LocalFileSystem()": "reader",
    "return pd.HDFStore('x')": "reader",
    "return pd.io.parquet.read_parquet('x')": "reader",
    "return duckdb.connect('x')": "reader",
    "return pd.read_sql('select 1', None)": "reader",
    "return pd.Timestamp('now')": "clock",
    "return os.stat('x').st_mtime": "clock",
    "return frame.clock.now()": "clock",
    "return getattr(time, 'time')()": "clock",
    "random.seed(); return 1": "random",
    "return np.random.default_rng(None)": "random",
    "seed = 1; return (seed, random.random())": "random",
    "return np.random.Generator(np.random.Philox())": "random",
    "return hash('x')": "random",
    "return id(frame)": "random",
    "return list(set(frame))": "random",
    "import sys; return sys.argv": "process",
    "import sys; return sys.path[0]": "process",
    "return os.getpid()": "process",
    "return input()": "process",
    "import ctypes; return ctypes.CDLL(None)": "reader",
}


@pytest.mark.parametrize("body", VOLATILE, ids=list(VOLATILE))
def test_what_answers_differently_or_reads_unseen_is_an_obstacle(
    body: str, children: ChildProcesses, root: Path
) -> None:
    assert found(children, root, body) == [[VOLATILE[body], f"steps.py:{LINE}"]]


HARMLESS = [
    "time.sleep(0)",
    "return datetime.datetime(2013, 1, 1)",
    "return datetime.timedelta(1)",
    "return datetime.datetime.strptime('2013', '%Y')",
    "return pd.Timestamp('2013')",
    "return random.Random(3).random()",
    "random.seed(3); return random.random()",
    "return np.random.default_rng(3).random()",
    "return default_rng(seed=3).random()",
    "np.random.seed(3); return np.random.rand(3)",
    "return np.random.RandomState(3).rand()",
    "return frame.sample(3, random_state=1)",
    "return frame.sample(3, seed=1)",
    "return np.random.Generator(np.random.Philox(3))",
    "import sys; sys.path.append('x')",
    "return sorted(set(frame))",
    "return getattr(frame, 'columns')",
    "return frame['now'], frame.rename(columns={'today': 'x'})",
    "return pd.to_datetime('2013-01-01')",
    "return os.environ.get('X')",
    "return uuid.UUID(int=1)",
    "return uuid.uuid5(uuid.NAMESPACE_DNS, 'x')",
    "return pd.read_csv('x')",
    "return open('x').read()",
    "return pd.concat([frame, frame])",
    "return np.mean(frame)",
    "logging.getLogger(__name__).info('x')",
    "return os.path.join('a', 'b')",
]


@pytest.mark.parametrize("body", HARMLESS)
def test_what_answers_the_same_is_no_obstacle(body: str, children: ChildProcesses, root: Path) -> None:
    assert found(children, root, body) == []


def test_an_obstacle_in_a_helper_is_told_with_the_helpers_line(children: ChildProcesses, root: Path) -> None:
    (root / "helpers.py").write_text(
        "import time\n\n\ndef deep():\n    return time.time()\n\n\ndef shallow():\n    return deep()\n"
    )
    assert found(children, root, "import helpers\nreturn helpers.shallow()") == [["clock", "helpers.py:5"]]


def test_an_obstacle_in_code_that_the_step_does_not_reach_is_none(children: ChildProcesses, root: Path) -> None:
    assert found(children, root, "return 1", before="def other():\n    return time.time()\n") == []


HELD = {
    "a default": "def other(clock=time.time):\n    return clock()\n",
    "a class": "class Clock:\n    now = staticmethod(time.time)\ndef other():\n    return Clock.now\n",
    "a partial": "import functools\nSTAMP = functools.partial(time.time)\ndef other():\n    return STAMP()\n",
    "a table": "TABLE = {'a': [time.time]}\ndef other():\n    return TABLE['a'][0]()\n",
    "a closure": "def make(clock):\n    return lambda: clock()\nother = make(time.time)\n",
}


@pytest.mark.parametrize("case", HELD, ids=list(HELD))
def test_a_clock_that_a_value_holds_is_an_obstacle(case: str, children: ChildProcesses, root: Path) -> None:
    assert [kind for kind, _ in found(children, root, "return other()", HELD[case])] == ["clock"]


def test_libraries_that_read_or_ask_by_compiled_code_are_known_by_name() -> None:
    from odibi_assets.identify.code_object import Reference
    from odibi_assets.identify.volatile import volatility

    kinds = {
        name: volatility(name, Reference("x", (), 1))
        for name in (
            "psycopg2.connect",
            "pyodbc.connect",
            "geopandas.read_file",
            "rasterio.open",
            "deltalake.DeltaTable",
        )
    }
    assert [verdict and verdict[0] for verdict in kinds.values()] == ["network"] * 2 + ["reader"] * 3
    assert volatility("psycopg2.extras.DictCursor", Reference("x", (), 1)) is not None
    assert volatility("geopandas.GeoDataFrame", Reference("x", (), 1)) is None


def test_a_fact_of_the_machine_is_part_of_the_fingerprint_and_no_obstacle(children: ChildProcesses, root: Path) -> None:
    def prints(root: Path) -> Any:
        import importlib
        import os
        import time

        from odibi_assets.identify import source_loader
        from odibi_assets.identify.fingerprint import fingerprint

        source_loader.put_on_path(root)
        steps = importlib.import_module("steps")

        def state() -> Any:
            functions = (steps.workers, steps.workers_too, steps.pool, steps.zone, steps.plain)
            found = [fingerprint(function, root) for function in functions]
            assert [one.obstacles for one in found] == [[]] * 5
            return [sorted((name, str(item.digest)) for name, item in one.items.items()) for one in found]

        before = state()
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os.environ["TZ"] = "Asia/Tokyo"
        time.tzset()
        return [one == other for one, other in zip(before, state(), strict=True)]

    (root / "steps.py").write_text(
        "import datetime, os, socket\nfrom os import cpu_count\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "def workers(frame):\n    return os.cpu_count()\n"
        "def workers_too(frame):\n    return cpu_count()\n"
        "def pool(frame):\n    return ThreadPoolExecutor(os.cpu_count()).submit(len, frame)\n"
        "def zone(frame):\n    return datetime.datetime.fromtimestamp(0)\n"
        "def plain(frame):\n    return datetime.datetime(2013, 1, 1)\n"
    )
    one_processor = len(os.sched_getaffinity(0)) == 1
    assert children.run(prints, root) == [one_processor, one_processor, one_processor, False, True]


OPAQUE = {
    "a socket": "THING = socket.socket()",
    "an open file": "THING = open(__file__)",
    "what each thread has of its own": "THING = threading.local()",
    "a generator": "THING = (x for x in [1])",
    "an array of objects": "THING = np.array([object()])",
    "inside a container": "THING = {'a': [1, (2, socket.socket())]}",
    "inside an instance": "class Holder:\n    pass\nTHING = Holder()\nTHING.inner = socket.socket()",
}


@pytest.mark.parametrize("case", OPAQUE, ids=list(OPAQUE))
def test_a_value_that_can_not_be_encoded_is_an_obstacle(case: str, children: ChildProcesses, root: Path) -> None:
    before = OPAQUE[case] + "\n"
    (kind, place), *_ = found(children, root, "return THING", before)
    line = IMPORTS.count("\n") + [text.startswith("THING = ") for text in before.splitlines()].index(True) + 1
    assert (kind, place) == ("value", f"steps.py:{line}")


def test_a_value_that_can_not_be_encoded_is_told_with_the_path_to_it(children: ChildProcesses, root: Path) -> None:
    def texts(root: Path) -> Any:
        import importlib

        from odibi_assets.identify import source_loader
        from odibi_assets.identify.fingerprint import fingerprint

        source_loader.put_on_path(root)
        return [str(o) for o in fingerprint(importlib.import_module("steps").step, root).obstacles]

    (root / "steps.py").write_text(
        "import socket\nTHING = {'a': [1, socket.socket()]}\ndef step(f):\n    return THING\n"
    )
    assert children.run(texts, root) == [
        "steps.THING['a'][1] is a socket.socket, whose state can't be told (steps.py:2)"
    ]


TOLD = {
    "a logger": "THING = logging.getLogger('x')",
    "a lock": "THING = threading.Lock()",
    "a module": "THING = os",
    "a sentinel": "THING = object()",
    "an array": "THING = np.arange(3)",
    "a scalar": "THING = np.float32(1)",
    "a frame": "THING = pd.DataFrame({'a': [1]})",
    "a series": "THING = pd.Series([1.5], name='x')",
    "a timestamp": "THING = pd.Timestamp('2013-01-01', tz='UTC')",
    "a missing value": "THING = (pd.NA, pd.NaT, np.nan)",
    "a type": "THING = np.dtype('float32')",
    "a nested collection": "THING = {'a': [1, {2: (3, frozenset({4}))}]}",
    "a list that holds itself": "THING = []\nTHING.append(THING)",
    "a memo that is empty": "THING = {}",
    "an object that has no attribute it is asked for": (
        "class Evil:\n    __slots__ = ('empty',)\n    def __getattr__(self, name):\n        raise RuntimeError(name)\n"
        "    def __bool__(self):\n        raise RuntimeError('no')\nTHING = Evil()"
    ),
    "an object that has every attribute": (
        "class Every:\n    def __getattr__(self, name):\n        if name.startswith('__'):\n"
        "            raise AttributeError(name)\n        return Every()\nTHING = Every()"
    ),
    "an object that compares to nothing": (
        "class Alone:\n    __hash__ = None\n    def __eq__(self, other):\n        raise RuntimeError('no')\n"
        "    def __repr__(self):\n        raise RuntimeError('no')\nTHING = Alone()"
    ),
}


@pytest.mark.parametrize("case", TOLD, ids=list(TOLD))
def test_a_value_that_can_be_told_is_no_obstacle(case: str, children: ChildProcesses, root: Path) -> None:
    assert found(children, root, "return THING", TOLD[case] + "\n") == []


def test_a_module_that_does_not_import_inside_a_function_is_an_obstacle(children: ChildProcesses, root: Path) -> None:
    (root / "broken.py").write_text("raise RuntimeError('no')\n")
    first, *_ = found(children, root, "import broken\nreturn broken.x")
    assert first == ["value", f"steps.py:{LINE}"]
