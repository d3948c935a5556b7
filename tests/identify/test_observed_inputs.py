"""What a step is seen to read becomes part of its trace, which stops holding when any of it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses


def watched(root: Path, body: str, change: str = "") -> Any:
    """Run a body under a recorder; what it read, what stands against reuse, which observations hold after a change."""
    import os
    import textwrap

    from odibi_assets.identify.observation import Observation
    from odibi_assets.identify.observed_inputs import observed
    from odibi_assets.identify.observing import unobserved
    from odibi_assets.identify.recorder import Recorder

    os.chdir(root)
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "a.csv").write_text("x\n1\n")
    (root / "data" / "b.csv").write_text("x\n2\n")
    os.environ["REGION"] = "north"
    (root / "link").symlink_to("data/a.csv")
    prepare = "import os, pathlib, tempfile, threading, warnings; import pandas as pd\n"
    (root / "steps.py").write_text(prepare + "def step():\n" + textwrap.indent(body or "pass", "    ") + "\n")
    namespace: dict[str, Any] = {}
    exec(compile((root / "steps.py").read_text(), str(root / "steps.py"), "exec"), namespace)
    recorder = Recorder(root, (str(root / ".oda"),))
    with observed(recorder):
        namespace["step"]()
    with unobserved():
        env = dict(os.environ)
    trace = recorder.finish(bytes(32), env)
    held = [one.holds(root, bytes(32), env) for one in trace]
    exec(prepare + change)
    holds = [Observation.from_json(one.to_json()).holds(root, bytes(32), dict(os.environ)) for one in trace]
    return {
        "seen": [[one.kind, one.name] for one in trace],
        "held": all(held),
        "broken": [[one.kind, one.name] for one, held in zip(trace, holds, strict=True) if not held],
        "obstacles": recorder.obstacles,
        "reasons": [one.describe() for one in trace],
    }


CHANGED_A = "open('data/a.csv', 'w').write('x\\n9\\n')"
# body, what it is seen to read, a change after it that must break exactly one observation
READS: dict[str, tuple[str, list[list[str]], str, list[str]]] = {
    "open": ("open('data/a.csv').read()", [["file", "data/a.csv"]], CHANGED_A, ["file", "data/a.csv"]),
    "open by absolute path": (
        "open(os.path.abspath('data/a.csv')).read()",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "open in binary": ("open('data/a.csv', 'rb').read()", [["file", "data/a.csv"]], CHANGED_A, ["file", "data/a.csv"]),
    "os.open": (
        "os.read(os.open('data/a.csv', os.O_RDONLY), 9)",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "pathlib": ("pathlib.Path('data/a.csv').read_text()", [["file", "data/a.csv"]], CHANGED_A, ["file", "data/a.csv"]),
    "pandas": ("pd.read_csv('data/a.csv')", [["file", "data/a.csv"]], CHANGED_A, ["file", "data/a.csv"]),
    "numpy": (
        "import numpy; numpy.loadtxt('data/a.csv', skiprows=1)",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "a file that is deleted after": (
        "open('data/a.csv').read()",
        [["file", "data/a.csv"]],
        "os.remove('data/a.csv')",
        ["file", "data/a.csv"],
    ),
    "a thread": (
        "t = threading.Thread(target=lambda: open('data/a.csv').read()); t.start(); t.join()",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n    pool.submit(open, 'data/a.csv').result().read()",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "another working directory": (
        "os.chdir('data')\nopen('a.csv').read()\nos.chdir('..')",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "a missing file looked for": (
        "os.path.exists('data/c.csv')",
        [["missing", "data/c.csv"]],
        "open('data/c.csv', 'w')",
        ["missing", "data/c.csv"],
    ),
    "a missing file looked for by pathlib": (
        "pathlib.Path('data/c.csv').is_file()",
        [["missing", "data/c.csv"]],
        "open('data/c.csv', 'w')",
        ["missing", "data/c.csv"],
    ),
    "a missing file opened": (
        "try:\n    open('data/c.csv')\nexcept OSError:\n    pass",
        [["missing", "data/c.csv"]],
        "open('data/c.csv', 'w')",
        ["missing", "data/c.csv"],
    ),
    "a missing folder": ("os.path.isdir('more')", [["missing", "more"]], "os.mkdir('more')", ["missing", "more"]),
    "os.access of a missing file": (
        "os.access('data/c.csv', os.R_OK)",
        [["missing", "data/c.csv"]],
        "open('data/c.csv', 'w')",
        ["missing", "data/c.csv"],
    ),
    "a file that exists, looked for": (
        "os.path.exists('data/a.csv')",
        [["present", "data/a.csv"]],
        "os.remove('data/a.csv')",
        ["present", "data/a.csv"],
    ),
    "the size of a file": (
        "os.path.getsize('data/a.csv')",
        [["present", "data/a.csv"]],
        "open('data/a.csv', 'a').write('3')",
        ["present", "data/a.csv"],
    ),
    "a folder that exists, looked for": (
        "os.path.isdir('data')",
        [["present", "data"]],
        "os.rename('data', 'moved')",
        ["present", "data"],
    ),
    "a listing": ("os.listdir('data')", [["folder", "data"]], "open('data/c.csv', 'w')", ["folder", "data"]),
    "a listing by pathlib": (
        "list(pathlib.Path('data').iterdir())",
        [["folder", "data"]],
        "os.remove('data/b.csv')",
        ["folder", "data"],
    ),
    "os.walk": ("list(os.walk('data'))", [["folder", "data"]], "os.mkdir('data/sub')", ["folder", "data"]),
    "the current folder": ("os.listdir()", [["folder", "."]], "open('new', 'w')", ["folder", "."]),
    "a variable": (
        "os.environ.get('REGION')",
        [["variable", "REGION"]],
        "os.environ['REGION'] = 'south'",
        ["variable", "REGION"],
    ),
    "os.getenv": ("os.getenv('REGION')", [["variable", "REGION"]], "del os.environ['REGION']", ["variable", "REGION"]),
    "a variable in bytes": (
        "os.environb.get(b'REGION')",
        [["variable", "REGION"]],
        "os.environ['REGION'] = 'south'",
        ["variable", "REGION"],
    ),
    "a variable looked for": (
        "'ABSENT' in os.environ",
        [["variable", "ABSENT"]],
        "os.environ['ABSENT'] = ''",
        ["variable", "ABSENT"],
    ),
    "a variable with a default": (
        "os.environ.get('ABSENT', '1')",
        [["variable", "ABSENT"]],
        "os.environ['ABSENT'] = '1'",
        ["variable", "ABSENT"],
    ),
    "a variable in a path": (
        "os.path.expandvars('$REGION/x')",
        [["variable", "REGION"]],
        "os.environ['REGION'] = 'south'",
        ["variable", "REGION"],
    ),
    "the sizes of what a folder holds": (
        "[entry.stat().st_size for entry in os.scandir('data')]",
        [["entries", "data"]],
        "open('data/a.csv', 'a').write('3')",
        ["entries", "data"],
    ),
    "the kinds of what a folder holds": (
        "list(os.walk('data'))",
        [["folder", "data"]],
        "os.remove('data/a.csv'); os.mkdir('data/a.csv')",
        ["folder", "data"],
    ),
    "when a file was modified": (
        "os.path.getmtime('data/a.csv')",
        [["time", "data/a.csv"], ["present", "data/a.csv"]],
        "os.utime('data/a.csv', (1, 1))",
        ["time", "data/a.csv"],
    ),
    "where a link leads": (
        "os.readlink('link')",
        [["link", "link"]],
        "os.remove('link'); os.symlink('data/b.csv', 'link')",
        ["link", "link"],
    ),
    "a line, as warnings read it": (
        "import linecache; linecache.getline('data/a.csv', 1)",
        [["file", "data/a.csv"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
    "a database by its URI": (
        "import sqlite3; sqlite3.connect('file:data/a.csv?mode=ro', uri=True).close()",
        [["file", "data/a.csv"], ["missing", "data/a.csv-wal"]],
        "open('data/a.csv-wal', 'w')",
        ["missing", "data/a.csv-wal"],
    ),
    "a database": (
        "import sqlite3; sqlite3.connect('data/a.csv').close()",
        [["file", "data/a.csv"], ["missing", "data/a.csv-wal"]],
        CHANGED_A,
        ["file", "data/a.csv"],
    ),
}


@pytest.mark.parametrize("case", READS, ids=list(READS))
def test_what_is_read_is_observed_and_its_change_is_noticed(case: str, children: ChildProcesses, root: Path) -> None:
    body, seen, change, broken = READS[case]
    found = children.run(watched, root, body, change)
    assert found["seen"] == seen
    assert found["held"]
    assert found["broken"] == [broken]
    assert found["obstacles"] == {}


def test_a_glob_observes_the_listing_and_the_files_it_opens(children: ChildProcesses, root: Path) -> None:
    body = "import glob\nfor path in glob.glob('data/*.csv'):\n    pd.read_csv(path)"
    found = children.run(watched, root, body, "open('data/c.csv', 'w')")
    assert [seen for seen in found["seen"] if seen[0] != "present"] == [
        ["file", "data/a.csv"],
        ["file", "data/b.csv"],
        ["folder", "data"],
    ]
    assert ["folder", "data"] in found["broken"]


NOT_READ = {
    "nothing": "pass",
    "a temporary file": "with tempfile.NamedTemporaryFile() as f:\n    f.write(b'x'); f.flush(); open(f.name).read()",
    "a temporary folder": (
        "with tempfile.TemporaryDirectory() as folder:\n    open(folder + '/x', 'w').write('1')\n"
        "    open(folder + '/x').read(); os.listdir(folder); os.path.exists(folder + '/y')"
    ),
    "a file it wrote before": "open('out.csv', 'w').write('1'); open('out.csv').read()",
    "a file it only writes": "open('data/a.csv', 'w').write('1')",
    "a file it only appends to": "open('data/a.csv', 'a').write('1')",
    "a folder it makes": "os.makedirs('out/deep', exist_ok=True); open('out/deep/x', 'w').write('1')",
    "a file looked for, then written": "if not os.path.exists('o'):\n    open('o', 'w').write('1')\nopen('o').read()",
    "a file written aside and renamed": (
        "os.path.exists('out')\nopen('.out', 'w').write('1')\nos.replace('.out', 'out')\nopen('out').read()"
    ),
    "the interpreter": "import colorsys; open(os.__file__).read()",
    "a distribution": "open(pd.__file__).read(); os.path.exists(pd.__file__)",
    "a device": "open('/dev/null').read()",
    "what is ignored": "os.makedirs('.oda', exist_ok=True); open('.oda/x', 'w').write('1'); os.listdir('.oda')",
    "the text of a line that a warning shows": "warnings.warn('look here')",
    "the text of a line that a traceback shows": (
        "import traceback\ntry:\n    raise ValueError\nexcept ValueError:\n    traceback.format_exc()"
    ),
    "the folders above the project": "pathlib.Path('.').resolve(); os.path.isdir('..'); os.path.isdir('/')",
    "the version of a distribution": "import importlib.metadata; importlib.metadata.version('pandas')",
    "an import of one's own": "import sys; sys.path.insert(0, os.getcwd()); import steps",
    "a database in memory": "import sqlite3; sqlite3.connect(':memory:').execute('select 1')",
    "a variable that is set": "os.environ['SET_BY_STEP'] = '1'",
    "formatting a frame": "repr(pd.DataFrame({'a': [1, 2]}))",
}


@pytest.mark.parametrize("case", NOT_READ, ids=list(NOT_READ))
def test_what_is_no_input_is_not_observed(case: str, children: ChildProcesses, root: Path) -> None:
    found = children.run(watched, root, NOT_READ[case])
    # Python's choice of a temporary folder is no data.
    assert [seen for seen in found["seen"] if seen[1] not in ("TMPDIR", "TEMP", "TMP", "/tmp")] == []
    assert found["held"]
    assert found["obstacles"] == {}


OBSTACLES = {
    "a socket": ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "network"),
    "an address looked up": (
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept OSError:\n    pass",
        "network",
    ),
    "a host looked up": (
        "import socket\ntry:\n    socket.gethostbyname('localhost')\nexcept OSError:\n    pass",
        "network",
    ),
    "the count of variables": ("len(os.environ)", "variables"),
    "a random device": ("open('/dev/urandom', 'rb').read(1)", "random"),
    "what the kernel says of a process": ("open('/proc/self/stat').read()", "process"),
    "when a file was changed": ("os.path.getctime('data/a.csv')", "clock"),
    "a datagram": (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "network",
    ),
    "a subprocess": ("import subprocess; subprocess.run(['true'])", "subprocess"),
    "os.system": ("os.system('true')", "subprocess"),
    "a process that is spawned": (
        "import multiprocessing\nprocess = multiprocessing.get_context('spawn').Process(target=len, args=('',))\n"
        "process.start()\nprocess.join()",
        "subprocess",
    ),
    "a fork": ("pid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)", "subprocess"),
    "all variables at once": ("dict(os.environ)", "variables"),
    "a copy of all variables": ("os.environ.copy()", "variables"),
    "all variables in turn": ("[value for value in os.environ.values()]", "variables"),
    "a file read and then written": ("open('data/a.csv').read(); open('data/a.csv', 'w').write('1')", "write"),
    "a file read and then appended to": ("open('data/a.csv').read(); open('data/a.csv', 'a').write('1')", "write"),
    "a file opened for both": ("open('data/a.csv', 'r+').write('1')", "write"),
    "a file opened for appending and reading": ("open('data/a.csv', 'a+').write('1')", "write"),
    "a file read and then replaced": (
        "open('data/a.csv').read()\nopen('x', 'w').write('1')\nos.replace('x', 'data/a.csv')",
        "write",
    ),
    "a file that is moved away": ("os.rename('data/a.csv', 'data/done.csv')", "write"),
    "a file read and then removed": ("open('data/a.csv').read(); os.remove('data/a.csv')", "write"),
    "a file that grows while it is read": ("f = open('data/a.csv'); f.read(); os.truncate('data/a.csv', 1)", "write"),
}


@pytest.mark.parametrize("case", OBSTACLES, ids=list(OBSTACLES))
def test_what_no_trace_can_hold_is_an_obstacle(case: str, children: ChildProcesses, root: Path) -> None:
    body, kind = OBSTACLES[case]
    assert kind in children.run(watched, root, body)["obstacles"]


def test_a_program_that_is_started_is_named(children: ChildProcesses, root: Path) -> None:
    found = children.run(watched, root, "import subprocess; subprocess.run(['lscpu'], capture_output=True)")
    assert found["obstacles"] == {"subprocess": "it starts another program, lscpu"}


def test_what_a_library_asks_of_the_machine_by_a_program_is_a_fact(children: ChildProcesses, root: Path) -> None:
    found = children.run(watched, root, "import platform; platform.uname().processor")
    assert ["machine", "platform"] in found["seen"]
    assert found["obstacles"] == {}


def test_an_observation_says_what_broke_it(children: ChildProcesses, root: Path) -> None:
    body = "open('data/a.csv').read(); os.listdir('data'); os.path.exists('c')\n"
    body += "os.environ.get('REGION'); os.path.exists('steps.py')"
    assert children.run(watched, root, body)["reasons"] == [
        "data/a.csv, which the step opens, changed",
        "the listing of data, which the step reads, changed",
        "steps.py, which the step looks for, is no longer what it was",
        "c, which the step looks for, exists now",
        "the environment variable REGION, which the step reads, changed",
    ]


def test_the_value_of_a_variable_is_not_in_the_trace(children: ChildProcesses, root: Path) -> None:
    def trace(root: Path) -> Any:
        import os

        from odibi_assets.identify.observed_inputs import observed
        from odibi_assets.identify.recorder import Recorder

        os.environ["TOKEN"] = "hunter2"
        recorder = Recorder(root)
        with observed(recorder):
            os.environ.get("TOKEN")
        one, other = (recorder.finish(salt, {"TOKEN": "hunter2"})[0] for salt in (bytes(32), b"1" * 32))
        return [one.to_json(), other.to_json()]

    one, other = children.run(trace, root)
    assert one[2] != other[2]
    assert "hunter2" not in str(one)


def test_a_project_within_the_folders_of_the_system_is_no_system(children: ChildProcesses, root: Path) -> None:
    def reads(root: Path) -> Any:
        from odibi_assets.identify import recorder as room
        from odibi_assets.identify.observed_inputs import observed

        (root / "x").write_text("1")
        (root / ".venv").mkdir()
        (root / ".venv/y").write_text("1")
        room.uncounted_folders = lambda: (f"{root.parent}/", f"{root}/.venv/")  # type: ignore[assignment]
        recorder = room.Recorder(root)
        with observed(recorder):
            (root / "x").read_text()
            (root / ".venv/y").read_text()
        return [one.name for one in recorder.finish(bytes(32), {})]

    assert children.run(reads, root) == ["x"]


def test_a_folder_that_is_ignored_takes_no_neighbour_with_it_nor_the_project_in_it() -> None:
    from odibi_assets.identify.recorder import Recorder

    recorder = Recorder(Path("/projects/shop"), ("/projects/shop/.oda", "/projects/shop"))
    assert recorder.path("/projects/shop/.oda/format.json") is None
    assert recorder.path("/projects/shop/history/runs.db") is None
    for name in (".oda_settings", "historical/a.csv", "data.csv"):
        assert recorder.path(f"/projects/shop/{name}") == f"/projects/shop/{name}"


def test_settings_of_an_application_count_and_those_of_the_system_do_not() -> None:
    from odibi_assets.identify.recorder import Recorder

    recorder = Recorder(Path("/nowhere"))
    assert recorder.path("/etc/shop/settings.ini") == "/etc/shop/settings.ini"
    assert recorder.path("/usr/src/shop/data.csv") == "/usr/src/shop/data.csv"
    assert [recorder.path(f"/etc/{name}") for name in ("localtime", "mime.types", "ssl/certs/x.pem")] == [None] * 3


def test_two_steps_at_once_are_told_apart(children: ChildProcesses, root: Path) -> None:
    def both(root: Path) -> Any:
        import contextvars
        import threading

        from odibi_assets.identify.observed_inputs import observed
        from odibi_assets.identify.recorder import Recorder

        barrier = threading.Barrier(2)
        seen = {}

        def step(name: str) -> None:
            (root / name).write_text(name)
            recorder = Recorder(root)
            with observed(recorder):
                barrier.wait()
                (root / name).read_text()
                barrier.wait()
            seen[name] = [one.name for one in recorder.finish(bytes(32), {})]

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(step, name)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return seen

    assert children.run(both, root) == {"a": ["a"], "b": ["b"]}


def test_a_step_that_is_about_to_begin_adds_nothing_to_one_that_runs(children: ChildProcesses, root: Path) -> None:
    def begins(root: Path) -> Any:
        import threading

        from odibi_assets.identify.observed_inputs import observed
        from odibi_assets.identify.recorder import Recorder
        from odibi_assets.identify.uncounted import uncounted_folders

        recorder = Recorder(root)
        with observed(recorder):
            uncounted_folders.cache_clear()
            other = threading.Thread(target=Recorder, args=(root,))
            other.start()
            other.join()
        return [one.name for one in recorder.finish(bytes(32), {})]

    assert children.run(begins, root) == []


def test_no_step_begins_to_read_before_reads_are_seen(children: ChildProcesses, root: Path) -> None:
    def begins(root: Path) -> Any:
        import sys
        import threading

        from odibi_assets.identify.observed_inputs import observed
        from odibi_assets.identify.recorder import Recorder

        (root / "x").write_text("1")
        install, recorder = sys.addaudithook, Recorder(root)

        def step() -> None:
            with observed(recorder):
                (root / "x").read_text()

        other = threading.Thread(target=step)

        def slowly(hook: Any) -> None:
            other.start()
            other.join(0.3)  # time enough to read, for whoever does not wait
            install(hook)

        sys.addaudithook = slowly
        with observed(Recorder(root)):
            other.join()
        return [one.name for one in recorder.finish(bytes(32), {})]

    assert children.run(begins, root) == ["x"]


def test_reads_inside_unobserved_and_after_the_end_are_nobodys(children: ChildProcesses, root: Path) -> None:
    def reads(root: Path) -> Any:
        from odibi_assets.identify.observed_inputs import observed
        from odibi_assets.identify.observing import unobserved
        from odibi_assets.identify.recorder import Recorder

        (root / "x").write_text("1")
        recorder = Recorder(root)
        with observed(recorder), unobserved():
            (root / "x").read_text()
        (root / "x").read_text()
        return len(recorder.finish(bytes(32), {}))

    assert children.run(reads, root) == 0
