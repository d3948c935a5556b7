"""Mistakes that only the code and the SQL show, and the identity of each step of a pipeline that is right."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

YAML = """\
name: shop
params: {limit: 10}
steps:
  - name: orders
    layer: bronze
    read: {format: csv, path: data/orders.csv, options: {sep: ","}}
  - name: clean
    layer: silver
    inputs: [orders]
    python: transforms:clean
    params: {rate: 2}
  - name: total
    layer: gold
    inputs: [clean]
    sql: select sum(amount) as total from clean
"""
TRANSFORMS = """\
import time, random, subprocess
import pandas as pd
import pyarrow as pa


def clean(orders, *, rate, limit=1):
    return orders


def arrow(orders: pa.Table):
    return orders


def source():
    return pd.DataFrame({"a": [1]})


def clock(orders):
    return time.time()


def reader(orders):
    return pd.read_parquet("x")
"""


def write(root: Path, yaml: str = YAML, **files: str) -> None:
    (root / "pipe.yaml").write_text(yaml)
    for name, text in {"transforms_py": TRANSFORMS, **files}.items():
        stem, _, suffix = name.rpartition("_")
        (root / f"{stem}.{suffix}").write_text(textwrap.dedent(text))


def edited(*pairs: tuple[str, str]) -> str:
    text = YAML
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def identified(root: Path, path: str = "pipe.yaml") -> Any:
    """The mistakes, or each step's identity."""
    from odibi_assets.declare.mistake import DefinitionError
    from odibi_assets.declare.project import Project
    from odibi_assets.identify.pipeline_source import find_pipeline

    try:
        found = find_pipeline(Project(root), path).identified()
    except DefinitionError as error:
        return [[m.file, m.line, m.key, m.found, m.expected, m.nearest] for m in error.mistakes]
    return {
        step.name: {
            **step.to_json(),
            "digest": str(step.key.digest()),
            "kinds": [obstacle.kind for obstacle in step.obstacles],
            "statement": found.statements.get(step.name),
        }
        for step in found.identity.steps
    }


# edits of the YAML, then line, key, found, part of what is expected, nearest name
PYTHON, SQL = "transforms:clean", "select sum(amount) as total from clean"
MISTAKES: dict[str, tuple[list[tuple[str, str]], int, str, str, str, str | None]] = {
    "no module": ([(PYTHON, "transfroms:clean")], 10, "steps[1].python", "transfroms:clean", "no module", PYTHON),
    "no function": ([(PYTHON, "transforms:claen")], 10, "steps[1].python", "transforms:claen", "a function of", PYTHON),
    "not callable": ([(PYTHON, "settings:LIMIT")], 10, "steps[1].python", "settings:LIMIT", "not a int", None),
    "import error": ([(PYTHON, "broken:f")], 10, "steps[1].python", "broken:f", "ZeroDivisionError", None),
    "no colon": ([(PYTHON, "transforms.clean")], 10, "steps[1].python", "transforms.clean", "module:function", None),
    "an unknown param": (
        [("rate: 2", "rate: 2, limt: 3")],
        11,
        "steps[1].params.limt",
        "limt",
        "a keyword-only parameter of",
        "limit",
    ),
    "a missing param": ([("{rate: 2}", "{limit: 2}")], 11, "steps[1].params", "no rate", "each required param", None),
    "no params at all": (
        [("    params: {rate: 2}\n", "")],
        7,
        "steps[1].params",
        "no rate",
        "each required param",
        None,
    ),
    "an input that the function does not take": (
        [("inputs: [orders]", "inputs: {ordres: orders}")],
        9,
        "steps[1].inputs.ordres",
        "ordres",
        "an input that",
        "orders",
    ),
    "an input that is missing": (
        [("inputs: [orders]", "inputs: {ordres: orders}")],
        9,
        "steps[1].inputs",
        "no orders",
        "a step for each",
        None,
    ),
    "SQL that does not parse": (
        [(SQL, "selec 1")],
        15,
        "steps[2].sql",
        "syntax error at",
        "one SELECT statement",
        None,
    ),
    "two statements": ([(SQL, f"{SQL}; {SQL}")], 15, "steps[2].sql", "2 statements", "one SELECT statement", None),
    "not a SELECT": ([(SQL, "drop table clean")], 15, "steps[2].sql", "Only SELECT statements", "one SELECT", None),
    "SQL that reads a file": (
        [(SQL, "from 'x.csv', clean")],
        15,
        "steps[2].sql",
        "'x.csv' reads a file",
        "declare a read",
        None,
    ),
    "SQL that calls a reader": (
        [(SQL, "from read_csv('x'), clean")],
        15,
        "steps[2].sql",
        "read_csv(…) reads a file",
        "declare a read",
        None,
    ),
    "a table that is no input": (
        [(SQL, "from clean, claen")],
        15,
        "steps[2].sql",
        "table claen",
        "an input of the step (clean)",
        "clean",
    ),
    "an input that the statement does not use": (
        [("inputs: [clean]", "inputs: [clean, orders]")],
        14,
        "steps[2].inputs[1]",
        "orders",
        "that the statement reads",
        None,
    ),
    "a SQL file that is not there": (
        [(SQL, "{file: totl.sql}")],
        15,
        "steps[2].sql.file",
        "totl.sql",
        "a file beside the YAML file",
        None,
    ),
    "a SQL file that does not parse": (
        [(SQL, "{file: bad.sql}")],
        15,
        "steps[2].sql.file",
        "syntax error",
        "(line 3 of the statement)",
        None,
    ),
    "a SQL file that is not UTF-8": (
        [(SQL, "{file: latin.sql}")],
        15,
        "steps[2].sql.file",
        "'utf-8' codec",
        "UTF-8",
        None,
    ),
    "a SQL file with an unknown param": (
        [(SQL, "{file: unknown.sql}")],
        15,
        "steps[2].sql.file",
        "{{ params.x }} in unknown.sql",
        "(limit)",
        None,
    ),
    "a SQL file with a bad template": (
        [(SQL, "{file: template.sql}")],
        15,
        "steps[2].sql.file",
        "{{ now }} in template.sql",
        "{{ env.NAME }}",
        None,
    ),
}
OTHERS = {
    "settings_py": "LIMIT = 5\n",
    "broken_py": "1 / 0\n",
    "bad_sql": "select *\nfrom clean\nwhere where\n",
    "unknown_sql": "select '{{ params.x }}' from clean",
    "template_sql": "select '{{ now }}' from clean",
}


