"""Values of numpy, pandas, pyarrow and polars that a module holds, in a form that can be encoded."""

from __future__ import annotations

import sys
from typing import Any

from odibi_assets.errors import NotStorable


def library_value(value: Any) -> object | None:
    """Arrays, scalars, dtypes, frames and expressions held by a module; None for what has no canonical form."""
    try:
        library = type(value).__module__
        if library.startswith("polars"):
            return _polars_value(value)
        return _pandas_value(value) if library.startswith("pandas") else _array_value(value)
    except NotStorable:  # a frame with a column of a type that has none
        return None


def _array_value(value: Any) -> object | None:
    import numpy

    if isinstance(value, numpy.ufunc):
        return ("ufunc", value.__name__) if _is_offered(value) else None
    if isinstance(value, numpy.dtype):
        return ("dtype", str(value))
    if isinstance(value, numpy.generic):
        return ("scalar", str(value.dtype), value.tobytes())
    if isinstance(value, numpy.ma.MaskedArray) and not value.dtype.hasobject:
        mask = numpy.ma.getmaskarray(value)
        fill = numpy.asarray(value.fill_value)
        return ("masked", str(value.dtype), value.shape, value.filled().tobytes(), mask.tobytes(), fill.tobytes())
    if type(value) is numpy.ndarray and not value.dtype.hasobject:
        return ("array", str(value.dtype), value.shape, numpy.ascontiguousarray(value).tobytes())
    if type(value) is numpy.ndarray and value.dtype == object:
        items = value.ravel().tolist()
        return ("objects", value.shape, items) if all(type(item) in _PLAIN for item in items) else None
    return _arrow_value(value)


_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


def _is_offered(value: Any) -> bool:
    """Is a ufunc one of a library's own, and none that ``frompyfunc`` made of the user's code?"""
    libraries = ("numpy", "scipy.special")
    return any(getattr(sys.modules.get(library), value.__name__, None) is value for library in libraries)


def _arrow_value(value: Any) -> object | None:
    import pyarrow

    if isinstance(value, pyarrow.Schema):
        return ("arrow schema", value.serialize().to_pybytes())
    if isinstance(value, pyarrow.Field):
        return ("arrow field", pyarrow.schema([value]).serialize().to_pybytes())
    if isinstance(value, pyarrow.DataType):
        return ("arrow", str(value))
    if isinstance(value, pyarrow.compute.Expression):
        _, (data,) = value.__reduce__()
        return ("arrow expression", data.to_pybytes())
    if isinstance(value, pyarrow.Scalar):
        return ("arrow scalar", _table_version(pyarrow.table({"value": pyarrow.array([value.as_py()], value.type)})))
    if isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        return ("arrow array", type(value).__name__, _table_version(pyarrow.table({"value": value})))
    if isinstance(value, pyarrow.RecordBatch):
        return ("arrow batch", _table_version(pyarrow.Table.from_batches([value])))
    return ("arrow table", _table_version(value)) if isinstance(value, pyarrow.Table) else None


def _table_version(table: Any) -> object:
    from odibi_assets.identify.frame_version import frame_version

    return (str(frame_version(table).digest), table.schema.serialize().to_pybytes())


def _polars_value(value: Any) -> object | None:
    import polars

    if isinstance(value, polars.DataFrame):
        return ("polars frame", repr(value.schema), _table_version(value.to_arrow()))
    if isinstance(value, polars.Series):
        return ("polars series", repr(value.dtype), _table_version(value.to_frame().to_arrow()))
    if isinstance(value, polars.Expr):
        data = value.meta.serialize()
        # A function of the user's goes into it as a pickle, which holds what other modules define by name only.
        return None if any(mark in data for mark in _OF_A_PICKLE) else ("polars expression", data)
    if isinstance(value, polars.DataType):
        return ("polars type", repr(value))
    return None


_OF_A_PICKLE = (b"AnonymousFunction", b"PLPY", b"cloudpickle", b"\x80\x04\x95", b"\x80\x05\x95")


def _pandas_value(value: Any) -> object | None:
    import pandas
    import pyarrow

    from odibi_assets.identify.frame_version import frame_version

    if value is pandas.NA or value is pandas.NaT:
        return ("scalar", repr(value))
    if isinstance(value, pandas.Timestamp | pandas.Timedelta | pandas.Interval | pandas.Period):
        return ("scalar", type(value).__name__, repr(value))
    if isinstance(value, pandas.api.extensions.ExtensionDtype):
        return ("dtype", repr(value))
    if isinstance(value, pandas.offsets.BaseOffset):
        more = sorted((name, repr(held)) for name, held in value.kwds.items() if name != "calendar")
        calendar = value.kwds.get("calendar")
        days = (calendar.weekmask.tobytes(), calendar.holidays.tobytes()) if calendar is not None else ()
        return ("offset", type(value).__name__, value.n, bool(getattr(value, "normalize", False)), more, days)
    kind = type(value).__name__
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        value = pandas.Series(value)
    if isinstance(value, (pandas.Series, pandas.Index)):
        value = value.to_frame()
    if isinstance(value, pandas.DataFrame):
        try:
            table = pyarrow.Table.from_pandas(value)
        except (pyarrow.ArrowException, TypeError, ValueError):
            return None
        # What a table does not keep: whether it was a series or an index, the labels' types, pandas' own types.
        labels = [(type(label).__name__, str(label), str(dtype)) for label, dtype in value.dtypes.items()]
        return ("frame", kind, str(frame_version(table).digest), repr(value.index.names), labels)
    return None
