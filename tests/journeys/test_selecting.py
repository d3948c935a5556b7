"""Running a part of a pipeline: what is selected, what is passed over, and what the rest takes then."""

from __future__ import annotations

from typing import Any

import pytest
from project_folder import ProjectFolder

from .shop import STEPS, computed, make_shop


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    return make_shop(project)


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in document["steps"]}


def test_a_selection_runs_with_all_that_it_needs_and_lists_nothing_else(shop: ProjectFolder) -> None:
    assert shop.outcomes("--select", "+big_orders", "--select", "customers") == dict.fromkeys(
        ("orders", "customers", "big_orders"), "computed"
    )
    assert shop.outcomes("--select", "big_orders+1") == {"big_orders": "cached", "named_orders": "computed"}
    assert shop.outcomes("--select", "layer:gold") == {"totals": "computed", "summary": "computed"}


@pytest.mark.parametrize("full", [False, True], ids=["quick", "full"])
def test_a_plan_takes_the_same_selection(shop: ProjectFolder, full: bool) -> None:
    shop.run("--select", "orders")
    answer = shop.oda("plan", "pipe.yaml", "--select", "+big_orders", "--skip", "orders", "--json", full=full)
    steps = by_name(answer.json)
    assert {name: step["outcome"] for name, step in steps.items()} == {"orders": "skipped", "big_orders": "miss"}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("option", ["--select", "--skip"])
def test_a_name_that_is_not_there_is_refused_with_the_nearest(shop: ProjectFolder, command: str, option: str) -> None:
    answer = shop.oda(command, "pipe.yaml", option, "+totls")
    assert answer.status == 2
    assert "Did you mean 'totals'" in answer.stderr


def test_what_needs_a_skipped_step_takes_its_current_result(shop: ProjectFolder) -> None:
    before = by_name(shop.run())
    shop.edit("rules.py", "amount >= floor(minimum)", "amount > floor(minimum)")
    shop.edit("pipe.yaml", "select orders.*, customers.name", "select orders.*, upper(customers.name) as name")
    document = shop.run("--skip", "big_orders")
    after = by_name(document)
    assert document["status"] == "success"
    assert list(after) == list(STEPS)
    assert (after["big_orders"]["outcome"], after["big_orders"]["version"]) == ("skipped", None)
    assert computed({name: step["outcome"] for name, step in after.items()}) == {"named_orders", "totals", "summary"}
    assert after["named_orders"]["rows"] == before["named_orders"]["rows"]
    assert len(shop.data("big_orders")) == 3
    assert [row["name"] for row in shop.data("totals")] == ["ANN", "BOB"]


@pytest.mark.parametrize("mode", ["auto", "layer"])
def test_without_a_current_result_what_needs_the_skipped_step_is_skipped_too(shop: ProjectFolder, mode: str) -> None:
    shop.edit("pipe.yaml", "name: shop", f"name: shop\ncheckpoint: {{mode: {mode}}}")
    document = shop.run("--skip", "customers")
    steps = by_name(document)
    assert {name: step["outcome"] for name, step in steps.items()} == {
        "orders": "computed",
        "customers": "skipped",
        "big_orders": "computed",
        "named_orders": "skipped",
        "totals": "skipped",
        "summary": "skipped",
    }
    assert document["status"] == "success"
    assert "customers" in steps["named_orders"]["reason"]
    assert len(shop.data("big_orders")) == 3
    (run,) = shop.oda("history", "pipe.yaml", "--json").json["runs"]
    assert (run["status"], run["steps"]["totals"], run["can_resume"]) == ("success", "skipped", False)


def test_a_run_in_which_everything_but_the_skipped_is_reused_launches_none(shop: ProjectFolder) -> None:
    shop.run()
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    document = shop.run("--skip", "summary")
    assert document["run_id"] is None
    assert by_name(document)["summary"]["outcome"] == "skipped"
    assert shop.outcomes("--skip", "*") == dict.fromkeys(STEPS, "skipped")


def test_a_resume_goes_around_a_step(shop: ProjectFolder) -> None:
    shop.run()
    shop.write("broken", "")
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.edit("data/customers.csv", "ann", "eve")
    failed = shop.run(status=1)
    answer = shop.oda("resume", "pipe.yaml", "--skip", "big_orders", "--json")
    assert answer.status == 0
    outcomes = {name: step["outcome"] for name, step in by_name(answer.json).items()}
    assert outcomes["big_orders"] == "skipped"
    assert computed(outcomes) == {"named_orders", "totals", "summary"}
    assert answer.json["parent_run_id"] == failed["run_id"]
    assert shop.data("totals") == [{"name": "bob", "amount": 6}, {"name": "eve", "amount": 3}]


def test_a_resume_passes_over_what_the_run_passed_over(shop: ProjectFolder) -> None:
    shop.run("--select", "customers")
    shop.edit("data/customers.csv", "ann", "eve")
    shop.write("broken", "")
    shop.run("--skip", "customers", status=1)
    (shop.root / "broken").unlink()
    document = shop.oda("resume", "pipe.yaml", "--json").json
    assert by_name(document)["customers"]["outcome"] == "skipped"
    assert [row["name"] for row in shop.data("totals")] == ["ann", "bob"]
