"""What a key is made of, what moves it, and what it leaves out."""

from __future__ import annotations

import dataclasses
import json

import pytest

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import KEY_SCHEMA, SECTIONS, Key


def item(value: object, **facts: object) -> Item:
    return Item(Digest.of_struct("test", value), "value", **facts)  # type: ignore[arg-type]


KEY = Key("clean", **{section: {"a": item(section), "b": item(1)} for section in SECTIONS})


def test_the_digest_of_a_key_is_what_it_ever_was() -> None:
    assert KEY_SCHEMA == 1
    assert KEY.digest().hex == "47666a9cd8f2dbfc4a63462424156a017a839ab4b5e00b03719a7be730d0e7f7"
    assert Key("clean").digest().hex == "de6b00a789405cbf0a21a3c8a2059a2be192615cba77c81078d88d9881e34aee"


def test_every_part_of_a_key_is_a_section() -> None:
    assert {field.name for field in dataclasses.fields(Key)} == {"step", *SECTIONS}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_counts(section: str) -> None:
    changed = dataclasses.replace(KEY, **{section: {"a": item("other"), "b": item(1)}})
    renamed = dataclasses.replace(KEY, **{section: {"c": item(section), "b": item(1)}})
    fewer = dataclasses.replace(KEY, **{section: {"b": item(1)}})
    assert len({key.digest() for key in (KEY, changed, renamed, fewer)}) == 4


def test_an_item_counts_for_the_section_it_is_in() -> None:
    assert len({Key("x", **{section: {"a": item(1)}}).digest() for section in SECTIONS}) == len(SECTIONS)


def test_the_steps_name_counts() -> None:
    assert dataclasses.replace(KEY, step="other").digest() != KEY.digest()


def test_the_order_of_names_does_not_count() -> None:
    one, other = Key("x", params={"a": item(1), "b": item(2)}), Key("x", params={"b": item(2), "a": item(1)})
    assert one.digest() == other.digest()


def test_exchanged_values_are_another_key() -> None:
    one, other = Key("x", params={"a": item(1), "b": item(2)}), Key("x", params={"a": item(2), "b": item(1)})
    assert one.digest() != other.digest()


def test_what_is_only_shown_does_not_count() -> None:
    bare, told = (
        Key("x", code={"f": item(1)}),
        Key("x", code={"f": item(1, shown="1", place="m.py:3", detail={"rows": 1})}),
    )
    assert bare.digest() == told.digest()


def test_the_code_version_leaves_out_the_versions_of_inputs_and_nothing_else() -> None:
    moved = dataclasses.replace(KEY, bindings={"a": item("another version")})
    assert moved.code_version() == KEY.code_version()
    assert moved.digest() != KEY.digest()
    for section in set(SECTIONS) - {"bindings"}:
        assert dataclasses.replace(KEY, **{section: {}}).code_version() != KEY.code_version()


def test_a_key_made_of_one_that_was_digested_is_digested_anew() -> None:
    before = KEY.digest()
    assert dataclasses.replace(KEY, bindings={"a": item("another version")}).digest() != before
    assert dataclasses.replace(KEY).digest() == before


def test_a_key_comes_back_from_json() -> None:
    told = dataclasses.replace(KEY, code={"f": item(1, shown="1", place="m.py:3", detail={"rows": 1})})
    back = Key.from_json(json.loads(json.dumps(told.to_json())))
    assert back == told
    assert back.digest() == told.digest()


def test_a_key_says_its_schema() -> None:
    assert KEY.to_json()["schema"] == KEY_SCHEMA


def test_items_walks_every_section() -> None:
    assert [(section, name) for section, name, _ in KEY.items()] == [(s, n) for s in SECTIONS for n in ("a", "b")]