@pytest.mark.parametrize("case", MISTAKES, ids=list(MISTAKES))
def test_a_mistake_of_the_code_is_told_with_its_place_in_the_file(
    case: str, children: ChildProcesses, root: Path
) -> None:
    edits, line, key, found, expected, nearest = MISTAKES[case]
    write(root, edited(*edits), **OTHERS)
    (root / "latin.sql").write_bytes(b"select '\xe9' from clean")
    told = [m for m in children.run(identified, root) if m[:3] == ["pipe.yaml", line, key]]
    assert len(told) == 1
    assert found in told[0][3]
    assert expected in told[0][4]
    assert told[0][5] == nearest


def test_mistakes_of_the_file_the_code_and_the_sql_come_at_once(children: ChildProcesses, root: Path) -> None:
    edits = [
        ("limit: 10", "limit: 10, limit: 11"),
        ("layer: bronze", "layer: bronz"),
        (PYTHON, "transforms:claen"),
        (SQL, "selec 1"),
    ]
    write(root, edited(*edits))
    assert [(m[1], m[2]) for m in children.run(identified, root)] == [
        (2, "params.limit"),
        (5, "steps[0].layer"),
        (10, "steps[1].python"),
        (15, "steps[2].sql"),
    ]


def test_nothing_of_the_users_is_imported_for_a_file_that_is_not_yaml(children: ChildProcesses, root: Path) -> None:
    write(root, "name: [", transforms_py="open('imported', 'w')\n")
    assert len(children.run(identified, root)) == 1
    assert not (root / "imported").exists()


def test_a_pipeline_that_is_right_has_an_identity_for_each_step(children: ChildProcesses, root: Path) -> None:
    write(root)
    found = children.run(identified, root)
    assert list(found) == ["orders", "clean", "total"]
    assert [found[name]["kind"] for name in found] == ["read", "python", "sql"]
    assert found["orders"]["reads"] == ["data/orders.csv"]
    assert found["clean"]["bindings"] == {"orders": "orders"}
    assert found["clean"]["handed_as"] == {"orders": "pandas.DataFrame"}
    assert found["total"]["handed_as"] == {"clean": "duckdb"}
    assert all(found[name]["obstacles"] == [] for name in found)


def changed(children: ChildProcesses, root: Path, *edits: tuple[str, str]) -> set[str]:
    write(root)
    before = children.run(identified, root)
    write(root, edited(*edits))
    after = children.run(identified, root)
    return {name for name in before if before[name]["digest"] != after[name]["digest"]}


