"""Keys, frames and results made by hand, for tests of what is kept."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from odibi_assets.execute.commit import Computed, commit
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.frame_version import frame_version
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.keep.formats import frame as frame_format
from odibi_assets.keep.formats.frame import settle
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.results import Results
from odibi_assets.keep.snapshot import Snapshots

AT = "2013-01-31T12:00:00.000+00:00"


def param(value: object) -> Item:
    return Item(Digest.of_struct("param", value), "param", shown=repr(value))


def key(step: str = "clean", **params: object) -> Key:
    return Key(step, params={name: param(value) for name, value in params.items()})


def table(*values: object) -> pa.Table:
    return pa.table({"n": list(values)})


def computed(key: Key, data: pa.Table, **more: Any) -> Computed:
    fields: dict[str, Any] = {"produced_at": AT, "run_id": "run-1", "seconds": 0.5, "reason": "no result yet", **more}
    return Computed("flights", key, {"result": settle(data, shared=False)}, **fields)


def store(results: Results, key: Key, data: pa.Table, **more: Any) -> Result:
    """Commit a frame through the real path."""
    return commit(computed(key, data, **more), results)


def line(results: Results, environment: str = "default", pipeline: str = "flights") -> Snapshots:
    """The snapshots of the pipeline that these results are of."""
    return Snapshots(results.store, environment, pipeline, has=results.has)


def load(results: Results, result: Result) -> pa.Table:
    """The verified frame of a result."""
    return frame_format.read(results.open_blob(result.output.blobs[0]))


def verified(results: Results, reference: ResultReference) -> list[dict[str, object]]:
    """The rows behind a reference; fails unless everything is there and is what its name says."""
    result = results.get(reference)
    assert result is not None, f"no record of {reference}"
    assert results.is_whole(result)
    assert result.reference == reference
    data = load(results, result)
    assert frame_version(data).digest == result.output.version
    assert data.num_rows == result.output.row_count
    rows: list[dict[str, object]] = data.to_pylist()
    return rows


def reference(text: str, generation: int = 1) -> ResultReference:
    """A reference to a result that nobody has."""
    return ResultReference(Digest.of_bytes(text.encode()), generation, Digest.of_bytes(f"v{text}".encode()), 3)


def item_of(value: object) -> Item:
    """Some part of a key, shown as it is."""
    return Item(Digest.of_struct("param", value), "param", shown=str(value))
