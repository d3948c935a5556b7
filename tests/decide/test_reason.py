"""Why a step runs, as the difference of two keys."""

from __future__ import annotations

import pytest

from odibi_assets.decide.reason import Reason, differences, sentence
from odibi_assets.declare.input import Input
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.keep.result import OutputReference, binding_item


def item(value: object, kind: str, shown: str | None = None, place: str | None = None) -> Item:
    return Item(Digest.of_struct("item", value), kind, shown, place)


def binding(version: int, rows: int, columns: dict[str, int], step: str = "orders") -> Item:
    reference = OutputReference(Digest.of_struct("version", version), rows)
    digests = {name: Digest.of_struct("column", value) for name, value in columns.items()}
    return binding_item(Input.parse(step), "pandas.DataFrame", reference, digests)


CASES = {
    "helper rules.is_big changed (rules.py:2)": (
        Key("s", code={"rules.is_big": item(1, "helper", place="rules.py:2")}),
        Key("s", code={"rules.is_big": item(2, "helper", place="rules.py:2")}),
    ),
    "value rules.LIMIT changed 3 → 4 (rules.py:1)": (
        Key("s", code={"rules.LIMIT": item(3, "value", "3", "rules.py:1")}),
        Key("s", code={"rules.LIMIT": item(4, "value", "4", "rules.py:1")}),
    ),
    "helper rules.new is new (rules.py:9)": (
        Key("s"),
        Key("s", code={"rules.new": item(1, "helper", place="rules.py:9")}),
    ),
    "the SQL statement changed (pipe.yaml:7)": (
        Key("s", code={"statement": item(1, "sql", "select 1", "pipe.yaml:7")}),
        Key("s", code={"statement": item(2, "sql", "select 2", "pipe.yaml:7")}),
    ),
    "param limit changed 2 → 4": (
        Key("s", params={"limit": item(2, "param", "2")}),
        Key("s", params={"limit": item(4, "param", "4")}),
    ),
    "param limit is gone": (Key("s", params={"limit": item(2, "param", "2")}), Key("s")),
    "file data/orders.csv changed": (
        Key("s", files={"000000": item(1, "file", "data/orders.csv")}),
        Key("s", files={"000000": item(2, "file", "data/orders.csv")}),
    ),
    "environment variable REGION changed": (
        Key("s", env={"REGION": item(1, "variable", "set")}),
        Key("s", env={"REGION": item(2, "variable", "set")}),
    ),
    "pandas changed 2.3.2 → 2.3.3": (
        Key("s", engine={"pandas": item(1, "library", "2.3.2")}),
        Key("s", engine={"pandas": item(2, "library", "2.3.3")}),
    ),
    "input orders changed: column amount; rows 4 → 5": (
        Key("s", bindings={"orders": binding(1, 4, {"id": 1, "amount": 1})}),
        Key("s", bindings={"orders": binding(2, 5, {"id": 1, "amount": 2})}),
    ),
    "input orders changed: without id": (
        Key("s", bindings={"orders": binding(1, 4, {"id": 1, "amount": 1})}),
        Key("s", bindings={"orders": binding(2, 4, {"amount": 1})}),
    ),
    "input orders changed: step orders → others": (
        Key("s", bindings={"orders": binding(1, 4, {})}),
        Key("s", bindings={"orders": binding(2, 4, {}, "others")}),
    ),
}


@pytest.mark.parametrize("expected", CASES)
def test_a_change_is_one_sentence(expected: str) -> None:
    before, after = CASES[expected]
    assert [str(reason) for reason in differences(before, after)] == [expected]


def test_equal_keys_differ_in_nothing() -> None:
    for before, after in CASES.values():
        assert list(differences(before, before)) == list(differences(after, after)) == []


def test_a_line_names_three_reasons_and_counts_the_others() -> None:
    reasons = tuple(Reason("params", f"param {name} changed") for name in "abcde")
    assert sentence(reasons) == "param a changed; param b changed; param c changed; and 2 more"
