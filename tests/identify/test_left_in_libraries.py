"""What the import of a module left in libraries counts, by whatever way it came there."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

BASE = """
    import decimal
    import functools
    import json

    import numpy as np
    import pandas as pd


    def inner(frame):
        return 1


    def helper(frame):
        return inner(frame)


    def as_method(function):
        setattr(pd.DataFrame, function.__name__, function)
        return function


    def put(owner, name, value):
        setattr(owner, name, value)
        return True


    def doing(function, *args, **kwargs):
        function(*args, **kwargs)
        return True

    """


def left(root: Path) -> Any:
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.left_in_libraries import left_in_libraries

    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module("steps")
    found = left_in_libraries({"steps": module}, root)
    obstacles = {"obstacles": [str(obstacle) for obstacle in found.obstacles]} if found.obstacles else {}
    return {**obstacles, **{name: [str(item.digest), item.place] for name, item in found.items.items()}}


def of(children: ChildProcesses, root: Path, added: str, *edit: str) -> Any:
    text = textwrap.dedent(BASE) + textwrap.dedent(added)
    (root / "steps.py").write_text(text.replace(*edit) if edit else text)
    return children.run(left, root)


FUNCTIONS = {
    "a decorator": "@as_method\ndef total(frame):\n    return helper(frame)",
    "a call that makes a value": "DONE = put(pd.DataFrame, 'total', helper)",
    "a property": "DONE = put(pd.DataFrame, 'total', property(helper))",
    "a static method": "DONE = put(pd.DataFrame, 'total', staticmethod(helper))",
    "a partial": "DONE = put(pd.DataFrame, 'total', functools.partialmethod(helper, 1))",
    "a cached property": "DONE = put(pd.DataFrame, 'total', functools.cached_property(helper))",
    "a lambda": "DONE = put(pd.Series, 'total', lambda frame: helper(frame))",
    "a function of a module": "DONE = put(pd, 'read_csv', helper)",
    "a function of the standard library": "DONE = put(json, 'load', helper)",
    "a class": "class Total:\n    def sum(self):\n        return helper(self)\nDONE = put(pd, 'Total', Total)",
    "an accessor": (
        "class Shop:\n    def sum(self):\n        return helper(self)\n"
        "DONE = doing(pd.api.extensions.register_dataframe_accessor('shop'), Shop)"
    ),
    "a class that is named itself": "from pandas.core.groupby import DataFrameGroupBy as Groups\n"
    "DONE = put(Groups, 'total', helper)",
}


@pytest.mark.parametrize("way", FUNCTIONS, ids=list(FUNCTIONS))
def test_a_function_that_a_library_holds_counts_with_what_it_reaches(
    way: str, children: ChildProcesses, root: Path
) -> None:
    before = of(children, root, FUNCTIONS[way])
    after = of(children, root, FUNCTIONS[way], "return 1\n", "return 2\n")
    (changed,) = {name for name in before if before[name] != after[name]}
    assert changed.startswith("steps.inner in ")


def test_two_functions_of_one_name_both_count(children: ChildProcesses, root: Path) -> None:
    ways = "DONE = put(pd.Series, 'a', lambda x: 1), put(pd.Series, 'b', lambda x: 2)"
    before = of(children, root, ways)
    for edit in (("x: 1", "x: 3"), ("x: 2", "x: 3")):
        assert before != of(children, root, ways, *edit)


def test_what_hinders_reuse_in_a_function_that_a_library_holds_hinders_it(children: ChildProcesses, root: Path) -> None:
    found = of(children, root, "import time\nDONE = put(pd.DataFrame, 'now', lambda frame: time.time())")
    line = len((root / "steps.py").read_text().splitlines())
    assert found["obstacles"] == [f"it reads the clock with time.time (steps.py:{line})"]


def test_a_function_that_is_an_option_counts_with_what_it_reaches(children: ChildProcesses, root: Path) -> None:
    ways = "DONE = doing(pd.set_option, 'display.float_format', lambda x: str(helper(x)))"
    before, after = of(children, root, ways), of(children, root, ways, "return 1\n", "return 2\n")
    assert {name for name in before if before[name] != after[name]} == {
        "steps.inner in pandas option display.float_format"
    }


def test_under_which_name_a_library_holds_it_counts(children: ChildProcesses, root: Path) -> None:
    before, after = (of(children, root, f"DONE = put(pd.DataFrame, {name!r}, helper)") for name in ("sum", "mean"))
    assert "pandas.core.frame.DataFrame.sum" in set(before) - set(after)


OPTIONS = {
    "pandas": ("DONE = doing(pd.set_option, 'display.precision', 3)", "pandas option display.precision"),
    "numpy errors": ("DONE = doing(np.seterr, all='raise')", "numpy errors"),
    "numpy's print options": ("DONE = doing(np.set_printoptions, precision=3)", "numpy print options"),
    "the decimal context": ("DONE = doing(setattr, decimal.getcontext(), 'prec', 5)", "decimal context"),
}


@pytest.mark.parametrize("way", OPTIONS, ids=list(OPTIONS))
def test_an_option_that_is_not_as_it_begins_counts(way: str, children: ChildProcesses, root: Path) -> None:
    statement, name = OPTIONS[way]
    assert list(of(children, root, statement)) == [name]


INNOCENT = {
    "nothing": "",
    "classes of one's own": "class Orders(pd.DataFrame):\n    total = helper",
    "an option set back": "with pd.option_context('display.precision', 3):\n    LIMIT = 1",
    "what libraries do to themselves": "import pyarrow.parquet\nimport duckdb\nimport dagster",
}


@pytest.mark.parametrize("case", INNOCENT, ids=list(INNOCENT))
def test_where_nothing_is_left_nothing_counts(case: str, children: ChildProcesses, root: Path) -> None:
    assert of(children, root, INNOCENT[case]) == {}
