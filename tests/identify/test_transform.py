"""The function behind a reference: its inputs and the type each is handed, its params, its context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

MODULE = """
from __future__ import annotations
import functools
from typing import TYPE_CHECKING
import pandas
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from pathlib import Path
if TYPE_CHECKING:
    from somewhere import Frame

NUMBER = 5

class Holder:
    @staticmethod
    def work(orders): ...

    class Inner:
        @classmethod
        def work(cls, orders): ...

def plain(orders, customers): ...
def typed(orders: pd.DataFrame, customers: pandas.DataFrame, raw: pa.Table, text: "pd.DataFrame"): ...
def params(orders, *, limit=1, rate, name: str = "x"): ...
def anything(orders, **params): ...
def context(orders, context, *, limit=1): ...
def positional(orders, /, *, limit=1): ...
def default(orders=None): ...
def nothing(): ...
def checked(orders: Frame, other: pd.DataFrame): ...
def star(*orders): ...
def many(a: pl.DataFrame, b: pl.LazyFrame, c: duckdb.DuckDBPyRelation, d: Path, e: dict, f: np.ndarray): ...
def series(orders: pd.Series): ...
def number(orders: int): ...

def passing(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

@passing
def wrapped(orders: pa.Table, *, limit=1): ...
bound = functools.partial(params, rate=2)
class Callable:
    def __call__(self, orders): ...
instance = Callable()
"""


def resolved(root: Path, reference: str) -> Any:
    from odibi_assets.identify import source_loader
    from odibi_assets.identify.transform import BadReference, resolve

    source_loader.install()
    source_loader.put_on_path(root)
    try:
        found = resolve(reference)
    except BadReference as error:
        return [error.found, error.expected, error.nearest]
    return {
        "inputs": list(found.inputs.items()),
        "params": list(found.params),
        "required": sorted(found.required),
        "any": found.takes_any_param,
        "context": found.context,
    }


PANDAS, ARROW = "pandas.DataFrame", "pyarrow.Table"


def signature(**facts: Any) -> dict[str, Any]:
    inputs = [[name, kind] for name, kind in facts.pop("inputs", {"orders": PANDAS}).items()]
    return {"inputs": inputs, "params": [], "required": [], "any": False, "context": None, **facts}


GOOD = {
    "plain": signature(inputs={"orders": PANDAS, "customers": PANDAS}),
    "typed": signature(inputs={"orders": PANDAS, "customers": PANDAS, "raw": ARROW, "text": PANDAS}),
    "many": signature(
        inputs={
            "a": "polars.DataFrame",
            "b": "polars.LazyFrame",
            "c": "duckdb.DuckDBPyRelation",
            "d": "pathlib.Path",
            "e": "builtins.dict",
            "f": "numpy.ndarray",
        }
    ),
    "params": signature(params=["limit", "rate", "name"], required=["rate"]),
    "anything": signature(any=True),
    "context": signature(params=["limit"], context="context"),
    "positional": signature(params=["limit"]),
    "default": signature(),
    "nothing": signature(inputs={}),
    "wrapped": signature(inputs={"orders": ARROW}, params=["limit"]),
    "bound": signature(params=["limit", "rate", "name"]),
    "instance": signature(),
    "Holder.work": signature(),
    "Holder.Inner.work": signature(),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_signature_says_what_a_function_takes(name: str, children: ChildProcesses, root: Path) -> None:
    (root / "transforms.py").write_text(MODULE)
    assert children.run(resolved, root, f"transforms:{name}") == GOOD[name]


BAD = {
    "transforms:plian": ("transforms:plian", "a function of transforms", "transforms:plain"),
    "transforms:zzz": ("transforms:zzz", "a function of transforms", None),
    "transforms:Holder.wrok": ("transforms:Holder.wrok", "a function of transforms", "transforms:Holder.work"),
    "transforms:NUMBER": ("transforms:NUMBER", "a function, not a int", None),
    "transforms:NUMBER.x": ("transforms:NUMBER.x", "a function of transforms", None),
    "transfroms:plain": ("transfroms:plain", "there is no module 'transfroms'", "transforms:plain"),
    "shop.rulse:f": ("shop.rulse:f", "there is no module 'shop.rulse'", "shop.rules:f"),
    "zzz.yyy:f": ("zzz.yyy:f", "there is no module 'zzz'", None),
    "needs:f": ("needs:f", "needs 'not_there'", None),
    "broken:f": ("broken:f", "RuntimeError: no luck", None),
    "unparsable:f": ("unparsable:f", "SyntaxError", None),
    "leaving:f": ("leaving:f", "SystemExit", None),
    "transforms": ("transforms", "module:function", None),
    "transforms.plain": ("transforms.plain", "module:function", None),
    ":plain": (":plain", "module:function", None),
    "transforms:": ("transforms:", "module:function", None),
    "..transforms:plain": ("..transforms:plain", "a module that can be imported", None),
    "transforms:plain:x": ("transforms:plain:x", "a function of transforms", "transforms:plain"),
    "transforms:star": ("*orders", "named parameters", None),
}


@pytest.mark.parametrize("reference", BAD)
def test_a_reference_that_leads_to_no_function_is_told(reference: str, children: ChildProcesses, root: Path) -> None:
    (root / "transforms.py").write_text(MODULE)
    (root / "broken.py").write_text("raise RuntimeError('no luck')\n")
    (root / "needs.py").write_text("import not_there\n")
    (root / "unparsable.py").write_text("def f(:\n")
    (root / "leaving.py").write_text("raise SystemExit(3)\n")
    (root / "shop").mkdir()
    (root / "shop" / "__init__.py").touch()
    (root / "shop" / "rules.py").touch()
    found, expected, nearest = children.run(resolved, root, reference)
    assert (found, nearest) == (BAD[reference][0], BAD[reference][2])
    assert BAD[reference][1] in expected
