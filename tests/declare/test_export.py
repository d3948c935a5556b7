"""What is exported and read again declares the same."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi_assets.declare.export import to_yaml
from odibi_assets.declare.yaml_source import parse_yaml
from odibi_assets.errors import UsageError
from odibi_assets.identify.digest import Digest

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates(), st.datetimes()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3)
)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_a_value_comes_back_as_the_same_value_or_is_refused(value: Any) -> None:
    try:
        text = to_yaml({"params": {"x": value}})
    except UsageError:
        return
    back = parse_yaml(text, file="exported.yaml").data["params"]["x"]
    assert Digest.of_struct("param", back) == Digest.of_struct("param", value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((1, 2), r"steps\[0\]\.params\.x is a tuple"),
        ({1}, r"steps\[0\]\.params\.x is a set"),
        ({"a": [{1}]}, r"steps\[0\]\.params\.x\.a\[0\]"),
        (object, r"steps\[0\]\.params\.x is a type"),
        (datetime.time(6), r"is a time"),
    ],
    ids=["tuple", "set", "inside", "class", "time of day"],
)
def test_what_yaml_has_no_word_for_is_refused_with_its_place(value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        to_yaml({"steps": [{"params": {"x": value}}]})


def test_a_function_that_no_reference_names_is_refused() -> None:
    with pytest.raises(UsageError, match="no reference can name"):
        to_yaml({"steps": [{"python": lambda: 1}]})


def test_a_function_is_named_by_its_module() -> None:
    assert to_yaml({"python": to_yaml}) == "python: odibi_assets.declare.export:to_yaml\n"
