"""Values of numpy, pandas and pyarrow that a module holds, in a form that can be encoded."""

from __future__ import annotations

import sys
from typing import Any


def library_value(value: Any) -> object | None:
    """Arrays, scalars, dtypes and frames held by a module; None for what has no canonical form."""
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
    if type(value).__module__.startswith("pandas"):
        return _pandas_value(value)
    return _arrow_value(value)


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
    return ("arrow", str(value)) if isinstance(value, pyarrow.DataType) else None


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
    kind = type(value).__name__
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
