"""Values of numpy, pandas and pyarrow that a module holds, in a form that can be encoded."""

from __future__ import annotations

from typing import Any


def library_value(value: Any) -> object | None:
    """Arrays, scalars, dtypes and frames held by a module; None for what has no canonical form."""
    import numpy

    if isinstance(value, numpy.ufunc):
        return ("ufunc", value.__name__)
    if isinstance(value, numpy.dtype):
        return ("dtype", str(value))
    if isinstance(value, numpy.generic):
        return ("scalar", str(value.dtype), value.tobytes())
    if isinstance(value, numpy.ndarray) and not value.dtype.hasobject:
        return ("array", str(value.dtype), value.shape, numpy.ascontiguousarray(value).tobytes())
    if type(value).__module__.startswith("pandas"):
        return _pandas_value(value)
    return ("arrow", str(value)) if type(value).__name__ in ("DataType", "Schema", "Field") else None


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
    if isinstance(value, (pandas.Series, pandas.Index)):
        value = value.to_frame()
    if isinstance(value, pandas.DataFrame):
        try:
            table = pyarrow.Table.from_pandas(value)
        except (pyarrow.ArrowException, TypeError, ValueError):
            return None
        return ("frame", str(frame_version(table).digest), repr(value.index.names))
    return None
