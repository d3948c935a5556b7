"""How long a server asked to wait before the next try."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import math
from collections.abc import Mapping
from typing import Any

from odibi_assets.execute.exception_chain import chain


def retry_after_s(error: BaseException, now: datetime.datetime) -> float | None:
    """Seconds until the time that a ``Retry-After`` header in an exception's chain names; None where there is none.

    Args:
        now: Aware; an HTTP date is measured from it.
    """
    for link in chain(error):
        asked = _asked(link)
        if asked is not None:
            seconds = _seconds(asked, now)
            if seconds is not None:
                return seconds
    return None


def _asked(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore's, whose names are in small letters.
        headers: Any = response.get("ResponseMetadata", {}).get("HTTPHeaders")
    else:
        headers = getattr(response, "headers", None) or getattr(error, "headers", None)
    if headers is None or not hasattr(headers, "get"):
        return None
    found = headers.get("Retry-After") or headers.get("retry-after")
    return str(found) if found is not None else None


def _seconds(asked: str, now: datetime.datetime) -> float | None:
    """
    >>> now = datetime.datetime(2013, 1, 1, 12, tzinfo=datetime.UTC)
    >>> _seconds("7", now), _seconds("Tue, 01 Jan 2013 12:00:30 GMT", now)
    (7.0, 30.0)
    >>> _seconds("Tue, 01 Jan 2013 11:00:00 GMT", now)
    0.0
    >>> _seconds("soon", now) is None, _seconds("nan", now) is None
    (True, True)
    """
    with contextlib.suppress(ValueError):
        return max(0.0, float(asked)) if math.isfinite(float(asked)) else None
    try:
        until = email.utils.parsedate_to_datetime(asked)
    except ValueError:
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - now).total_seconds())
