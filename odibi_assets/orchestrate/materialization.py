"""What a materialization says of a result, whether a run makes it or it is reported without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from odibi_assets.identify.digest import Digest

# A materialization stays below 8 kB: Dagster's own form of one column takes some 220 bytes beside its name.
_SCHEMA_BYTES, _COLUMN_BYTES, _REASON_LENGTH = 5_500, 225, 1_000


def result_metadata(
    outcome: str,
    reason: str,
    key: Digest,
    *,
    seconds: float,
    row_count: int | None,
    size_bytes: int | None,
    schema: Mapping[str, str],
) -> dict[str, dg.MetadataValue[Any]]:
    """How it came about and what it is; rows, bytes and columns only of what has them.

    Args:
        size_bytes: In memory.
    """
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "outcome": dg.MetadataValue.text(outcome),
        "reason": dg.MetadataValue.text(reason[:_REASON_LENGTH]),
        "key": dg.MetadataValue.text(str(key)),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
    }
    if row_count is not None:
        metadata["dagster/row_count"] = dg.MetadataValue.int(row_count)
    if size_bytes is not None:
        metadata["bytes"] = dg.MetadataValue.int(size_bytes)
    if schema:
        columns = dg.TableSchema(columns=_shown_columns(schema))
        metadata["columns"] = dg.MetadataValue.int(len(schema))
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(columns)
    return metadata


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
