"""A code location for tests that drive Dagster in their own process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from .code_location import CodeLocation


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeLocation]:
    """A small project: three layers, SQL and Python, a helper in a module of its own."""
    for name in list(os.environ):
        if name.startswith(("ODA_", "DAGSTER_")):
            monkeypatch.delenv(name)
    root = tmp_path / "project"
    home = tmp_path / "home"
    root.mkdir()
    home.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}}) as instance:
        location = CodeLocation(root, instance)
        write_project(location)
        yield location
        location.forget_modules()


def write_project(location: CodeLocation) -> None:
    location.write(
        "pipe.yaml",
        """
        name: shop
        steps:
          - name: orders
            layer: bronze
            description: As the shop sent them.
            read: {format: csv, path: data/orders.csv}
          - name: big_orders
            layer: silver
            inputs: [orders]
            python: transforms:big_orders
            params: {minimum: 2}
          - name: totals
            layer: gold
            inputs: [big_orders]
            sql: select customer, cast(sum(amount) as bigint) as amount from big_orders group by all order by customer
          - name: count
            layer: gold
            inputs: [orders]
            python: transforms:count
        """,
    )
    location.write(
        "transforms.py",
        """
        import pandas as pd

        import rules


        def called(name):
            with open("calls.log", "a") as file:
                file.write(name + "\\n")


        def big_orders(orders, *, minimum):
            called("big_orders")
            return orders[rules.is_big(orders["amount"], minimum)]


        def count(orders):
            called("count")
            return pd.DataFrame({"orders": [len(orders)]})
        """,
    )
    location.write(
        "rules.py",
        """
        def is_big(amount, minimum):
            return amount >= minimum


        def unrelated():
            return 1
        """,
    )
    location.write("data/orders.csv", "id,customer,amount\n1,1,1\n2,2,2\n3,1,3\n4,2,4\n")
