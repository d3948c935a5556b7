"""SQL sees its inputs and nothing else."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from odibi_assets.engines.duckdb_sql import interrupt_statements, run_statement
from odibi_assets.errors import StepError

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


def test_a_statement_runs_over_its_inputs() -> None:
    assert run_statement("select a + 1 as a from t where b is not null", {"t": TABLE}).to_pydict() == {"a": [2, 4]}


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "copy (select 1) to '{file}.out'",
        "attach '{file}.db' as other",
        "install httpfs",
        "set threads = 4",
        "select * from outside",
    ],
)
def test_it_reaches_no_file_no_extension_no_setting_and_no_python_variable(statement: str, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    outside = pd.DataFrame({"a": [1]})
    assert len(outside) == 1
    with pytest.raises(StepError, match="DuckDB"):
        run_statement(statement.format(file=file), {"t": TABLE})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv"]


def test_the_time_zone_is_utc() -> None:
    result = run_statement(
        "select cast(timestamptz '2020-07-01 12:00:00+02' as varchar) as at from t limit 1", {"t": TABLE}
    )
    assert result.to_pydict() == {"at": ["2020-07-01 10:00:00+00"]}


def test_the_unnamed_index_of_pandas_is_no_column() -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"a": [1, 2]}).loc[[1]])
    assert run_statement("select * from t", {"t": table}).column_names == ["a"]


def test_a_statement_is_ended_on_a_connection_that_the_garbage_collector_was_told_to_leave_apart() -> None:
    connection = duckdb.connect()
    ended: list[duckdb.Error] = []

    def work() -> None:
        try:
            connection.execute("select sum(a.range * b.range) from range(10000000) a, range(10000000) b")
        except duckdb.Error as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    gc.freeze()
    try:
        thread.start()
        for _ in range(50):
            interrupt_statements()
            thread.join(0.1)
            if not thread.is_alive():
                break
        assert [type(error) for error in ended] == [duckdb.InterruptException]
    finally:
        gc.unfreeze()
        connection.interrupt()
        thread.join()
