"""Expressions of --select over a graph: a diamond with a tail, and a step of its own."""

from __future__ import annotations

import pytest

from odibi_assets.decide.selection import select
from odibi_assets.errors import UsageError
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.key import Key

GRAPH = {
    "orders": ("bronze", ()),
    "customers": ("bronze", ()),
    "clean_orders": ("silver", ("orders",)),
    "clean_customers": ("silver", ("customers",)),
    "joined": ("gold", ("clean_orders", "clean_customers")),
    "report": ("gold", ("joined",)),
}
PIPELINE = PipelineIdentity(
    "shop",
    ("bronze", "silver", "gold", "platinum"),
    tuple(StepIdentity(name, layer, "sql", Key(name), upstream=needs) for name, (layer, needs) in GRAPH.items()),
)


@pytest.mark.parametrize(
    ("expressions", "selected"),
    [
        ("joined", "joined"),
        ("*", " ".join(GRAPH)),
        ("clean_*", "clean_orders clean_customers"),
        ("layer:gold", "joined report"),
        ("layer:*er", "clean_orders clean_customers"),
        ("+clean_orders", "orders clean_orders"),
        ("+joined", "orders customers clean_orders clean_customers joined"),
        ("clean_orders+", "clean_orders joined report"),
        ("+clean_orders+", "orders clean_orders joined report"),
        ("1+joined", "clean_orders clean_customers joined"),
        ("orders+2", "orders clean_orders joined"),
        ("1+clean_orders+1", "orders clean_orders joined"),
        ("0+joined", "joined"),
        ("+layer:silver", "orders customers clean_orders clean_customers"),
        ("+clean_*+1", "orders customers clean_orders clean_customers joined"),
        ("+joined,layer:silver", "clean_orders clean_customers"),
        ("orders+,+joined", "orders clean_orders joined"),
        ("report orders", "orders report"),
        ("1+report layer:bronze", "orders customers joined report"),
    ],
)
def test_an_expression_selects(expressions: str, selected: str) -> None:
    assert select(PIPELINE, expressions.split()) == tuple(selected.split())


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("joind", ["no step 'joind'", "Did you mean 'joined'"]),
        ("+joind", ["Did you mean 'joined'"]),
        ("layer:silvr", ["no layer 'silvr'", "Did you mean 'silver'"]),
        ("stage_*", ["no step 'stage_*'"]),
        ("+", ["can't be read", "layer:NAME"]),
        ("", ["can't be read"]),
        ("a++b", ["can't be read"]),
        ("orders,report", ["selects no step"]),
        ("layer:platinum", ["selects no step"]),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest_name(expression: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        select(PIPELINE, [expression])
    for word in words:
        assert word in str(raised.value)
