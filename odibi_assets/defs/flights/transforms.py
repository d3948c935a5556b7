"""The Python steps of the pipeline flights."""

from __future__ import annotations

import pandas as pd

from odibi_assets.defs.flights.clean import deduplicated, minutes_of_day, plausible_delay

FLIGHT_KEY = ["year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"]
WIND_BANDS = [0, 5, 10, 15, 20, 1000]
WIND_LABELS = ["calm", "light", "moderate", "fresh", "strong"]


def clean_flights(flights: pd.DataFrame, *, longest_delay: int) -> pd.DataFrame:
    """Typed and deduplicated flights.

    Args:
        flights: As recorded.
        longest_delay: Minutes; delays beyond it are taken for recording errors and become null.

    Returns:
        Keyed by `FLIGHT_KEY`, unique; times in minutes after midnight; rows in the order recorded.
    """
    clean = deduplicated(flights, FLIGHT_KEY)
    for column in ("dep_time", "arr_time", "sched_dep_time", "sched_arr_time"):
        clean[column] = minutes_of_day(clean[column])
    for column in ("dep_delay", "arr_delay"):
        clean[column] = plausible_delay(clean[column], longest_delay)
    clean["time_hour"] = pd.to_datetime(clean["time_hour"], utc=True)
    return clean


def clean_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """One row per airport and hour, ordered by both; a missing reading takes the value of the hour before."""
    clean = deduplicated(weather, ["origin", "year", "month", "day", "hour"])
    clean = clean.sort_values(["origin", "year", "month", "day", "hour"], ignore_index=True)
    readings = ["temp", "wind_speed", "pressure", "visib"]
    clean[readings] = clean.groupby("origin")[readings].ffill(limit=3)
    clean["precip"] = clean["precip"].fillna(0.0)
    return clean.drop(columns=["wind_gust", "wind_dir"])


def carrier_delay(flights: pd.DataFrame, airlines: pd.DataFrame, *, min_flights: int) -> pd.DataFrame:
    """Mean delays in minutes, by carrier and month with at least `min_flights` flights; ordered by both."""
    flown = flights.dropna(subset=["dep_delay", "arr_delay"])
    grouped = flown.groupby(["carrier", "month"], as_index=False).agg(
        flight_count=("flight", "size"), mean_dep_delay=("dep_delay", "mean"), mean_arr_delay=("arr_delay", "mean")
    )
    enough = grouped[grouped["flight_count"] >= min_flights]
    named = enough.merge(airlines, on="carrier", how="left").rename(columns={"name": "airline"})
    return named.sort_values(["carrier", "month"], ignore_index=True).round({"mean_dep_delay": 2, "mean_arr_delay": 2})


def weather_impact(flights_with_weather: pd.DataFrame) -> pd.DataFrame:
    """Mean departure delay in minutes by wind and rain; keyed by (wind, rain), unique."""
    observed = flights_with_weather.dropna(subset=["dep_delay", "wind_speed"])
    wind = pd.cut(observed["wind_speed"], WIND_BANDS, labels=WIND_LABELS, right=False).astype(str)
    rain = (observed["precip"] > 0).map({True: "rain", False: "dry"})
    grouped = (
        observed.groupby([wind.rename("wind"), rain.rename("rain")])["dep_delay"].agg(["size", "mean"]).reset_index()
    )
    grouped = grouped.rename(columns={"size": "flight_count", "mean": "mean_dep_delay"})
    return grouped.sort_values(["wind", "rain"], ignore_index=True).round({"mean_dep_delay": 2})


def report(
    carrier_delay: pd.DataFrame,
    route_punctuality: pd.DataFrame,
    weather_impact: pd.DataFrame,
    fleet: pd.DataFrame,
    *,
    top: int,
) -> pd.DataFrame:
    """The `top` worst of each topic; keyed by (topic, item), `value` in the unit that `measure` names."""
    carriers = carrier_delay.groupby("airline", as_index=False).agg(mean_arr_delay=("mean_arr_delay", "mean")).round(2)
    routes = route_punctuality.assign(route=route_punctuality["origin"] + "-" + route_punctuality["dest"])
    weather = weather_impact.assign(item=weather_impact["wind"] + ", " + weather_impact["rain"])
    parts = [
        _worst(carriers, "carrier", "airline", "mean_arr_delay", "minutes late at arrival", top, ascending=False),
        _worst(routes, "route", "route", "punctuality", "share on time", top, ascending=True),
        _worst(weather, "weather", "item", "mean_dep_delay", "minutes late at departure", top, ascending=False),
        _worst(fleet, "aircraft", "manufacturer", "mean_dep_delay", "minutes late at departure", top, ascending=False),
    ]
    return pd.concat(parts, ignore_index=True)


def _worst(
    frame: pd.DataFrame, topic: str, item: str, value: str, measure: str, top: int, *, ascending: bool
) -> pd.DataFrame:
    ordered = frame.sort_values([value, item], ascending=[ascending, True], ignore_index=True).head(top)
    return pd.DataFrame(
        {"topic": topic, "item": ordered[item], "value": ordered[value].astype(float), "measure": measure}
    )
