"""A receipt is data of strangers: whatever stands in it, checking it ends in an answer or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edited import edits
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import AT, computed, item_of, line, table

from odibi_assets.decide.plan import World
from odibi_assets.declare.input import Input
from odibi_assets.errors import UsageError
from odibi_assets.execute.commit import commit
from odibi_assets.execute.receipt import Receipt, parse_receipt, receipt_of
from odibi_assets.execute.verification import verify
from odibi_assets.identify.file_digest import FileDigests
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation, path_state
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.results import open_results

RAW = StepIdentity("raw", "bronze", "read", Key("raw", code={"raw": item_of("1")}), reads=("orders.csv",))
CLEAN = StepIdentity(
    "clean",
    "silver",
    "python",
    Key("clean", code={"clean": item_of("1")}),
    bindings={"raw": Input("raw")},
    handed_as={"raw": "pandas.DataFrame"},
    upstream=("raw",),
)
FLIGHTS = PipelineIdentity("flights", ("bronze", "silver"), (RAW, CLEAN))


def make_world(root: Path) -> World:
    """Two steps, computed and current; the second was seen to read a file."""
    root.joinpath("orders.csv").write_text("n\n1\n")
    root.joinpath("rates.json").write_text("{}")
    results = open_results(root / "store")
    world = World(root, results, {}, FileDigests(), root / "local")
    seen = Observation("file", "rates.json", path_state("file", root / "rates.json"))
    references: dict[str, ResultReference] = {}
    for step in FLIGHTS.steps:
        made = computed(world.key(step, references), table(1, 2), trace=(seen,) if step is CLEAN else ())
        references[step.name] = commit(made, results).reference
    line(results).publish(references, run_id="run-1", at=AT)
    world.move_to(line(results).current())
    return world


def made_receipt(world: World) -> Receipt:
    plan = world.plan(FLIGHTS)
    return receipt_of(plan, "clean", world, pipeline="flights", source="flights.yaml", environment="default")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_receipt_gives_back_everything_and_holds(world: World) -> None:
    receipt = made_receipt(world)
    assert parse_receipt(json.dumps(receipt.to_json()).encode(), "receipt.json") == receipt
    checks = verify(receipt, FLIGHTS, world)
    assert {check.outcome for check in checks} == {"holds"}
    assert {(check.step, check.part) for check in checks} == {
        ("raw", "key"),
        ("raw", "code raw"),
        ("raw", "files orders.csv"),
        ("clean", "key"),
        ("clean", "code clean"),
        ("clean", "bindings raw"),
        ("clean", "read file rates.json"),
        ("clean", "output result"),
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Any]:
    world = make_world(tmp_path_factory.mktemp("sound"))
    return world, json.loads(json.dumps(made_receipt(world).to_json()))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_damage_to_a_receipt_is_more_than_a_difference_or_a_refusal(
    sound: tuple[World, Any], data: st.DataObject
) -> None:
    world, document = sound
    edited = json.dumps(data.draw(edits(document))).encode()
    try:
        receipt = parse_receipt(edited, "receipt.json")
    except UsageError:
        return
    assert verify(receipt, FLIGHTS, world)


def test_a_version_that_was_changed_in_a_receipt_is_found(world: World) -> None:
    document = made_receipt(world).to_json()
    raw, clean = document["steps"]
    raw["outputs"]["result"]["version"] = f"b3:{'0' * 64}"
    found = verify(parse_receipt(json.dumps(document).encode(), ""), FLIGHTS, world)
    assert ("clean", "bindings raw") in {(check.step, check.part) for check in found if check.outcome == "differs"}
    clean["components"]["bindings"]["raw"]["digest"] = f"b3:{'1' * 64}"
    found = verify(parse_receipt(json.dumps(document).encode(), ""), FLIGHTS, world)
    assert "the receipt was changed" in " ".join(check.text for check in found)
