"""Planted leaks: what a step takes in without declaring it is seen, or the step is said to run always.

All of them are steps of one project that is run once. Then everything hidden changes at once, and a
plan has to call each a miss, for the reason that is its own; what leaks nothing has to stay a hit.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import textwrap
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from project_folder import ProjectFolder, Zygote

IMPORTS = """\
import ctypes, datetime, decimal, functools, getpass, glob, importlib.resources, io, json, linecache, locale
import multiprocessing, os, pathlib, pkgutil, platform, random, secrets, socket, sqlite3, subprocess, sys, tempfile
import threading, time, urllib.request, uuid, zipfile
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count, environ, getenv, stat
from time import perf_counter

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

import shared


def held(call):
    try:
        return call()
    except OSError as error:
        return type(error).__name__


def in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


class Clock:
    now = staticmethod(time.time)

    def __init__(self):
        self.started = None


class Made:
    def __init__(self, make=uuid.uuid4):
        self.make = make


class Plain:
    def __hash__(self):
        return hash("plain")


MAKERS = {"id": uuid.uuid4, "path": os.path.join}
STAMP = functools.partial(time.strftime, "%H")
seed = 3


@functools.lru_cache
def remembered(name):
    return open(name).read()


@functools.cache
def remembered_too(name):
    return os.environ.get(name)


"""

SHARED = """\
rates = {"a": 1}


class Settings:
    rate = 1
