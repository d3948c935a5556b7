"""What is in a key and what is not, and when code need not be imported: truth.md, sections 1.9, 2 and 5."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote

from .shop import computed, make_shop

STEPS = """
    import pandas as pd


    def typed(orders, *, value=None, mapping=None, token=""):
        return orders.assign(x=str(value), y=str(mapping))


    def arrow(orders: pd.DataFrame):
        return orders


    def plain(orders):
        return orders


    def train(orders):
        import model

        return model.Model(2)


    def trained(orders):
        import model

        return {"rule": model.rule, "model": model.Model(3)}


    def predict(orders, model):
        return orders.assign(y=model.predict())


    def apply(orders, held):
        return orders.assign(y=held["rule"](1) + held["model"].predict())
    """
MODEL = """
    FACTOR = 10


    class Base:
        def predict(self):
            return self.n * FACTOR


    class Model(Base):
        def __init__(self, n):
            self.n = n


    def rule(x):
        return x + 1
    """
PIPELINE = """
    name: shop
    description: all of it
    steps:
      - {name: orders, layer: bronze, read: {format: csv, path: data/orders.csv}}
      - name: typed
        layer: silver
        inputs: [orders]
        python: steps:typed
        params: {value: 1, mapping: {a: x, b: y}, token: {secret: "{{ env.TOKEN }}"}}
      - name: templated
        layer: silver
        inputs: [orders]
        python: steps:typed
        params: {value: "{{ env.REGION }}"}
      - name: declared
        layer: silver
        inputs: [orders]
        python: steps:plain
        files: [config/a.txt]
        env: [SCALE]
      - {name: arrow, layer: silver, inputs: [orders], python: steps:arrow}
      - {name: sql, layer: silver, inputs: [orders], sql: select * from orders where amount > 1}
    """
ENV = {"TOKEN": "token-1-token", "REGION": "region-north", "SCALE": "scale-7"}

# rule and what is edited → file, old text, new text, the steps that must run
EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "2.1 a param": ("pipe.yaml", "value: 1,", "value: 2,", {"typed"}),
    "2.1 what a parameter is handed as": ("steps.py", "orders: pd.DataFrame", "orders: 'pa.Table'", {"arrow"}),
    "2.1 an option of the reader": (
        "pipe.yaml",
        "path: data/orders.csv}",
        "path: data/orders.csv, options: {nrows: 9}}",
        {"orders"},
    ),
    "2.1 a declared file": ("config/a.txt", "a", "b", {"declared"}),
    "2.1 which files are declared": ("pipe.yaml", "[config/a.txt]", "[config/a.txt, config/b.txt]", {"declared"}),
    "2.1 a setting that affects results": ("pipe.yaml", "sql: select", "deterministic: true, sql: select", {"sql"}),
    "2.1 the step's name": ("pipe.yaml", "name: declared", "name: renamed", {"renamed"}),
    "2.1 the params of attempts": (
        "pipe.yaml",
        "params: {value: 1,",
        "retry: {max_retries: 1, params: {value: [1, 2]}}\n    params: {",
        {"typed"},
    ),
    "2.2 the layer": ("pipe.yaml", "name: arrow, layer: silver", "name: arrow, layer: gold", set()),
    "2.2 the description": ("pipe.yaml", "description: all of it", "description: nothing", set()),
    "2.2 write copies": ("pipe.yaml", "sql: select", "write: {format: csv, path: out/x.csv}, sql: select", set()),
    "2.2 the schedule": ("pipe.yaml", "description:", "schedule: {cron: '0 6 * * *'}\ndescription:", set()),
    "2.2 alerts": ("pipe.yaml", "description:", "alerts: [{url: 'json://x', on: [run_failed]}]\ndescription:", set()),
    "2.2 retry": ("pipe.yaml", "description:", "retry: {max_retries: 3}\ndescription:", set()),
    "2.2 time-outs": ("pipe.yaml", "description:", "timeout: 60\nrun_timeout: 900\ndescription:", set()),
    "2.2 the checkpoint mode": ("pipe.yaml", "description:", "checkpoint: {mode: layer}\ndescription:", set()),
    "2.2 a path": ("pipe.yaml", "data/orders.csv", "data/same.csv", set()),
    "2.3 1 and '1' differ": ("pipe.yaml", "value: 1,", "value: '1',", {"typed"}),
    "2.3 1 and True differ": ("pipe.yaml", "value: 1,", "value: true,", {"typed"}),
    "2.3 1 and 1.0 differ": ("pipe.yaml", "value: 1,", "value: 1.0,", {"typed"}),
    "2.3 the order of step fields": (
        "pipe.yaml",
        "files: [config/a.txt]\n    env: [SCALE]",
        "env: [SCALE]\n    files: [config/a.txt]",
        set(),
    ),
    "2.3 the order of parameter names": (
        "pipe.yaml",
        "value: 1, mapping: {a: x, b: y}",
        "mapping: {a: x, b: y}, value: 1",
        set(),
    ),
    "2.3 the order inside a value": ("pipe.yaml", "{a: x, b: y}", "{b: y, a: x}", {"typed"}),
}
VARIABLES: dict[str, tuple[str, set[str]]] = {
    "2.4 a variable of a template": ("REGION", {"templated"}),
    "2.1 a declared variable": ("SCALE", {"declared"}),
    "2.4 a secret param": ("TOKEN", set()),
    "2.2 an unrelated variable": ("HOSTNAME", set()),
}


@pytest.fixture(scope="module")
def ran(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    project = ProjectFolder(tmp_path_factory.mktemp("keyed"), zygote, dict(ENV))
    project.write("pipe.yaml", PIPELINE.replace("    ", "", 1).replace("\n    ", "\n"))
    project.write("steps.py", STEPS)
    project.write("data/orders.csv", "id,amount\n1,1\n2,2\n")
    project.write("data/same.csv", "id,amount\n1,1\n2,2\n")
    project.write("config/a.txt", "a")
    project.write("config/b.txt", "b")
    project.write("duckdb-9.9.8.dist-info/METADATA", "Metadata-Version: 2.1\nName: duckdb\nVersion: 9.9.8\n")
    assert len(computed(project.outcomes())) == 6
    return project


@pytest.fixture
def edited(ran: ProjectFolder) -> Iterator[ProjectFolder]:
    """The project, whose files and variables are put back afterwards."""
    before = {path: path.read_bytes() for path in ran.root.rglob("*") if path.is_file() and ".oda" not in path.parts}
    yield ran
    for path, data in before.items():
        path.write_bytes(data)
    ran.env = dict(ENV)


def to_run(project: ProjectFolder) -> set[str]:
    return {name for name, step in project.plan().items() if step["outcome"] == "miss"}


@pytest.mark.parametrize("case", EDITS)
def test_what_is_in_the_key_runs_its_step_and_what_is_not_runs_nothing(case: str, edited: ProjectFolder) -> None:
    file, old, new, expected = EDITS[case]
    edited.edit(file, old, new)
    assert to_run(edited) == expected


@pytest.mark.parametrize("case", VARIABLES)
def test_a_variable_counts_where_it_is_taken(case: str, edited: ProjectFolder) -> None:
    name, expected = VARIABLES[case]
    edited.env[name] = "another-value"
    assert to_run(edited) == expected


def test_another_version_of_the_library_that_reads_the_data_counts(edited: ProjectFolder) -> None:
    """2.1: engine with the versions of the libraries that hold and read the data."""
    info = edited.root / "duckdb-9.9.8.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: duckdb\nVersion: 9.9.9\n")
    upgraded = info.rename(edited.root / "duckdb-9.9.9.dist-info")
    try:
        assert to_run(edited) == {"sql"}
    finally:
        upgraded.rename(info)


def test_no_value_of_a_variable_stands_in_the_store(ran: ProjectFolder) -> None:
    """2.4: secrets never enter in clear."""
    stored = b"".join(path.read_bytes() for path in (ran.root / ".oda").rglob("*") if path.is_file())
    # What a step returns is data: the region is in a column. It stands in no record.
    for value in (ENV["TOKEN"], ENV["SCALE"]):
        assert value.encode() not in stored
    for folder in ("results", "runs", "snapshots", "local"):
        records = b"".join(path.read_bytes() for path in (ran.root / ".oda" / folder).rglob("*") if path.is_file())
        assert ENV["REGION"].encode() not in records


def test_another_store_has_another_salt(ran: ProjectFolder, tmp_path: Path) -> None:
    """2.4: an HMAC with a random salt that is created with the store."""
    keys = {name: step["key"] for name, step in ran.plan().items()}
    ran.env["ODA_STORE"] = str(tmp_path / "other")
    try:
        ran.oda("run", "pipe.yaml", "--select", "orders")
        others = {name: step["key"] for name, step in ran.plan().items()}
    finally:
        del ran.env["ODA_STORE"]
    assert {name for name in keys if keys[name] != others[name]} == {"templated", "declared"}


def test_a_key_says_its_parts(ran: ProjectFolder) -> None:
    """2.5: a result keeps the components of its key, readable."""
    document = ran.oda("why", "pipe.yaml", "typed", "--json")
    assert document.status == 0, document.text
    records = [json.loads(path.read_text()) for path in (ran.root / ".oda" / "results").rglob("*") if path.is_file()]
    (key,) = [record["key"] for record in records if record.get("key", {}).get("step") == "typed"]
    assert key["params"]["value"]["shown"] == "1"
    assert key["code"]["steps.typed"]["place"].startswith("steps.py:")
    assert key["params"]["token"]["shown"] == "(secret)"


TRAVELLING = """
    name: shop
    steps:
      - {name: orders, layer: bronze, read: {format: csv, path: data/orders.csv}}
      - {name: model, layer: silver, inputs: [orders], python: "steps:train", outputs: {model: {format: pickle}}}
      - {name: held, layer: silver, inputs: [orders], python: "steps:trained", outputs: {held: {format: pickle}}}
      - {name: predicted, layer: gold, inputs: [orders, model], python: "steps:predict"}
      - {name: applied, layer: gold, inputs: [orders, held], python: "steps:apply"}
    """


@pytest.fixture
def travelling(project: ProjectFolder) -> ProjectFolder:
    project.write("pipe.yaml", TRAVELLING)
    project.write("steps.py", STEPS)
    project.write("model.py", MODEL)
    project.write("data/orders.csv", "id\n1\n")
    project.run()
    assert computed(project.outcomes()) == set()
    return project


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("self.n * FACTOR", "self.n * FACTOR + 1", {"predicted": 21, "applied": 33}),
        ("FACTOR = 10", "FACTOR = 100", {"predicted": 200, "applied": 302}),
        ("x + 1", "x + 5", {"predicted": 20, "applied": 36}),
    ],
    ids=["a base class", "a value that it reaches", "a function in a dict"],
)
def test_code_that_travels_in_data_runs_those_who_take_it(
    travelling: ProjectFolder, old: str, new: str, value: dict[str, int]
) -> None:
    """1.9: an object brings the fingerprint of its code with it, though the pickle's bytes are the same."""
    before = {name: travelling.data(name)[0]["y"] for name in value}
    travelling.edit("model.py", old, new)
    ran = computed(travelling.outcomes())
    assert {name: travelling.data(name)[0]["y"] for name in value} == value
    assert {name for name in value if before[name] != value[name]} <= ran
    assert "orders" not in ran


