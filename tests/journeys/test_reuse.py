"""What a change makes run again, and what it does not: each row is a change and the steps that must run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import ProjectFolder

from .shop import STEPS, computed, make_shop

Change = Callable[[ProjectFolder], None]


def edit(file: str, old: str, new: str) -> Change:
    return lambda project: project.edit(file, old, new)


def touch(project: ProjectFolder) -> None:
    os.utime(project.root / "data/orders.csv", (1, 1))


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda project: None, set()),
    "a comment": (edit("rules.py", "def floor", "# the lowest\ndef floor"), set()),
    "a docstring": (edit("rules.py", "    return amount", '    """Is it?"""\n    return amount'), set()),
    "formatting": (edit("rules.py", "amount >= floor(minimum)", "(amount  >=  floor(minimum))"), set()),
    "an unrelated function": (edit("rules.py", "return 1", "return 2"), set()),
    "an unused constant": (edit("transforms.py", "UNUSED = 1", "UNUSED = 2"), set()),
    "a file's time": (touch, set()),
    "the description": (edit("pipe.yaml", "name: shop", "name: shop\ndescription: new"), set()),
    "the checkpoint mode": (edit("pipe.yaml", "name: shop", "name: shop\ncheckpoint: {mode: layer}"), set()),
    "the retry policy": (edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 2}"), set()),
    "comments and blanks in SQL": (edit("pipe.yaml", "select name, cast", "select /* who */ name,   cast"), set()),
    "a helper that changes the result": (
        edit("rules.py", "amount >= floor(minimum)", "amount > floor(minimum)"),
        {"big_orders", "named_orders", "totals", "summary"},
    ),
    "a helper of a helper": (
        edit("rules.py", "return minimum", "return minimum + 1"),
        {"big_orders", "named_orders", "totals", "summary"},
    ),
    "a helper that gives the same result": (edit("rules.py", "return minimum", "return minimum + 0"), {"big_orders"}),
    "a module value": (edit("transforms.py", "OFFSET = 0", "OFFSET = 1"), {"summary"}),
    "a param": (edit("pipe.yaml", "minimum: 2", "minimum: 3"), {"big_orders", "named_orders", "totals", "summary"}),
    "a param's type": (edit("pipe.yaml", "minimum: 2", "minimum: 2.0"), {"big_orders"}),
    "a literal in SQL": (edit("pipe.yaml", "select name, cast", "select 'x' as x, name, cast"), {"totals", "summary"}),
    "an input file": (
        edit("data/orders.csv", "4,2,4", "4,2,5"),
        {"orders", "big_orders", "named_orders", "totals", "summary"},
    ),
    "a row that no one keeps": (edit("data/orders.csv", "1,1,1", "1,1,0"), {"orders", "big_orders"}),
    "a top-level effect": (
        edit("transforms.py", "UNUSED = 1", "pd = __import__('pandas'); pd.set_option('display.width', 99)"),
        {"big_orders", "summary"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_runs_exactly_the_steps_that_it_reaches(project: ProjectFolder, name: str) -> None:
    make_shop(project)
    assert computed(project.outcomes()) == set(STEPS)
    change, expected = CHANGES[name]
    change(project)
    assert computed(project.outcomes()) == expected
    assert computed(project.outcomes()) == set()


def test_going_back_to_an_earlier_state_reuses_and_shows_it(project: ProjectFolder) -> None:
    make_shop(project)
    project.run()
    first = project.data("totals")
    project.edit("rules.py", "return minimum", "return minimum + 1")
    project.run()
    assert project.data("totals") != first
    project.edit("rules.py", "return minimum + 1", "return minimum")
    assert computed(project.outcomes()) == set()
    assert project.data("totals") == first


def test_a_moved_project_with_its_store_reuses_everything(project: ProjectFolder, tmp_path: Path) -> None:
    make_shop(project)
    project.edit("transforms.py", "UNUSED = 1", "ROOT = pathlib.Path(__file__).parent")
    project.edit("transforms.py", 'pathlib.Path("broken")', '(ROOT / "broken")')
    project.run()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("pipe.yaml", "transforms.py", "rules.py", "data", ".oda"):
        source = project.root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, moved / name)
    assert computed(ProjectFolder(moved, project.zygote).outcomes()) == set()


def test_an_undeclared_file_that_a_step_opens_is_part_of_its_result(project: ProjectFolder) -> None:
    make_shop(project)
    project.write("offset.txt", "1")
    project.edit("transforms.py", "+ OFFSET", '+ int(open("offset.txt").read())')
    project.run()
    project.write("offset.txt", "2")
    plan = project.plan()
    assert plan["summary"]["outcome"] == "miss"
    assert "offset.txt" in plan["summary"]["reason"]
    assert computed(project.outcomes()) == {"summary"}
    project.write("offset.txt", "1")
    assert computed(project.outcomes()) == set()


def test_a_file_that_a_step_looked_for_and_now_exists_runs_it_again(project: ProjectFolder) -> None:
    make_shop(project)
    project.run()
    project.write("broken", "")
    plan = project.plan()
    assert plan["big_orders"]["outcome"] == "miss"
    assert "broken" in plan["big_orders"]["reason"]


def test_a_variable_that_a_step_reads_is_part_of_its_result(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "+ OFFSET", '+ int(__import__("os").environ.get("OFFSET", "0"))')
    project.run()
    project.env["OFFSET"] = "5"
    assert "OFFSET" in project.plan()["summary"]["reason"]
    assert computed(project.outcomes()) == {"summary"}


def test_a_step_without_inputs_and_files_always_runs_and_cuts_off_what_follows(project: ProjectFolder) -> None:
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: made, layer: bronze, python: "transforms:made"}
          - {name: after, layer: silver, inputs: [made], sql: select * from made}
        """,
    )
    project.write(
        "transforms.py",
        """
        import pandas as pd

        def made():
            return pd.DataFrame({"a": [1]})
        """,
    )
    project.run()
    again = {step["name"]: step for step in project.run()["steps"]}
    assert again["made"]["outcome"] == "computed"
    assert "always runs" in again["made"]["reason"]
    assert again["after"]["outcome"] == "cached"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("orders.assign(at=time.time())", "clock"),
        ("orders.assign(at=pd.Timestamp.now())", "clock"),
        ("orders.sample(2)", "random_state"),
        ("orders.assign(x=np.random.rand(len(orders)))", "random"),
        ("pd.read_parquet('other.parquet')", "read_parquet"),
    ],
)
def test_a_step_that_can_not_be_told_apart_always_runs_with_the_line(
    project: ProjectFolder, body: str, word: str
) -> None:
    make_shop(project)
    project.write(
        "transforms.py",
        f"""
        import time
        import numpy as np
        import pandas as pd

        def big_orders(orders, *, minimum):
            return {body}

        def summary(totals):
            return totals
        """,
    )
    project.oda("run", "pipe.yaml", "--select", "orders")
    step = project.plan()["big_orders"]
    assert step["outcome"] == "miss"
    assert word in step["reason"]
    assert "transforms.py:7" in step["reason"]