"""

# Name → what is found (an expression, or statements that set ``found``), and a word of the reason.
FILES = {
    "open": ("open('hidden/a.txt').read()", "hidden/a.txt"),
    "pathlib": ("pathlib.Path('hidden/a.txt').read_text()", "hidden/a.txt"),
    "os_open": ("os.read(os.open('hidden/a.txt', os.O_RDONLY), 99)", "hidden/a.txt"),
    "numpy_loadtxt": ("np.loadtxt('hidden/n.csv', skiprows=1)", "hidden/n.csv"),
    "numpy_fromfile": ("np.fromfile('hidden/n.csv', dtype='uint8')", "hidden/n.csv"),
    "numpy_memmap": ("np.memmap('hidden/n.csv', mode='r')[:]", "hidden/n.csv"),
    "numpy_load": ("np.load('hidden/n.npy')", "hidden/n.npy"),
    "pandas_csv": ("pd.read_csv('hidden/n.csv')", "hidden/n.csv"),
    "pandas_json": ("pd.read_json('hidden/n.json')", "hidden/n.json"),
    "pandas_parquet": ("pd.read_parquet('hidden/n.parquet')", "read_parquet"),
    "pyarrow_table": ("pq.read_table('hidden/n.parquet')", "read_table"),
    "pyarrow_dataset": ("pa.dataset.dataset('hidden/n.parquet').to_table()", "dataset"),
    "pyarrow_map": ("pa.memory_map('hidden/a.txt').read()", "memory_map"),
    "duckdb": ("duckdb.sql(\"select * from 'hidden/n.parquet'\").fetchall()", "duckdb"),
    "polars": ("pl.read_parquet('hidden/n.parquet')", "polars.read_parquet"),
    "polars_lazy": ("pl.scan_csv('hidden/n.csv').collect()", "polars.scan_csv"),
    "reader_by_computed_name": ("getattr(pq, 'read_' + 'table')('hidden/n.parquet')", "computed name"),
    "sqlite": ("sqlite3.connect('hidden/n.db').execute('select * from t').fetchall()", "hidden/n.db"),
    "sqlite_uri": (
        "sqlite3.connect('file:hidden/n.db?mode=ro', uri=True).execute('select * from t').fetchall()",
        "hidden/n.db",
    ),
    "zip": ("zipfile.ZipFile('hidden/n.zip').read('a')", "hidden/n.zip"),
    "linecache": ("linecache.getline('hidden/a.txt', 1)", "hidden/a.txt"),
    "package_data": ("pkgutil.get_data('packed', 'data.txt')", "packed/data.txt"),
    "resources": ("importlib.resources.files('packed').joinpath('data.txt').read_text()", "packed/data.txt"),
    "exec_of_a_file": (
        "space = {}; exec(open('hidden/code.txt').read(), space); found = space['made']",
        "hidden/code.txt",
    ),
    "remembered_by_another_step": ("remembered('hidden/a.txt')", "hidden/a.txt"),
    "remembered_again": ("remembered('hidden/a.txt')", "hidden/a.txt"),
    "missing": ("held(lambda: open('hidden/new.txt').read())", "hidden/new.txt"),
    "exists": ("os.path.exists('hidden/new.txt')", "hidden/new.txt"),
    "isfile": ("pathlib.Path('hidden/new.txt').is_file()", "hidden/new.txt"),
    "access": ("os.access('hidden/new.txt', os.R_OK)", "hidden/new.txt"),
    "imported_stat": ("held(lambda: stat('hidden/new.txt'))", "hidden/new.txt"),
    "size": ("os.path.getsize('hidden/a.txt')", "hidden/a.txt"),
    "glob": ("glob.glob('hidden/*.txt')", "hidden"),
    "pathlib_glob": ("list(pathlib.Path('hidden').rglob('*.txt'))", "hidden"),
    "listdir": ("os.listdir('hidden')", "hidden"),
    "scandir": ("[entry.name for entry in os.scandir('hidden')]", "hidden"),
    "scandir_sizes": ("[entry.stat().st_size for entry in os.scandir('sizes')]", "sizes"),
    "walk_kinds": ("list(os.walk('kinds'))", "kinds"),
    "modification_time": ("os.path.getmtime('hidden/t.txt')", "hidden/t.txt"),
    "modification_time_of_stat": ("os.stat('hidden/t.txt').st_mtime", "st_mtime"),
    "readlink": ("os.readlink('hidden/link')", "hidden/link"),
    "resolve": ("pathlib.Path('hidden/link').resolve()", "hidden/link"),
    "random_device": ("open('/dev/urandom', 'rb').read(4)", "/dev/urandom"),
    "process_file": ("open('/proc/self/stat').read()", "/proc/self/stat"),
    "by_ctypes": ("ctypes.CDLL(None).getppid()", "ctypes"),
}
VARIABLES = {
    "environ_item": ("os.environ['HIDDEN']", "HIDDEN"),
    "environ_get": ("environ.get('HIDDEN')", "HIDDEN"),
    "getenv": ("getenv('HIDDEN')", "HIDDEN"),
    "environ_in": ("'NEW' in os.environ", "NEW"),
    "environ_default": ("os.environ.setdefault('HIDDEN', '')", "HIDDEN"),
    "environ_loop": ("[name for name in os.environ]", "all environment variables"),
    "environ_copy": ("dict(os.environ)", "all environment variables"),
    "environ_items": ("list(os.environ.items())", "all environment variables"),
    "environ_length": ("len(os.environ)", "all environment variables"),
    "environ_union": ("os.environ | {}", "all environment variables"),
    "environb": ("os.environb[b'HIDDEN']", "HIDDEN"),
    "environb_loop": ("list(os.environb)", "all environment variables"),
    "getenvb": ("os.getenvb(b'HIDDEN')", "HIDDEN"),
    "expandvars": ("os.path.expandvars('$HIDDEN')", "HIDDEN"),
    "expanduser": ("os.path.expanduser('~')", "HOME"),
    "home": ("pathlib.Path.home()", "HOME"),
    "variable_remembered": ("remembered_too('HIDDEN')", "HIDDEN"),
    "variable_remembered_again": ("remembered_too('HIDDEN')", "HIDDEN"),
}
CLOCKS = {
    "time": ("time.time()", "time.time"),
    "imported_counter": ("perf_counter()", "perf_counter"),
    "gmtime": ("time.gmtime()", "time.gmtime"),
    "clock_gettime": ("time.clock_gettime(time.CLOCK_REALTIME)", "clock_gettime"),
    "now": ("datetime.datetime.now(datetime.UTC)", "datetime.now"),
    "today": ("datetime.date.today()", "date.today"),
    "pandas_now": ("pd.Timestamp('now')", "Timestamp"),
    "pandas_to_datetime": ("pd.to_datetime('today')", "to_datetime"),
    "numpy_now": ("np.datetime64('now')", "datetime64"),
    "clock_in_a_class": ("Clock.now()", "time.time"),
    "clock_in_a_partial": ("STAMP()", "time.strftime"),
    "clock_in_a_dict": ("MAKERS['id']()", "uuid4"),
    "clock_by_computed_name": ("getattr(time, 'ti' + 'me')()", "computed name"),
    "clock_of_an_unknown": ("[kind.now() for kind in datetime.datetime.__mro__[:1]]", ".now()"),
    "uuid1": ("uuid.uuid1()", "uuid1"),
}
RANDOM = {
    "random": ("random.random()", "random.random"),
    "seeded_by_nothing": ("random.seed(); found = random.random()", "random"),
    "seed_that_is_no_call": ("(seed, random.random())", "random.random"),
    "default_rng": ("np.random.default_rng().random()", "default_rng"),
    "rng_of_none": ("np.random.default_rng(None).random()", "default_rng"),
    "numpy_global": ("np.random.rand(2)", "rand"),
    "secrets": ("secrets.token_hex()", "secrets"),
    "uuid4": ("uuid.uuid4()", "uuid4"),
    "uuid4_by_default": ("Made().make()", "uuid4"),
    "urandom": ("os.urandom(4)", "urandom"),
    "sample": ("orders.sample(1)['id'].sum()", "sample"),
    "sample_by_computed_name": ("getattr(orders, 'sam' + 'ple')(1)['id'].sum()", "random"),
    "hash": ("hash('text')", "hash"),
    "order_of_a_set": ("list(set(orders['name']))", "order"),
    "loop_over_a_set": ("[name for name in {str(name) for name in orders['name']}]", "order"),
    "joined_set": ("','.join(set(orders['name']))", "order"),
    "id": ("id(orders)", "id()"),
}
OTHERS = {
    "socket": ("socket.socket().connect_ex(('127.0.0.1', 9))", "network"),
    "lookup": ("held(lambda: socket.gethostbyname('localhost'))", "network"),
    "urllib": ("held(lambda: urllib.request.urlopen('http://127.0.0.1:9/'))", "network"),
    "subprocess": ("subprocess.run(['true']).returncode", "program"),
    "os_system": ("os.system('true')", "program"),
    "popen": ("os.popen('true').read()", "program"),
    "thread_reads": ("in_thread(lambda: open('hidden/a.txt').read())", "hidden/a.txt"),
    "thread_takes_variable": ("in_thread(lambda: os.environ['HIDDEN'])", "HIDDEN"),
    "pool_reads": ("ThreadPoolExecutor(1).submit(pathlib.Path('hidden/a.txt').read_text).result()", "hidden/a.txt"),
    "pool_takes_the_time": ("ThreadPoolExecutor(1).submit(time.time).result()", "time.time"),
    "arguments": ("sys.argv", "sys.argv"),
    "import_path": ("sys.path[0]", "sys.path"),
    "interpreter": ("sys.executable", "sys.executable"),
    "process_id": ("os.getpid()", "getpid"),
    "user_name": ("getpass.getuser()", "USER"),
    "local_zone": ("time.mktime((2020, 1, 1, 0, 0, 0, 0, 1, 0))", "time zone"),
    "changes_a_value": ("shared.rates.update(a=2)", "shared.rates"),
    "takes_a_changed_value": ("shared.rates['a']", "shared.rates"),
    "changes_a_class": ("shared.Settings.rate = 2; found = 1", "shared.Settings"),
    "takes_a_changed_class": ("shared.Settings.rate", "shared.Settings"),
    "pandas_options": ("pd.set_option('display.precision', 2)", "pandas options"),
    "numpy_options": ("np.set_printoptions(precision=2)", "numpy options"),
    "decimal_context": ("decimal.getcontext().prec = 5; found = decimal.Decimal(1) / 3", "decimal context"),
    "locale_set": ("locale.setlocale(locale.LC_ALL, 'C')", "locale"),
    "directory": ("os.chdir('hidden')", "working directory"),
    "variable_set": ("os.environ['LEFT'] = '1'; found = 1", "environment variables"),
    "import_path_set": ("sys.path.append('hidden'); found = 1", "sys.path"),
}
STATEMENTS = {
    "sql_random": ("select *, random() as r from orders", "random"),
    "sql_uuid": ("select *, uuid() as r from orders", "uuid"),
    "sql_now": ("select *, now() as t from orders", "now"),
    "sql_current_timestamp": ("select *, current_timestamp as t from orders", "current_timestamp"),
    "sql_setting": ("select *, current_setting('threads') as t from orders", "current_setting"),
    "sql_sample": ("select * from orders using sample 1 rows", "sample"),
}
LEAKS = FILES | VARIABLES | CLOCKS | RANDOM | OTHERS

TIGHT = {
    "opens_what_rests": "open('resting.txt').read()",
    "lists_what_rests": "os.listdir('resting')",
    "takes_a_resting_variable": "os.environ.get('RESTING')",
    "looks_for_what_stays_away": "os.path.exists('resting/new')",
    "seeded": "np.random.default_rng(3).random()",
    "seeded_random": "random.seed(3); found = random.random()",
    "sample_with_a_seed": "orders.sample(1, random_state=3)['id'].sum()",
    "sorted_set": "sorted(set(orders['name']))",
    "member_of_a_set": "orders['name'].isin({'ann', 'bob'}).sum() + len(set(orders['name']))",
    "hash_of_a_class": "len({Plain(): 1})",
    "a_temporary_file": "tempfile.NamedTemporaryFile().write(b'x')",
    "a_pool": "sum(ThreadPoolExecutor(2).map(len, ['a', 'bb']))",
    "zone_and_time": "pd.Timestamp('2020-01-01', tz='Europe/Paris').isoformat()",
    "today_as_a_name": "orders.rename(columns={'id': 'today'})['today'].sum()",
    "current_folder": "pathlib.Path.cwd() == pathlib.Path('.').resolve()",
    "prints": "print('x', file=io.StringIO())",
    "sleeps": "time.sleep(0)",
    "locale": "locale.getlocale()",
    "imported_cpu_count": "cpu_count()",
    "cpu_count": "os.cpu_count()",
    "node": "platform.node()",
    "host": "socket.gethostname()",
    "user": "os.getuid()",
    "login": "held(os.getlogin)",
}


@dataclass(frozen=True)
class Leaking:
    """The project, and what a plan says of each step once everything hidden changed."""

    project: ProjectFolder
    plan: dict[str, dict[str, str]]


def function(name: str, found: str) -> str:
    *before, last = found.split("; ")
    is_assignment = bool(before) and last.startswith("found = ")
    lines = [*before, last if is_assignment else f"found = {last}"]
    if before and not is_assignment:
        lines = [*before, last, "found = 1"]
    body = "\n".join(lines)
    return (
        f"def take_{name}(orders):\n{textwrap.indent(body, '    ')}\n    return orders.assign(found=repr(found))\n\n\n"
    )


def make_files(project: ProjectFolder) -> None:
    project.write("orders.csv", "id,name\n1,ann\n2,bob\n")
    project.write("shared.py", SHARED)
    code = "".join(function(name, found) for name, (found, _) in LEAKS.items())
    code += "".join(function(name, found) for name, found in TIGHT.items())
    (project.root / "leaks.py").write_text(IMPORTS + code)
    steps = ["  - {name: orders, layer: bronze, read: {format: csv, path: orders.csv}}"]
    steps += [
        f'  - {{name: {name}, layer: silver, inputs: [orders], python: "leaks:take_{name}"}}' for name in LEAKS | TIGHT
    ]
    steps += [
        f'  - {{name: {name}, layer: silver, inputs: [orders], sql: "{sql}"}}' for name, (sql, _) in STATEMENTS.items()
    ]
    project.write("pipe.yaml", "name: pipe\nsteps:\n" + "\n".join(steps) + "\n")
    project.write("packed/__init__.py", "")
    project.write("packed/data.txt", "1")
    project.write("resting.txt", "1")
    project.write("resting/a.txt", "1")
    project.write("sizes/a.txt", "1")
    project.write("kinds/thing", "1")
    (project.root / "hidden").mkdir()
    (project.root / "hidden/link").symlink_to("a.txt")
    project.write("hidden/t.txt", "1")
    os.utime(project.root / "hidden/t.txt", (1, 1))
    change_files(project, 1)
    project.env |= {"HIDDEN": "1", "USER": "ann", "HOME": str(project.root), "RESTING": "1", "TZ": "UTC"}


def change_files(project: ProjectFolder, value: int) -> None:
    hidden = project.root / "hidden"
    frame = pd.DataFrame({"n": [value]})
    frame.to_csv(hidden / "n.csv", index=False)
    frame.to_json(hidden / "n.json")
    frame.to_parquet(hidden / "n.parquet")
    np.save(hidden / "n.npy", np.array([value]))
    (hidden / "n.db").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(hidden / "n.db")) as database, database:
        database.execute("create table t (n integer)")
        database.execute("insert into t values (?)", [value])
    with zipfile.ZipFile(hidden / "n.zip", "w") as archive:
        archive.writestr("a", str(value))
    (hidden / "a.txt").write_text("x" * value)
    (hidden / "code.txt").write_text(f"made = {value}")


def change_everything(project: ProjectFolder) -> None:
    change_files(project, 2)
    project.write("hidden/new.txt", "2")
    os.utime(project.root / "hidden/t.txt", (2, 2))
    (project.root / "hidden/link").unlink()
    (project.root / "hidden/link").symlink_to("t.txt")
    project.write("sizes/a.txt", "12")
    (project.root / "kinds/thing").unlink()
    (project.root / "kinds/thing").mkdir()
    project.write("packed/data.txt", "2")
    project.env |= {"HIDDEN": "2", "NEW": "", "USER": "bob", "HOME": str(project.root / "hidden"), "TZ": "Asia/Tokyo"}


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Leaking:
    project = ProjectFolder(tmp_path_factory.mktemp("leaks"), zygote)
    make_files(project)
    answer = project.oda("run", "pipe.yaml", "--json")
    assert answer.status == 0, [(step["name"], step["error"]) for step in answer.json["steps"] if step["error"]]
    change_everything(project)
    return Leaking(project, project.plan())


@pytest.mark.parametrize("name", [*LEAKS, *STATEMENTS])
def test_a_leak_is_not_reused_and_is_named(leaking: Leaking, name: str) -> None:
    step = leaking.plan[name]
    word = (LEAKS | STATEMENTS)[name][1]
    assert (step["outcome"], word in step["reason"]) == ("miss", True), step["reason"]


@pytest.mark.parametrize("name", TIGHT)
def test_what_leaks_nothing_is_reused(leaking: Leaking, name: str) -> None:
    assert leaking.plan[name]["outcome"] == "hit", leaking.plan[name]["reason"]


def test_a_home_of_dagster_that_is_the_project_hides_none_of_its_files(project: ProjectFolder) -> None:
    project.env["DAGSTER_HOME"] = str(project.root)
    project.write("dagster_home/dagster.yaml", "")
    project.write("orders.csv", "id\n1\n")
    project.write("hidden.txt", "1")
    project.write("leaks.py", "def opens(orders):\n    return orders.assign(x=open('hidden.txt').read())\n")
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: orders, layer: bronze, read: {format: csv, path: orders.csv}}
          - {name: opens, layer: silver, inputs: [orders], python: "leaks:opens"}
        """,
    )
    project.run()
    assert set(project.outcomes().values()) == {"cached"}
    project.write("hidden.txt", "2")
    assert project.plan()["opens"]["reason"] == "hidden.txt, which the step opens, changed"