def test_code_that_travels_on_through_a_step_that_never_names_it(travelling: ProjectFolder) -> None:
    """1.9: the consumer of a consumer."""
    passing = (
        "  - {name: passed, layer: silver, inputs: [model], python: 'steps:passed', outputs: {m: {format: pickle}}}\n"
    )
    text = (
        (travelling.root / "pipe.yaml")
        .read_text()
        .replace("inputs: [orders, model]", "inputs: {orders: orders, model: passed}")
    )
    (travelling.root / "pipe.yaml").write_text(text + passing)
    travelling.write("steps.py", STEPS + "\n\n    def passed(model):\n        return {'m': model}\n")
    travelling.run()
    travelling.edit("model.py", "self.n * FACTOR", "self.n * FACTOR + 1")
    assert {"model", "passed", "predicted"} <= computed(travelling.outcomes())
    assert travelling.data("predicted")[0]["y"] == 21


INNOCENT = {
    "a comment": lambda project: project.edit("rules.py", "def floor", "# the lowest\ndef floor"),
    "a module that nobody imports": lambda project: project.write("other.py", "x = 1\n"),
    "a variable that the import reads and no step takes": lambda project: project.env.update(READ_ONLY_BY_IMPORT="2"),
    "a comment in the YAML": lambda project: project.edit("pipe.yaml", "name: shop", "# shop\nname: shop"),
}


