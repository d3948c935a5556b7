"""What the silver steps do to single columns and rows."""

from __future__ import annotations

import pandas as pd


def deduplicated(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The first row of each key, in the order recorded."""
    return frame.drop_duplicates(subset=key, keep="first", ignore_index=True)


def minutes_of_day(clock: pd.Series[float]) -> pd.Series[float]:
    """Times written as 517 for 05:17, in minutes after midnight; 2400 is the end of the day."""
    return (clock // 100) * 60 + clock % 100


def plausible_delay(delay: pd.Series[float], longest: int) -> pd.Series[float]:
    """Delays in minutes; those beyond `longest` are null."""
    return delay.where(delay.abs() <= longest)