def test_declaring_what_is_harmless_makes_a_step_reusable(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "UNUSED = 1", "import time")
    project.edit("transforms.py", "    return orders[", "    started = time.time()\n    return orders[")
    project.run()
    assert computed(project.outcomes()) == {"big_orders"}
    project.edit(
        "pipe.yaml", "python: transforms:big_orders", "python: transforms:big_orders\n    cache: {allow: [clock]}"
    )
    project.run()
    assert computed(project.outcomes()) == set()


def test_a_reused_and_a_fresh_result_look_the_same_to_the_next_step(project: ProjectFolder) -> None:
    make_shop(project)
    project.write(
        "transforms.py",
        """
        import pandas as pd

        def big_orders(orders, *, minimum):
            frame = orders[orders["amount"] >= minimum].copy()
            frame["kind"] = pd.Categorical(["x", "y", "x"], categories=["y", "x"])
            frame["whole"] = pd.array([1, None, 3], dtype="Int64")
            frame["when"] = pd.to_datetime(["2020-01-01"] * 3).astype("datetime64[s]")
            frame["mixed"] = [1, None, 2]
            return frame.set_index("id")

        def summary(totals):
            return totals

        def seen(frame):
            categories = str(frame["kind"].cat.categories)
            return pd.DataFrame({"seen": [str(frame.dtypes.to_dict()), str(frame.index), categories]})
        """,
    )
    project.edit(
        "pipe.yaml",
        "inputs: {orders: big_orders, customers: customers}\n    sql: select orders.*, customers.name",
        "inputs: {orders: orders, customers: customers}\n    sql: select orders.*, customers.name",
    )
    seen = '  - {name: seen, layer: gold, inputs: {frame: big_orders}, python: "transforms:seen"}\n'
    (project.root / "pipe.yaml").write_text((project.root / "pipe.yaml").read_text() + seen)
    project.run()
    fresh = project.data("seen")
    project.run("--force=seen")
    assert project.data("seen") == fresh


