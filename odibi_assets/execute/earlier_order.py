"""Rows that come out in no promised order take the order that they had in the result before.

A join or an aggregate without ORDER BY may come out in another order each time it is computed. Where
the rows are those of the earlier result, that one is handed on, so that nothing after it moves
(truth.md 3.2).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import pyarrow as pa

from odibi_assets.errors import DamagedObject, StoreError
from odibi_assets.identify.bag_digest import bag_digest
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import read_output
from odibi_assets.keep.result import Output, Result
from odibi_assets.keep.results import Results


def in_earlier_order(outputs: Mapping[str, Kept], earlier: Result | None, results: Results) -> dict[str, Kept]:
    """Each output, or that of the earlier result in its place where it has the same rows."""
    known = earlier.outputs if earlier is not None else {}
    return {
        name: _in_earlier_order(kept, known[name], results) if name in known else kept for name, kept in outputs.items()
    }


def _in_earlier_order(kept: Kept, earlier: Output, results: Results) -> Kept:
    is_alike = (
        earlier.format == kept.format == "parquet"
        and earlier.row_count == kept.row_count
        and list(earlier.schema.items()) == list(kept.schema.items())
    )
    if not is_alike or earlier.version == kept.version:
        return kept
    try:
        held = read_output(earlier, results)
    except (DamagedObject, StoreError, OSError, pa.ArrowInvalid):
        return kept  # What can't be read can't be compared.
    key = secrets.token_bytes(16)
    return held if bag_digest(held.value, key=key) == bag_digest(kept.value, key=key) else kept
