"""What a resume may be asked for, and how often a run may be resumed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from project_folder import ProjectFolder

from .shop import STEPS, computed, make_shop


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    """A project whose silver step fails while there is a file named ``broken``."""
    make_shop(project)
    project.write("broken", "")
    return project


def outcomes(answer: object) -> dict[str, str]:
    return {step["name"]: step["outcome"] for step in answer["steps"]}  # type: ignore[index]


def mend(shop: ProjectFolder) -> None:
    (shop.root / "broken").unlink()


def test_without_retry_failed_only_what_was_never_started_runs(shop: ProjectFolder) -> None:
    mend(shop)
    shop.run()
    shop.write("broken", "")
    shop.edit("data/orders.csv", "4,2,4", "4,2,5")
    shop.edit("data/customers.csv", "ann", "eve")
    shop.run(status=1)
    answer = shop.oda("resume", "pipe.yaml", "--no-retry-failed", "--json")
    assert answer.status == 0
    found = outcomes(answer.json)
    assert found["big_orders"] == "skipped"
    assert computed(found) == {"named_orders", "totals", "summary"}
    assert shop.data("totals") == [{"name": "bob", "amount": 6}, {"name": "eve", "amount": 3}]


def test_without_preserve_completed_everything_runs_again(shop: ProjectFolder) -> None:
    failed = shop.run(status=1)
    mend(shop)
    answer = shop.oda("resume", "pipe.yaml", "--no-preserve-completed", "--json")
    assert answer.status == 0
    assert outcomes(answer.json) == dict.fromkeys(STEPS, "computed")
    assert answer.json["parent_run_id"] == failed["run_id"]


def test_a_run_is_resumed_so_often_and_no_more(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "name: shop", "name: shop\nresume: {max_attempts: 3}")
    shop.run(status=1)
    assert shop.oda("resume", "pipe.yaml").status == 1
    assert shop.oda("resume", "pipe.yaml").status == 1
    mend(shop)
    answer = shop.oda("resume", "pipe.yaml")
    assert answer.status == 2
    for words in ("was tried 3 times", "resume.max_attempts", "start a new run"):
        assert words in answer.stderr
    last, *earlier = shop.oda("history", "pipe.yaml", "--json").json["runs"]
    assert not last["can_resume"]
    assert "was tried 3 times" in last["why_not"]
    assert len(earlier) == 2
    assert computed(shop.outcomes()) == {"big_orders", "named_orders", "totals", "summary"}


def test_the_budget_is_that_of_one_run_and_not_of_the_pipeline(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "name: shop", "name: shop\nresume: {max_attempts: 2}")
    for _ in range(3):
        shop.run(status=1)
        assert shop.oda("resume", "pipe.yaml").status == 1
    assert shop.oda("resume", "pipe.yaml").status == 2


def test_python_may_ask_for_the_same(shop: ProjectFolder) -> None:
    shop.write(
        "pipe.py",
        """
        import odibi_assets as oda
        import transforms

        shop = oda.Pipeline("shop", resume={"max_attempts": 3})
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")
        shop.step(layer="silver", params={"minimum": 2})(transforms.big_orders)
        """,
    )
    shop.write(
        "use.py",
        """
        import os

        from pipe import shop

        assert not shop.run().success
        print(dict(shop.resume(retry_failed=False).outcomes))
        assert not shop.run().success
        os.remove("broken")
        print(dict(shop.resume(preserve_completed=False).outcomes), shop.can_resume())
        """,
    )
    env = {**os.environ, **shop.env, "ODA_PROJECT": str(shop.root)}
    answer = subprocess.run([sys.executable, "use.py"], cwd=shop.root, env=env, capture_output=True, text=True)
    assert answer.stdout.splitlines() == [
        "{'orders': 'cached', 'big_orders': 'skipped'}",
        "{'orders': 'computed', 'big_orders': 'computed'} False",
    ], answer.stderr
