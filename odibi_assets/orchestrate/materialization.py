"""What a materialization says of the columns of a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

# A materialization stays below 8 kB: Dagster's own form of one column takes some 220 bytes beside its name.
_SCHEMA_BYTES, _COLUMN_BYTES = 5_500, 225


def schema_metadata(schema: Mapping[str, str]) -> dict[str, dg.MetadataValue[Any]]:
    """The number of columns and their types; nothing for what has none."""
    if not schema:
        return {}
    return {
        "columns": dg.MetadataValue.int(len(schema)),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=_shown_columns(schema))),
    }


def _shown_columns(schema: Mapping[str, str]) -> list[dg.TableColumn]:
    """The first columns, as many as fit: the event log keeps every materialization for ever."""
    columns: list[dg.TableColumn] = []
    left = _SCHEMA_BYTES
    for name, kind in schema.items():
        left -= _COLUMN_BYTES + len(name.encode()) + len(kind)
        if left < 0:
            break
        columns.append(dg.TableColumn(name, kind))
    return columns
