"""Stored objects: equal values have equal bytes, and what can't be read is told apart from what is not there."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi_assets.errors import DamagedObject, UnknownLayout
from odibi_assets.keep import canonical_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.text().filter(lambda name: name != "v"), VALUES, max_size=5)


@given(value=OBJECTS)
def test_what_is_dumped_is_loaded_with_its_version(value: dict[str, Any]) -> None:
    assert canonical_json.load(canonical_json.dump(value), "x") == {**value, "v": 1}


@given(value=OBJECTS)
def test_the_order_in_which_an_object_was_made_does_not_count(value: dict[str, Any]) -> None:
    assert canonical_json.dump(value) == canonical_json.dump(dict(reversed(value.items())))


def test_the_name_of_a_file_that_is_no_utf_8_comes_back() -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    assert canonical_json.load(canonical_json.dump({"file": name}), "x")["file"] == name


def test_the_bytes_are_these() -> None:
    value = {"ü": [1, 1.0, None, True, "\n"], "a": {"z": 1, "b": 2}}
    expected = '{"a":{"b":2,"z":1},"v":1,"ü":[1,1.0,null,true,"\\n"]}'
    assert canonical_json.dump(value) == expected.encode()


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"{", b"null", b"1", b'"text"', b"[]", b"\xff\xfe{}", b'{"v":1}x', b"[" * 100_000],
    ids=range(10),
)
def test_what_is_no_json_object_is_damaged_and_named(data: bytes) -> None:
    with pytest.raises(DamagedObject, match="'heads/default/flights'.*damaged"):
        canonical_json.load(data, "heads/default/flights")


@pytest.mark.parametrize("version", [None, 0, 2, "1", [1]])
def test_another_version_is_refused_and_not_guessed(version: object) -> None:
    with pytest.raises(UnknownLayout, match="another version of odibi-assets wrote it"):
        canonical_json.load(json.dumps({"v": version, "a": 1}).encode(), "x")


def test_an_object_without_a_version_is_refused() -> None:
    with pytest.raises(UnknownLayout):
        canonical_json.load(b"{}", "x")


def test_a_cut_anywhere_is_noticed() -> None:
    data = canonical_json.dump({"steps": {"a": ["b3:00", 1]}, "parent": None})
    for length in range(len(data)):
        with pytest.raises(DamagedObject):
            canonical_json.load(data[:length], "x")


@given(value=OBJECTS.filter(lambda value: "digest" not in value))
def test_what_is_sealed_is_loaded(value: dict[str, Any]) -> None:
    assert canonical_json.load_sealed(canonical_json.dump_sealed(value), "x") == {**value, "v": 1}


def test_what_was_changed_under_its_seal_is_damaged() -> None:
    data = canonical_json.dump_sealed({"rows": 10, "name": "a"})
    for changed in (data.replace(b"10", b"11"), data.replace(b'"a"', b'"b"'), canonical_json.dump({"rows": 10})):
        with pytest.raises(DamagedObject, match="does not hash"):
            canonical_json.load_sealed(changed, "x")


def test_a_seal_that_stands_elsewhere_in_the_object_is_none() -> None:
    data = canonical_json.dump_sealed({"inner": {"rows": 10}})
    seal = data[data.index(b'"digest"') : data.index(b'"inner"')]
    moved = data.replace(seal, b"").replace(b'{"rows"', b"{" + seal + b'"rows"')
    assert b'{"digest"' in moved
    with pytest.raises(DamagedObject, match="does not hash"):
        canonical_json.load_sealed(moved, "x")


def test_an_object_that_was_laid_out_anew_keeps_its_seal() -> None:
    data = canonical_json.dump_sealed({"rows": 10, "name": "a"})
    again = json.dumps(dict(reversed(json.loads(data).items())), indent=1).encode()
    assert canonical_json.load_sealed(again, "x") == canonical_json.load_sealed(data, "x")
