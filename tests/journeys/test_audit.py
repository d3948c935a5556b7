"""An audit computes hits again, aside, and says how often a skip would have been wrong, and where."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from project_folder import ProjectFolder, Zygote

from .shop import STEPS, computed, make_shop


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    """The shop, run once; its last step shows when a file was written, which reuse is known not to see."""
    made = make_shop(ProjectFolder(tmp_path_factory.mktemp("origin"), zygote))
    made.write("stamp", "")
    os.utime(made.root / "stamp", (10, 10))
    made.edit("transforms.py", "+ OFFSET", '+ int(pathlib.Path("stamp").stat()[8])')
    made.run()
    return made


@pytest.fixture
def shop(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    shutil.copytree(origin.root, project.root, dirs_exist_ok=True)
    return project


def audit(project: ProjectFolder, *arguments: str, status: int = 0) -> dict[str, Any]:
    answer = project.oda("cache", "audit", "shop", *arguments, "--json")
    assert answer.status == status, answer.text
    document: dict[str, Any] = answer.json
    return document


def by_step(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["step"]: step for step in document["steps"]}


def files(root: Path) -> dict[str, bytes]:
    """Everything in a project but what is of this machine and of the commands in the tests."""
    found = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    own = (".oda/local/", ".std", "dagster_home/")
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(own)}


def test_where_nothing_hides_all_comes_out_the_same_and_the_rate_has_an_exact_bound(shop: ProjectFolder) -> None:
    document = audit(shop, "--sample", "100%")
    assert {step["step"]: step["outcome"] for step in document["steps"]} == dict.fromkeys(STEPS, "same")
    assert (document["hits"], document["recomputed"], document["differed"], document["rate"]) == (6, 6, 0, 0.0)
    assert document["upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 6))
    text = shop.oda("cache", "audit", "shop", "--sample", "100%").stdout
    assert "Wrong skips: 0.0% measured; with 95% confidence at most 39.3%" in text


def test_a_hidden_input_is_found_and_the_values_are_named(shop: ProjectFolder) -> None:
    os.utime(shop.root / "stamp", (20, 20))
    assert shop.plan()["summary"]["outcome"] == "hit"
    document = audit(shop, "--sample", "100%", status=1)
    found = by_step(document)
    assert {name for name, step in found.items() if step["outcome"] == "differs"} == {"summary"}
    assert found["summary"]["places"] == [
        {"output": "result", "column": "column amount", "row": 1, "before": "13", "after": "23"},
        {"output": "result", "column": "column amount", "row": 2, "before": "16", "after": "26"},
    ]
    assert (document["differed"], document["rate"]) == (1, pytest.approx(1 / 6))
    answer = shop.oda("cache", "audit", "shop", "--sample", "100%")
    assert answer.status == 1
    assert "  column amount, row 1: 13 → 23" in answer.stdout


def test_what_differs_is_marked_and_what_is_current_stays(shop: ProjectFolder) -> None:
    os.utime(shop.root / "stamp", (20, 20))
    before = shop.data("summary")
    version = shop.plan()["summary"]["version"]
    audit(shop, "--sample", "100%", status=1)
    (listed,) = shop.oda("cache", "ls", "summary", "--json").json["results"]
    assert (listed["generation"], listed["version"], listed["nondeterministic"]) == (1, version, True)
    assert "nondeterministic" in shop.oda("cache", "ls", "summary").stdout
    assert "nondeterministic" in shop.oda("cache", "show", "summary").stdout
    assert "It is nondeterministic" in shop.oda("why", "shop", "summary").stdout
    assert shop.oda("accept", "shop", "summary").status == 2
    assert computed(shop.outcomes()) == set()
    assert shop.data("summary") == before


def test_an_audit_that_finds_nothing_changes_no_file(shop: ProjectFolder) -> None:
    shop.edit(
        "pipe.yaml", "python: transforms:summary", "python: transforms:summary\n    write: {format: csv, path: out.csv}"
    )
    shop.run()
    (shop.root / "out.csv").unlink()
    before = files(shop.root)
    audit(shop, "--sample", "100%")
    assert files(shop.root) == before
    assert [path.name for path in (shop.root / ".oda/local").iterdir() if path.name.startswith("audit-")] == []


def test_a_seed_draws_the_same_sample_and_at_least_one_hit_is_drawn(shop: ProjectFolder) -> None:
    drawn = [
        [step["step"] for step in audit(shop, "--sample", "34%", "--seed", str(seed))["steps"]] for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(names) for names in drawn] == [3, 3, 3]
    assert audit(shop)["recomputed"] == 1
    assert audit(shop, "--seed", "7")["seed"] == 7


def test_without_a_hit_there_is_nothing_to_audit(project: ProjectFolder) -> None:
    make_shop(project)
    document = audit(project)
    assert (document["hits"], document["recomputed"], document["rate"], document["upper_bound"]) == (0, 0, None, None)
    assert "no step is a hit" in project.oda("cache", "audit", "shop").stdout


def test_a_step_whose_input_is_gone_is_listed_and_not_counted(shop: ProjectFolder) -> None:
    digest = shop.oda("cache", "show", "customers", "--json").json["outputs"]["result"]["blobs"][0]["digest"][3:]
    blob = shop.root / ".oda/blobs" / digest[:2] / digest
    blob.write_bytes(bytes(reversed(blob.read_bytes())))
    document = audit(shop, "--sample", "100%")
    found = by_step(document)
    assert found["named_orders"]["outcome"] == "left out"
    assert "its input customers is gone" in found["named_orders"]["note"]
    assert document["recomputed"] == 5


def test_steps_that_reach_out_of_the_store_are_left_out(shop: ProjectFolder) -> None:
    shop.write("undo.py", "def forget(context):\n    pass\n")
    shop.edit("pipe.yaml", "python: transforms:summary", "python: transforms:summary\n    rollback: undo:forget")
    text = (shop.root / "pipe.yaml").read_text()
    text += "  - {name: fetched, layer: gold, python: 'transforms:fetched', cache: {ttl: 3600}}\n"
    text += (
        "  - name: made\n    layer: gold\n    inputs: [totals]\n    command: [cp, data/orders.csv, made.csv]\n"
        "    files: [data/orders.csv]\n    outputs: {made: {path: made.csv, format: file}}\n"
    )
    (shop.root / "pipe.yaml").write_text(text)
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 0\n\n\ndef fetched():\n    return {'a': 1}")
    shop.run()
    document = audit(shop, "--sample", "100%")
    left_out = {step["step"]: step["note"] for step in document["steps"] if step["outcome"] == "left out"}
    assert set(left_out) == {"summary", "fetched", "made"}
    assert "rollback" in left_out["summary"]
    assert "ttl" in left_out["fetched"]
    assert "made.csv" in left_out["made"]
    assert document["recomputed"] == 5


def test_a_step_that_fails_when_it_is_computed_again_is_left_out_with_its_error(shop: ProjectFolder) -> None:
    shop.edit(
        "transforms.py",
        "    return totals.assign(",
        "    assert pathlib.Path('stamp').stat()[8] < 15\n    return totals.assign(",
    )
    shop.run()
    os.utime(shop.root / "stamp", (20, 20))
    document = audit(shop, "--sample", "100%")
    assert "computing it failed: AssertionError" in by_step(document)["summary"]["note"]


def test_a_step_that_takes_longer_than_its_timeout_is_left_out(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "python: transforms:summary", "python: transforms:summary\n    timeout: 2")
    shop.edit("transforms.py", "import rules", "import time\n\nimport rules")
    shop.edit(
        "transforms.py",
        "    return totals.assign(",
        "    time.sleep(0 if pathlib.Path('stamp').stat()[8] < 15 else 60)\n    return totals.assign(",
    )
    shop.run()
    os.utime(shop.root / "stamp", (20, 20))
    found = by_step(audit(shop, "--sample", "100%"))["summary"]
    assert (found["outcome"], "it took longer than its timeout of 2 s" in found["note"]) == ("left out", True)


def test_rows_of_a_statement_in_an_order_that_it_does_not_promise_are_the_same(project: ProjectFolder) -> None:
    project.write("data/numbers.csv", "n\n" + "".join(f"{n}\n" for n in range(1000)))
    project.write(
        "pipe.yaml",
        """
        name: shop
        steps:
          - {name: numbers, layer: bronze, read: {format: csv, path: data/numbers.csv}}
          - name: grouped
            layer: silver
            inputs: [numbers]
            sql: select (a.n * 1000 + b.n) % 300000 as k, count(*)::bigint as c from numbers a, numbers b group by k
        """,
    )
    project.run()
    assert by_step(audit(project, "--sample", "100%"))["grouped"]["outcome"] == "same"


def test_an_accepted_result_that_is_wrong_is_found_with_who_accepted_it(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    assert shop.oda("accept", "shop", "big_orders").status == 0
    found = by_step(audit(shop, "--sample", "100%", status=1))["big_orders"]
    assert "it was accepted by " in found["note"]
    assert found["places"][0] == {"output": "result", "column": "rows", "row": None, "before": "3", "after": "2"}


def test_what_a_step_saves_of_its_work_stays_aside(shop: ProjectFolder) -> None:
    shop.edit(
        "transforms.py",
        "def summary(totals):",
        "def summary(totals, context):\n    context.state.save({'at': 1})\n    context.checkpoint()",
    )
    shop.run()
    before = files(shop.root)
    assert by_step(audit(shop, "--sample", "100%"))["summary"]["outcome"] == "same"
    assert files(shop.root) == before


@pytest.mark.parametrize("sample", ["5", "0%", "101%", "much"])
def test_a_sample_that_is_no_percentage_is_refused(shop: ProjectFolder, sample: str) -> None:
    answer = shop.oda("cache", "audit", "shop", "--sample", sample)
    assert answer.status == 2
    assert "expected a percentage" in answer.stderr
