"""The pipeline flights as one plain process: the same transforms in order, each result written as Parquet with pyarrow.

python plain_flights.py PROJECT OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from odibi_assets.defs import flights as package
from odibi_assets.defs.flights import transforms


def main(project: Path, out: Path) -> None:
    folder = Path(package.__file__).parent
    steps = yaml.safe_load((folder / "defs.yaml").read_text())["attributes"]["steps"]
    out.mkdir(parents=True, exist_ok=True)
    frames: dict[str, pd.DataFrame] = {}
    for step in steps:
        inputs = step.get("inputs", [])
        bound = inputs if isinstance(inputs, dict) else {name: name for name in inputs}
        if "read" in step:
            result = pd.read_csv(project / step["read"]["path"], **step["read"].get("options", {}))
        elif "sql" in step:
            sql = step["sql"] if isinstance(step["sql"], str) else (folder / step["sql"]["file"]).read_text()
            connection = duckdb.connect()
            for name, source in bound.items():
                connection.register(name, frames[source])
            result = connection.sql(sql).df()
        else:
            params = {"longest_delay": 1440} if step["name"] == "clean_flights" else step.get("params", {})
            function = getattr(transforms, step["python"].partition(":")[2])
            result = function(**{name: frames[source] for name, source in bound.items()}, **params)
        pq.write_table(pa.Table.from_pandas(result), out / f"{step['name']}.parquet")
        frames[step["name"]] = result


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
