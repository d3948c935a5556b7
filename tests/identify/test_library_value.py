"""Values of libraries that a module holds are told apart by what they are, not by where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

# A value, and one that differs from it in the least.
PAIRS = {
    "an array": ("np.arange(3)", "np.arange(3.0)"),
    "a masked array": ("np.ma.masked_array([1, 2], mask=[0, 1])", "np.ma.masked_array([1, 2], mask=[1, 0])"),
    "an array of records": ("np.array([(1, 2.0)], dtype='i4,f8')", "np.array([(1, 2.0)], dtype='i8,f8')"),
    "an array of objects": ("np.array(['a', None], dtype=object)", "np.array(['a', 'None'], dtype=object)"),
    "a scalar of numpy": ("np.float32(1)", "np.float64(1)"),
    "a type of numpy": ("np.dtype('i4')", "np.dtype('i8')"),
    "a frame": ("pd.DataFrame({'a': [1]})", "pd.DataFrame({'a': [1.0]})"),
    "a series": ("pd.Series([1], name='x')", "pd.Series([1], name='y')"),
    "an index": ("pd.Index([1, 2])", "pd.Series([1, 2])"),
    "a categorical": ("pd.Categorical(['a'], ['a', 'b'])", "pd.Categorical(['a'], ['b', 'a'])"),
    "a timestamp": ("pd.Timestamp('2020-01-01')", "pd.Timestamp('2020-01-01', tz='UTC')"),
    "an offset": ("pd.offsets.BDay(2)", "pd.offsets.BDay(3)"),
    "an offset with a calendar": (
        "pd.offsets.CustomBusinessDay(weekmask='Mon Tue')",
        "pd.offsets.CustomBusinessDay(weekmask='Mon Wed')",
    ),
    "a type of pandas": ("pd.CategoricalDtype(['a', 'b'])", "pd.CategoricalDtype(['a', 'b'], ordered=True)"),
    "a table of arrow": ("pa.table({'a': [1]})", "pa.table({'a': pa.array([1], pa.int32())})"),
    "the metadata of a table": (
        "pa.table({'a': [1]})",
        "pa.table({'a': [1]}).replace_schema_metadata({'unit': 'mm'})",
    ),
    "an array of arrow": ("pa.array([1, None])", "pa.array([1, 0])"),
    "a scalar of arrow": ("pa.scalar(3)", "pa.scalar(3, pa.int8())"),
    "a schema": ("pa.schema([('a', pa.int64())])", "pa.schema([('a', pa.int32())])"),
    "an expression of arrow": ("pc.field('a') > 3", "pc.field('a') > 3.0"),
    "a frame of polars": ("pl.DataFrame({'a': [1]})", "pl.DataFrame({'a': [1]}, schema={'a': pl.Int8})"),
    "a series of polars": ("pl.Series('x', [1])", "pl.Series('y', [1])"),
    "an expression of polars": ("pl.col('a') * 2", "pl.col('a') * 2.0"),
    "a type of polars": ("pl.Datetime('us')", "pl.Datetime('ms')"),
    "what a library offers": ("pl.col", "pl.lit"),
    "a layout": ("struct.Struct('<i')", "struct.Struct('>i')"),
    "NotImplemented": ("NotImplemented", "None"),
}
# What holds code that its text does not show, or a state that moves.
OPAQUE = {
    "a generator of random numbers": "np.random.default_rng(3)",
    "a generator": "(x for x in [1])",
    "a memory": "memoryview(b'ab')",
    "a frame of periods": "pd.DataFrame({'p': pd.period_range('2020', periods=2, freq='M')})",
    "a table of periods": "pa.Table.from_pandas(pd.DataFrame({'p': pd.period_range('2020', periods=2, freq='M')}))",
    "objects of all kinds": "np.array([object()], dtype=object)",
}


def prints(root: Path, texts: list[str]) -> Any:
    import struct

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    from odibi_assets.identify.fingerprint import fingerprint

    names = {"np": np, "pd": pd, "pl": pl, "pa": pa, "pc": pc, "struct": struct}
    found = [fingerprint(eval(f"lambda x=({text}): x", dict(names)), root) for text in texts]
    return [[[str(item.digest) for item in one.items.values()], [str(each) for each in one.obstacles]] for one in found]


@pytest.mark.parametrize("case", PAIRS, ids=list(PAIRS))
def test_a_value_is_told_apart(case: str, children: ChildProcesses, root: Path) -> None:
    value, other = PAIRS[case]
    (first, obstacles), (again, _), (different, more) = children.run(prints, root, [value, value, other])
    assert obstacles == more == []
    assert first == again != different
    assert children.run(prints, root, [value])[0][0] == first, "in another process too"


@pytest.mark.parametrize("case", OPAQUE, ids=list(OPAQUE))
def test_a_value_that_can_not_be_told_is_an_obstacle(case: str, children: ChildProcesses, root: Path) -> None:
    ((_, (obstacle,)),) = children.run(prints, root, [OPAQUE[case]])
    assert "can't be told" in obstacle
