"""A witness holds while nothing changed that the imports rested on, and whatever changed voids it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

FILES = {
    "pipe.yaml": """
        name: shop
        steps:
          - name: orders
            layer: bronze
            read: {format: csv, path: data/orders.csv}
          - name: clean
            layer: silver
            inputs: [orders]
            python: steps.transforms:clean
          - name: total
            layer: gold
            inputs: [clean]
            sql: {file: total.sql}
        """,
    "total.sql": "select sum(amount) as total from clean",
    "data/orders.csv": "amount\n1\n2\n",
    "config/limits.json": "{}",
    "pyproject.toml": "[project]\nname = 'shop'\n",
    "more/space/rules.py": "RATE = 1\n",
    "space/other.py": "",
    "steps/__init__.py": "",
    "steps/transforms.py": """
        import os
        import sys
        from pathlib import Path

        import helper

        sys.path.append(str(Path(__file__).parents[1] / "more"))
        import space.rules

        ROOT = Path(__file__).parents[1]
        LIMITS = (ROOT / "config" / "limits.json").read_text()
        NAMES = [path for path in os.listdir(ROOT / "config")]
        REGION = os.environ["REGION"] if "REGION" in os.environ else "none"
        EXTRA = (ROOT / "extra.json").exists()


        def clean(orders):
            return helper.double(orders)
        """,
    "helper.py": """
        def double(frame):
            return frame * 2
        """,
}


def write_project(root: Path, files: dict[str, str] | None = None) -> None:
    for name, text in {**FILES, **(files or {})}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def identified(root: Path, reference: str = "pipe.yaml") -> Any:
    """Import and identify, as a process does that finds no witness; the keys of the steps."""
    from odibi_assets.declare.overrides import Overrides
    from odibi_assets.declare.project import Project
    from odibi_assets.identify.witnessed import find_and_identify

    _, found = find_and_identify(Project(root), reference, Overrides())
    return {step.name: str(step.key.digest()) for step in found.identity.steps}


def witnessed(root: Path, reference: str = "pipe.yaml") -> Any:
    """The keys as a witness gives them, or None where none holds."""
    from odibi_assets.declare.overrides import Overrides
    from odibi_assets.declare.project import Project
    from odibi_assets.identify.witness import load_witness

    witness = load_witness(Project(root), reference, Overrides().to_json())
    return witness and {step.name: str(step.key.digest()) for step in witness.identity.steps}


def test_a_witness_holds_while_nothing_changed(children: ChildProcesses, root: Path) -> None:
    write_project(root)
    assert children.run(witnessed, root) is None
    keys = children.run(identified, root)
    assert children.run(witnessed, root) == keys
    assert children.run(witnessed, root) == keys


def test_a_pipeline_named_by_its_name_has_a_witness_too(children: ChildProcesses, root: Path) -> None:
    write_project(root)
    keys = children.run(identified, root, "shop")
    assert children.run(witnessed, root, "shop") == keys
    assert children.run(witnessed, root, "pipe.yaml") is None


HARMLESS: dict[str, Callable[[Path], object]] = {
    "data": lambda root: (root / "data/orders.csv").write_text("amount\n5\n"),
    "more data": lambda root: (root / "data/more.csv").write_text("x"),
    "times": lambda root: [os.utime(path, (0, 0)) for path in root.rglob("*") if path.is_file()],
    "files rewritten as they were": lambda root: [p.write_bytes(p.read_bytes()) for p in root.rglob("*.py")],
    "bytecode gone": lambda root: [shutil.rmtree(path) for path in root.rglob("__pycache__")],
    "a text file at the root": lambda root: (root / "notes.txt").write_text("x"),
    "a folder without source": lambda root: (root / "out").mkdir(),
}


@pytest.mark.parametrize("case", HARMLESS, ids=list(HARMLESS))
def test_what_no_import_rests_on_leaves_it_standing(case: str, children: ChildProcesses, root: Path) -> None:
    write_project(root)
    keys = children.run(identified, root)
    HARMLESS[case](root)
    assert children.run(witnessed, root) == keys


def append(name: str, text: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write(text)

    return change


VOIDING: dict[str, Callable[[Path], object]] = {
    "a byte of the YAML": append("pipe.yaml", "# x\n"),
    "a byte of the module": append("steps/transforms.py", "# x\n"),
    "a byte of a helper": append("helper.py", "\n"),
    "a byte of a package's first file": append("steps/__init__.py", "\n"),
    "a byte of the SQL file": append("total.sql", " "),
    "pyproject": append("pyproject.toml", "# x\n"),
    "a module gone": lambda root: (root / "helper.py").unlink(),
    "a module at the root that shadows a library": append("pandas.py", ""),
    "a package at the root that shadows a module": append("helper/__init__.py", ""),
    "a package at the root that shadows a library": append("pandas/__init__.py", ""),
    "a module beside a step's": append("steps/helper.py", ""),
    "a compiled extension": append("helper.so", ""),
    "bytecode without source": append("helper.pyc", ""),
    "a package of compiled modules": append("pandas/core.so", ""),
    "a distribution at the root": lambda root: (root / "pandas-9.9.dist-info").mkdir(),
    "a module before another of a namespace package": append("space/rules.py", ""),
    "another pipeline file": append("other.yaml", "name: shop\nsteps: []\n"),
    "a file that the import read": append("config/limits.json", " "),
    "a listing that the import read": append("config/more.json", "{}"),
    "a file that the import looked for": append("extra.json", "{}"),
    "a SQL file gone": lambda root: (root / "total.sql").unlink(),
    "the witness itself damaged": lambda root: [p.write_text("{") for p in (root / ".oda/local/witness").iterdir()],
    "the witness of another version": lambda root: [
        p.write_text(json.dumps({**json.loads(p.read_text()), "v": 999}))
        for p in (root / ".oda/local/witness").iterdir()
    ],
}


@pytest.mark.parametrize("case", VOIDING, ids=list(VOIDING))
def test_whatever_an_import_rests_on_voids_it(case: str, children: ChildProcesses, root: Path) -> None:
    write_project(root)
    assert children.run(identified, root)
    VOIDING[case](root)
    assert children.run(witnessed, root) is None


@pytest.mark.parametrize(
    ("before", "after"), [({}, {"REGION": "x"}), ({"REGION": "x"}, {"REGION": "y"}), ({"REGION": "x"}, {})]
)
def test_a_variable_that_the_import_read_voids_it(
    children: ChildProcesses, root: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    write_project(root)
    keys = children.run(identified, root, env=before)
    assert children.run(witnessed, root, env={**before, "UNRELATED": "1"}) == keys
    assert children.run(witnessed, root, env=after) is None


def test_a_variable_of_a_template_is_no_matter_of_the_witness(children: ChildProcesses, root: Path) -> None:
    write_project(root, {"pipe.yaml": FILES["pipe.yaml"].replace("data/orders.csv", "'data/{{ env.DAY }}.csv'")})
    keys = children.run(identified, root, env={"DAY": "1"})
    assert children.run(witnessed, root, env={"DAY": "2"}) == keys


def test_another_import_path_voids_it(children: ChildProcesses, root: Path) -> None:
    write_project(root)
    assert children.run(identified, root)
    assert children.run(witnessed, root, env={"PYTHONPATH": str(root / "elsewhere")}) is None


def test_a_module_in_a_folder_of_the_import_path_voids_it(children: ChildProcesses, root: Path) -> None:
    write_project(root)
    (root / "elsewhere").mkdir()
    env = {"PYTHONPATH": str(root / "elsewhere")}
    assert children.run(identified, root, env=env) == children.run(witnessed, root, env=env)
    (root / "elsewhere" / "pyarrow.py").touch()
    assert children.run(witnessed, root, env=env) is None


def through(root: Path, probe: str, machine: dict[str, Any]) -> Any:
    """The same with a folder of installed distributions on the import path, and on another machine."""
    import platform
    import sys

    from odibi_assets.declare.overrides import Overrides
    from odibi_assets.declare.project import Project
    from odibi_assets.identify import witness
    from odibi_assets.identify.witnessed import find_and_identify

    sys.path.append(str(root / "site-packages"))
    if "python" in machine:
        platform.python_version = lambda: machine["python"]
    if "schema" in machine:
        witness.KEY_SCHEMA = machine["schema"]
    if probe == "identified":
        find_and_identify(Project(root), "pipe.yaml", Overrides())
    return witness.load_witness(Project(root), "pipe.yaml", Overrides().to_json()) is not None


def install(root: Path) -> None:
    for name in ("bought-1.0", "local-1.0"):
        append(f"site-packages/{name}.dist-info/RECORD", f"{name}.py,sha256=x,1\n")(root)
    append("site-packages/local-1.0.dist-info/direct_url.json", "{}")(root)
    append("site-packages/paths.pth", "/somewhere\n")(root)


INSTALLED: dict[str, tuple[Callable[[Path], object], bool]] = {
    "nothing": (lambda root: None, True),
    "the RECORD of one from an index, at the same version": (
        append("site-packages/bought-1.0.dist-info/RECORD", "x"),
        True,
    ),
    "the RECORD of one from a local path, at the same version": (
        append("site-packages/local-1.0.dist-info/RECORD", "x"),
        False,
    ),
    "another version": (
        lambda root: (root / "site-packages/bought-1.0.dist-info").rename(root / "site-packages/bought-2.0.dist-info"),
        False,
    ),
    "one more": (append("site-packages/more-1.0.dist-info/RECORD", ""), False),
    "a line of a path file": (append("site-packages/paths.pth", "/elsewhere\n"), False),
    "a path file more": (append("site-packages/more.pth", "/elsewhere\n"), False),
}


@pytest.mark.parametrize("case", INSTALLED)
def test_what_is_installed_is_part_of_it(case: str, children: ChildProcesses, root: Path) -> None:
    write_project(root)
    install(root)
    assert children.run(through, root, "identified", {})
    change, stands = INSTALLED[case]
    change(root)
    assert children.run(through, root, "witnessed", {}) is stands


@pytest.mark.parametrize("machine", [{"python": "3.11.99"}, {"schema": 99}], ids=["Python", "the key's schema"])
def test_the_machine_is_part_of_it(machine: dict[str, Any], children: ChildProcesses, root: Path) -> None:
    write_project(root)
    assert children.run(through, root, "identified", {})
    assert children.run(through, root, "witnessed", {})
    assert not children.run(through, root, "witnessed", machine)


def test_a_sql_file_that_comes_before_the_one_found_voids_it(children: ChildProcesses, root: Path) -> None:
    write_project(root, {"flows/pipe.yaml": FILES["pipe.yaml"]})
    keys = children.run(identified, root, "flows/pipe.yaml")
    assert children.run(witnessed, root, "flows/pipe.yaml") == keys
    (root / "flows" / "total.sql").write_text("select count(*) as total from clean")
    assert children.run(witnessed, root, "flows/pipe.yaml") is None


UNSOUND = {
    "a value from a call that may answer differently": (
        "import datetime\nTODAY = datetime.date.today()\ndef clean(orders):\n    return TODAY\n"
    ),
    "a value made of such a value": (
        "import datetime\nTODAY = datetime.date.today()\nYEAR = TODAY.year\ndef clean(orders):\n    return YEAR\n"
    ),
    "such a value of another module": "from clock import TODAY\ndef clean(orders):\n    return TODAY\n",
    "such a value of a class": (
        "import datetime\nclass Config:\n    today = datetime.date.today()\ndef clean(orders):\n    return Config\n"
    ),
    "such a value of a parameter": (
        "import datetime\ndef clean(orders, *, today=datetime.date.today()):\n    return today\n"
    ),
    "such a value in a closure": (
        "import datetime\ndef make(today):\n    return lambda orders: today\nclean = make(datetime.date.today())\n"
    ),
    "a statement that rests on the clock": (
        "import datetime\nimport decimal\nif datetime.date.today().year > 2020:\n    decimal.getcontext().prec = 9\n"
        "def clean(orders):\n    return 1\n"
    ),
    "an import that starts a program": "import subprocess\nsubprocess.run('true')\ndef clean(orders):\n    return 1\n",
    "an import that connects": (
        "import socket\nsocket.socket().connect_ex(('127.0.0.1', 9))\ndef clean(orders):\n    return 1\n"
    ),
    "an import that reads all variables": "import os\nALL = dict(os.environ)\ndef clean(orders):\n    return 1\n",
    "a file that was written after it was loaded": (
        "import helper\nwith open(helper.__file__, 'a') as file:\n    file.write('# later\\n')\n"
        "def clean(orders):\n    return helper\n"
    ),
    "a step that imports by computed names": (
        "import importlib\ndef clean(orders, *, kind='x'):\n    return importlib.import_module(kind).double(orders)\n"
    ),
}


@pytest.mark.parametrize("case", UNSOUND, ids=list(UNSOUND))
def test_there_is_no_witness_where_none_would_be_sound(case: str, children: ChildProcesses, root: Path) -> None:
    write_project(root)
    assert children.run(identified, root) == children.run(witnessed, root)
    (root / "clock.py").write_text("import datetime\nTODAY = datetime.date.today()\n")
    (root / "steps/transforms.py").write_text(UNSOUND[case])
    assert children.run(identified, root)
    assert list((root / ".oda/local/witness").iterdir()) == []


def test_there_is_none_where_python_itself_loaded_a_module_whose_bytecode_may_be_stale(
    children: ChildProcesses, root: Path
) -> None:
    def loaded_before(root: Path) -> Any:
        import importlib
        import sys

        from odibi_assets.declare.overrides import Overrides
        from odibi_assets.declare.project import Project
        from odibi_assets.identify.witnessed import find_and_identify

        sys.path.insert(0, str(root))
        importlib.import_module("helper")
        find_and_identify(Project(root), "pipe.yaml", Overrides())

    write_project(root)
    children.run(loaded_before, root)
    assert children.run(witnessed, root) is None
    children.run(identified, root)
    assert children.run(witnessed, root) is not None


def test_an_answer_that_differs_though_nothing_changed_voids_it_and_is_named(
    children: ChildProcesses, root: Path
) -> None:
    def doubts(root: Path) -> Any:
        from odibi_assets.declare.overrides import Overrides
        from odibi_assets.declare.project import Project
        from odibi_assets.identify.witnessed import find_and_identify

        return list(find_and_identify(Project(root), "pipe.yaml", Overrides())[1].identity.computed_values)

    write_project(root)
    # No hook sees this, and `get` is known to be harmless: only its coming out differently tells.
    append("steps/transforms.py", "\nSECRET = os.environ._data.get(b'UNSEEN')\n")(root)
    (root / "steps/transforms.py").write_text(
        (root / "steps/transforms.py").read_text().replace("helper.double(orders)", "helper.double(orders), SECRET")
    )
    for unseen in ("1", "2", "2", "1"):
        children.run(doubts, root, env={"UNSEEN": unseen})
    assert children.run(doubts, root) == ["steps.transforms.SECRET comes out differently at each import"]
    assert children.run(witnessed, root) is None
    append("helper.py", "# x\n")(root)
    assert children.run(doubts, root) == []
    assert children.run(witnessed, root) is not None


def test_a_value_from_such_a_call_that_no_step_reaches_is_no_matter(children: ChildProcesses, root: Path) -> None:
    write_project(root)
    append("steps/transforms.py", "\nimport datetime\nTODAY = datetime.date.today()\n")(root)
    assert children.run(identified, root) == children.run(witnessed, root)


def search_path(root: Path) -> Any:
    """Where the process that wrote the witness looks for modules; another one would not trust it."""
    import sys

    return sys.path


def test_a_plan_with_a_witness_imports_nothing_heavy_and_nothing_of_the_users(
    children: ChildProcesses, root: Path
) -> None:
    write_project(root)
    keys = children.run(identified, root)
    code = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from odibi_assets.cli.quick import answer

status = answer(["-C", sys.argv[1], "plan", "pipe.yaml", "--json"], 0.0)
print(json.dumps([status, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), json.dumps(children.run(search_path, root))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, loaded = json.loads(done.stderr)
    assert status == 0
    assert [step["name"] for step in json.loads(done.stdout)["steps"]] == list(keys)
    heavy = {"pandas", "numpy", "pyarrow", "duckdb", "dagster", "pydantic", "yaml", "typer", "rich", "steps", "helper"}
    heavy |= {"obstore", "boto3", "resources", "ssl", "http", "email", "concurrent", "multiprocessing"}
    assert heavy.isdisjoint(loaded)