MOVES: dict[str, tuple[list[tuple[str, str]], set[str]]] = {
    "a param": ([("rate: 2", "rate: 3")], {"clean"}),
    "a param's type": ([("rate: 2", "rate: 2.0")], {"clean"}),
    "a param more": ([("rate: 2", "rate: 2, limit: 5")], {"clean"}),
    "a param from the pipeline": ([("rate: 2", 'rate: "{{ params.limit }}"')], {"clean"}),
    "the statement": ([(SQL, "select max(amount) as total from clean")], {"total"}),
    "a read option": ([('sep: ","', 'sep: ";"')], {"orders"}),
    "a format": ([("format: csv", "format: parquet")], {"orders"}),
    "one thread": ([("    sql:", "    deterministic: true\n    sql:")], {"total"}),
    "a source version": ([(f"python: {PYTHON}", f'python: {PYTHON}\n    cache: {{source_version: "1"}}')], {"clean"}),
}


@pytest.mark.parametrize("case", MOVES, ids=list(MOVES))
def test_what_changes_a_result_changes_the_key(case: str, children: ChildProcesses, root: Path) -> None:
    edits, expected = MOVES[case]
    assert changed(children, root, *edits) == expected


STAYS: dict[str, list[tuple[str, str]]] = {
    "the pipeline's name": [("name: shop", "name: store")],
    "a description": [("layer: silver", "layer: silver\n    description: x")],
    "a layer": [("layer: gold", "layer: silver")],
    "retry": [("layer: silver", "layer: silver\n    retry: {max_retries: 3}")],
    "the checkpoint mode": [("name: shop", "name: shop\ncheckpoint: {mode: layer}")],
    "what happens on an error": [("name: shop", "name: shop\non_error: continue")],
    "whether a failure is one": [("layer: silver", "layer: silver\n    optional: true")],
    "a condition": [("layer: silver", "layer: silver\n    when: false")],
    "an input that may be absent": [("inputs: [orders]", "inputs: {orders: {step: orders, if_absent: none}}")],
    "an order without data": [("layer: gold", "layer: gold\n    after: [orders]")],
    "a time to live": [(f"python: {PYTHON}", f"python: {PYTHON}\n    cache: {{ttl: 60}}")],
    "comments of the statement": [(SQL, f"{SQL} -- all of it")],
    "comments of the file": [("name: shop", "# x\nname: shop")],
    "the path of a file": [("data/orders.csv", "data/other.csv")],
    "an unused param of the pipeline": [("limit: 10", "limit: 10, other: 3")],
}


@pytest.mark.parametrize("case", STAYS, ids=list(STAYS))
def test_what_changes_no_result_changes_no_key(case: str, children: ChildProcesses, root: Path) -> None:
    assert changed(children, root, *STAYS[case]) == set()


def test_the_type_of_an_input_is_part_of_how_it_is_handed_on(children: ChildProcesses, root: Path) -> None:
    write(root, edited((PYTHON, "transforms:arrow"), ("    params: {rate: 2}\n", "")))
    assert children.run(identified, root)["clean"]["handed_as"] == {"orders": "pyarrow.Table"}


STEP = "    inputs: [orders]\n    python: transforms:clean\n    params: {rate: 2}\n"
OBSTACLES: dict[str, tuple[str, list[str]]] = {
    "neither inputs nor files": ("    python: transforms:source\n", ["inputs"]),
    "files": ("    python: transforms:source\n    files: [x.csv]\n", []),
    "a source version": ('    python: transforms:source\n    cache: {source_version: "1"}\n', []),
    "a time to live": ("    python: transforms:source\n    cache: {ttl: 60}\n", []),
    "a clock": ("    inputs: [orders]\n    python: transforms:clock\n", ["clock"]),
    "a clock that is allowed": (
        "    inputs: [orders]\n    python: transforms:clock\n    cache: {allow: [clock]}\n",
        [],
    ),
    "something else that is allowed": (
        "    inputs: [orders]\n    python: transforms:clock\n    cache: {allow: [random]}\n",
        ["clock"],
    ),
    "a reader": ("    inputs: [orders]\n    python: transforms:reader\n", ["reader"]),
    "a reader whose files are declared": ("    inputs: [orders]\n    python: transforms:reader\n    files: [x]\n", []),
    "a volatile statement": ("    inputs: [orders]\n    sql: select now() from orders\n", ["clock"]),
    "a volatile statement that is allowed": (
        "    inputs: [orders]\n    sql: select now() from orders\n    cache: {allow: [clock]}\n",
        [],
    ),
}