def test_a_step_that_changes_its_input_in_place_harms_nobody(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    orders['amount'] += 0\n    orders.loc[0, 'amount'] = 99\n    return orders[rules",
    )
    project.run()
    assert [row["amount"] for row in project.data("orders")] == [1, 2, 3, 4]
    assert 99 in [row["amount"] for row in project.data("big_orders")]


def test_hidden_channels_are_restored_and_named(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    import os\n    os.environ['LEAK'] = '1'\n    return orders[rules",
    )
    project.run()
    plan = project.plan()
    assert plan["big_orders"]["outcome"] == "miss"
    assert "environment variables" in plan["big_orders"]["reason"]


def test_one_module_name_for_two_files_is_a_mistake_not_a_mix_up(project: ProjectFolder) -> None:
    for name, value in (("one", 1), ("two", 2)):
        project.write(
            f"{name}/pipe.yaml",
            f"""
            name: {name}
            steps:
              - {{name: orders, layer: bronze, read: {{format: csv, path: orders.csv}}}}
              - {{name: changed, layer: silver, inputs: [orders], python: "transforms:changed"}}
            """,
        )
        project.write(f"{name}/transforms.py", f"def changed(orders):\n    return orders + {value}\n")
    project.write("orders.csv", "a\n1\n")
    assert project.outcomes(pipeline="one/pipe.yaml")["changed"] == "computed"
    assert project.outcomes(pipeline="two/pipe.yaml")["changed"] == "computed"
    assert project.data("changed", pipeline="two/pipe.yaml") == [{"a": 3}]


@pytest.mark.parametrize(
    ("declared", "again"), [("ttl: 3600", "cached"), ("ttl: 0", "computed"), ('source_version: "1"', "cached")]
)
def test_a_step_without_inputs_is_reused_as_far_as_it_declares(
    project: ProjectFolder, declared: str, again: str
) -> None:
    project.write(
        "pipe.yaml",
        f"""
        name: pipe
        steps:
          - name: made
            layer: bronze
            python: transforms:made
            cache: {{{declared}}}
        """,
    )
    project.write("transforms.py", "import pandas as pd\n\ndef made():\n    return pd.DataFrame({'a': [1]})\n")
    project.run()
    assert project.outcomes() == {"made": again}


def test_a_reusable_step_that_differs_when_forced_is_marked(project: ProjectFolder) -> None:
    make_shop(project)
    # A counter in a file that the step writes and never reads by itself: no key and no trace can show it.
    project.edit(
        "transforms.py",
        "    return totals.assign(",
        "    with open('count', 'a') as file:\n"
        "        file.write('x')\n"
        "        count = file.tell()\n"
        "    return totals.assign(count=count, ",
    )
    project.run()
    assert computed(project.outcomes()) == set()
    project.run("--force=summary")
    results = project.oda("cache", "ls", "summary", "--json").json["results"]
    assert [(result["generation"], result["nondeterministic"]) for result in results] == [(2, True), (1, False)]
    assert project.data("summary")[0]["count"] == 2


@pytest.mark.parametrize(
    "change", ["SEEN.append(1)", "globals().update(COUNT=COUNT + 1)"], ids=["changed in place", "bound anew"]
)
def test_a_step_that_changes_a_module_value_and_those_that_take_it_are_not_reused(
    project: ProjectFolder, change: str
) -> None:
    make_shop(project)
    project.edit("transforms.py", "UNUSED = 1", "SEEN = []\nCOUNT = 0")
    project.edit("transforms.py", "    return orders[", f"    {change}\n    return orders[")
    project.edit("transforms.py", "+ OFFSET", "+ len(SEEN) + COUNT")
    project.run()
    assert project.data("totals") != project.data("summary")
    plan = project.plan()
    assert "it changes the module value transforms." in plan["big_orders"]["reason"]
    again = {step["name"]: step for step in project.run()["steps"]}
    assert {name for name, step in again.items() if step["outcome"] == "computed"} == {"big_orders", "summary"}
    assert "which an earlier step changed" in again["summary"]["reason"]
