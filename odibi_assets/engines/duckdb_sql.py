"""SQL sees its inputs and nothing else (truth.md 4.3): DuckDB over Arrow, closed to files and network."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from weakref import WeakKeyDictionary

import duckdb
import pyarrow as pa

from odibi_assets.errors import StepError
from odibi_assets.keep.formats.frame import without_unnamed_index

# A relation does not say which connection runs it.
_connections: WeakKeyDictionary[duckdb.DuckDBPyRelation, duckdb.DuckDBPyConnection] = WeakKeyDictionary()


def run_statement(
    sql: str,
    tables: Mapping[str, pa.Table],
    *,
    threads: int | None = None,
    interruptible: Callable[[Callable[[], object]], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> pa.Table:
    """Run one SELECT over tables; the rows come in the order that the statement promises.

    Args:
        threads: 1 makes sums of doubles repeat to the last bit; DuckDB's default unless given.
        interruptible: Given what ends the statement from another thread; it runs in the context that comes back.

    Raises:
        StepError: DuckDB refused the statement or failed at it.
    """
    with _closed_connection(threads) as connection:
        for name, table in tables.items():
            connection.register(name, without_unnamed_index(table))
        connection.execute("set lock_configuration = true")
        try:
            with interruptible(connection.interrupt):
                return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise StepError(f"DuckDB: {type(error).__name__}: {error}") from error


def relation_over(table: pa.Table) -> duckdb.DuckDBPyRelation:
    """A table as a relation of a database of its own, closed to files and network."""
    connection = _closed_connection(None)
    relation = connection.from_arrow(without_unnamed_index(table))
    _connections[relation] = connection
    return relation


def interrupt_statements() -> None:
    """End whatever DuckDB runs in this process, on connections of anybody; called from another thread.

    DuckDB does not look at signals while its own threads do the work.
    """
    kind = type(duckdb.default_connection())
    gc.unfreeze()  # A run sets what was loaded before it apart, and what is set apart is not listed.
    for connection in [duckdb.default_connection(), *(found for found in gc.get_objects() if type(found) is kind)]:
        with contextlib.suppress(duckdb.Error):  # It is closed.
            connection.interrupt()


def _closed_connection(threads: int | None) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "python_enable_replacements": False,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "threads": threads or os.cpu_count() or 1,
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("set TimeZone = 'UTC'")
    return connection