@pytest.mark.parametrize("case", OBSTACLES, ids=list(OBSTACLES))
def test_what_makes_a_result_no_result_for_next_time(case: str, children: ChildProcesses, root: Path) -> None:
    step, kinds = OBSTACLES[case]
    write(root, edited((STEP, step)))
    assert children.run(identified, root)["clean"]["kinds"] == kinds


def test_a_cache_that_is_off_is_an_obstacle_for_every_step(children: ChildProcesses, root: Path) -> None:
    write(root, edited(("name: shop", "name: shop\ncache: {enabled: false}")))
    assert {tuple(step["kinds"]) for step in children.run(identified, root).values()} == {("disabled",)}


def test_todays_date_is_asked_for(children: ChildProcesses, root: Path) -> None:
    write(root, edited((SQL, "select current_date as day from clean")))
    found = children.run(identified, root)
    assert [name for name in found if found[name]["takes_date"]] == ["total"]


def test_variables_that_are_declared_or_in_templates_count_by_their_value(children: ChildProcesses, root: Path) -> None:
    step = STEP.replace("rate: 2", 'rate: "{{ env.RATE }}"') + "    env: [REGION]\n"
    write(
        root,
        edited((STEP, step), (SQL, "select '{{ env.UNIT }}' as unit from clean"), ('sep: ","', 'sep: "{{ env.SEP }}"')),
    )
    found = children.run(identified, root)
    assert {name: found[name]["env"] for name in found} == {
        "orders": ["SEP"],
        "clean": ["RATE", "REGION"],
        "total": ["UNIT"],
    }


def test_a_secret_is_in_the_key_as_something_that_is_there(children: ChildProcesses, root: Path) -> None:
    write(root, edited(("rate: 2", 'rate: 2, limit: {secret: "{{ env.TOKEN }}"}')))
    one = children.run(identified, root)
    write(root, edited(("rate: 2", 'rate: 2, limit: {secret: "{{ env.OTHER }}"}')))
    other = children.run(identified, root)
    assert one["clean"]["digest"] == other["clean"]["digest"]
    assert one["clean"]["key"]["params"]["limit"]["shown"] == "(secret)"
    assert one["clean"]["env"] == []


def test_a_value_of_the_environment_is_not_shown(children: ChildProcesses, root: Path) -> None:
    text = "import os\nTOKEN = os.environ.get('TOKEN')\ndef clean(orders, *, rate):\n    return TOKEN\n"
    write(root, transforms_py=text)
    found = children.run(identified, root, env={"TOKEN": "hunter2-hunter2"})
    assert found["clean"]["key"]["code"]["transforms.TOKEN"]["shown"] == "(holds a value of the environment)"
    assert "hunter2" not in str(found)


def test_a_sql_file_beside_the_yaml_comes_before_one_at_the_root(children: ChildProcesses, root: Path) -> None:
    write(root, total_sql="select 1 as root from clean")
    (root / "flows").mkdir()
    (root / "flows" / "pipe.yaml").write_text(edited((SQL, "{file: total.sql}")))
    assert children.run(identified, root, "flows/pipe.yaml")["total"]["statement"] == "select 1 as root from clean"
    (root / "flows" / "total.sql").write_text("select 1 as beside from clean")
    assert children.run(identified, root, "flows/pipe.yaml")["total"]["statement"] == "select 1 as beside from clean"


def test_a_sql_file_takes_the_params_of_the_pipeline(children: ChildProcesses, root: Path) -> None:
    write(
        root, edited((SQL, "{file: total.sql}")), total_sql="select {{ params.limit }} as n, '{{ env.X }}' from clean"
    )
    assert children.run(identified, root)["total"]["statement"] == "select 10 as n, '{{ env.X }}' from clean"


def test_names_of_tables_are_compared_as_duckdb_does(children: ChildProcesses, root: Path) -> None:
    write(root, edited((SQL, 'select 1 as x from CLEAN join "Clean" as other on true')))
    assert children.run(identified, root)["total"]["obstacles"] == []


def test_the_order_of_yaml_fields_does_not_count(children: ChildProcesses, root: Path) -> None:
    moved = "    params: {rate: 2}\n    python: transforms:clean\n    inputs: [orders]\n"
    assert changed(children, root, (STEP, moved)) == set()


def test_a_moved_project_has_the_same_keys(children: ChildProcesses, root: Path) -> None:
    write(root)
    before = children.run(identified, root)
    moved = root.rename(root.parent / "elsewhere")
    after = children.run(identified, moved)
    assert {name: step["digest"] for name, step in before.items()} == {
        name: step["digest"] for name, step in after.items()
    }