LOGGING = """
    import os

    os.environ.get("READ_ONLY_BY_IMPORT")
    with open("imports.log", "a") as log:
        log.write("x")

"""


@pytest.mark.parametrize("case", INNOCENT)
def test_a_witness_that_fails_for_an_innocent_reason_costs_one_import_and_no_recompute(
    case: str, project: ProjectFolder
) -> None:
    """5: anything else: import and compare; an import is never by itself a recompute."""
    make_shop(project)
    # The import leaves a line: so it is seen how often there was one.
    project.write("rules.py", textwrap.dedent(LOGGING) + (project.root / "rules.py").read_text())
    project.run()
    imports = (project.root / "imports.log").stat().st_size
    assert computed(project.outcomes()) == set()
    assert (project.root / "imports.log").stat().st_size == imports
    INNOCENT[case](project)
    assert computed(project.outcomes()) == set()
    assert (project.root / "imports.log").stat().st_size == imports + 1
    assert computed(project.outcomes()) == set()
    assert (project.root / "imports.log").stat().st_size == imports + 1


def test_where_there_is_no_witness_plan_says_why(project: ProjectFolder) -> None:
    """5: a value from a call that is not known to be pure, reached through another one."""
    make_shop(project)
    assert "imported each time" not in project.oda("plan", "pipe.yaml").stdout
    project.edit("transforms.py", "UNUSED = 1", "import datetime\n\nTODAY = datetime.date.today()\nYEAR = TODAY.year")
    project.edit("transforms.py", "+ OFFSET", "+ OFFSET + 0 * YEAR")
    project.run()
    assert computed(project.outcomes()) == set()
    why = project.oda("plan", "pipe.yaml").stdout
    assert "imported each time: transforms.YEAR: it reads the clock with datetime.date.today (transforms, line" in why


def test_a_new_file_that_shadows_a_module_is_noticed(project: ProjectFolder) -> None:
    """5: a listing of each first-party import folder."""
    make_shop(project)
    project.edit("transforms.py", "import rules", "import tabnanny\nimport rules")
    project.edit("transforms.py", "+ OFFSET", "+ tabnanny.verbose")
    project.run()
    assert computed(project.outcomes()) == set()
    shadow = project.write("tabnanny.py", "verbose = 4\n")
    assert computed(project.outcomes()) == {"summary"}
    shadow.unlink()
    assert computed(project.outcomes()) == set()
