"""Keeping house in the store, as a user does: look, invalidate, clear, collect, copy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from project_folder import ProjectFolder, Zygote
from servers.seaweedfs import SeaweedFS

from .shop import STEPS, computed, make_shop

ODA = Path(sys.executable).with_name("oda")
KEEP_LITTLE = "retention: {results: 0, snapshots: 1, grace_days: 0}"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    """The shop, run once, then with another minimum: ``once`` and ``twice`` are copied from it."""
    made = make_shop(ProjectFolder(tmp_path_factory.mktemp("origin") / "once", zygote))
    made.run()
    shutil.copytree(made.root, made.root.with_name("twice"))
    twice = ProjectFolder(made.root.with_name("twice"), zygote)
    assert computed(twice.outcomes("--set", "minimum=3")) == {"big_orders", "named_orders", "totals", "summary"}
    return made


@pytest.fixture
def once(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    """A project in which everything is computed and current."""
    shutil.copytree(origin.root, project.root, dirs_exist_ok=True)
    return project


@pytest.fixture
def twice(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    """The same, and four steps have an earlier result."""
    shutil.copytree(origin.root.with_name("twice"), project.root, dirs_exist_ok=True)
    return project


def cache(project: ProjectFolder, *arguments: str, status: int = 0) -> Any:
    """Run a cache command; returns its JSON document."""
    answer = project.oda("cache", *arguments, "--json")
    assert answer.status == status, answer.text
    return answer.json


def blobs(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in (root / "blobs").rglob("*/*") if ".locks" not in path.parts}


# Show.


def test_show_tells_all_of_one_result_by_step_or_key(once: ProjectFolder) -> None:
    run_id = once.oda("history", "shop", "--json").json["runs"][0]["run_id"]
    document = cache(once, "show", "big_orders")
    assert document["step"] == "big_orders"
    assert document["key"] == once.plan()["big_orders"]["key"]
    assert document["current_in"] == [{"environment": "default", "pipeline": "shop", "step": "big_orders"}]
    assert document["components"]["params"]["minimum"]["shown"] == "2"
    assert document["outputs"]["result"]["schema"]["amount"] == "int64"
    assert [blob["is_there"] for blob in document["outputs"]["result"]["blobs"]] == [True]
    assert any("broken" in str(seen) for seen in document["trace"])
    assert document["run_id"] == run_id
    assert cache(once, "show", document["key"][:12]) == document
    text = once.oda("cache", "show", "big_orders").stdout
    for part in ("current: shop in default", "minimum = 2", "rules.is_big", "transforms.py", "3 rows", "column"):
        assert part in text, part


def test_show_finds_what_is_current_in_this_environment_else_the_newest(once: ProjectFolder) -> None:
    first = cache(once, "show", "big_orders")["key"]
    once.env["ODA_ENVIRONMENT"] = "dev"
    once.run("--set", "minimum=3")
    second = cache(once, "show", "big_orders")["key"]
    assert second != first
    once.env["ODA_ENVIRONMENT"] = "default"
    assert cache(once, "show", "big_orders")["key"] == first
    once.env["ODA_ENVIRONMENT"] = "empty"
    assert cache(once, "show", "big_orders")["key"] == second


def test_a_key_that_nobody_has_is_said_so(once: ProjectFolder) -> None:
    answer = once.oda("cache", "show", "nothing")
    assert answer.status == 2
    assert "0 stored keys begin with 'nothing'" in answer.stderr


# Invalidate.


def test_an_invalidated_step_runs_again_and_says_why_and_others_are_cut_off(once: ProjectFolder) -> None:
    document = cache(once, "invalidate", "pipe.yaml", "big_orders")
    assert [entry["step"] for entry in document["invalidated"]] == ["big_orders"]
    plan = once.plan()
    assert plan["big_orders"]["outcome"] == "miss"
    assert plan["big_orders"]["reason"].startswith("its result was invalidated on 20")
    assert len(once.data("big_orders")) == 3
    assert computed(once.outcomes()) == {"big_orders"}
    assert computed(once.outcomes()) == set()


def test_invalidating_downstream_runs_all_that_take_its_data(once: ProjectFolder) -> None:
    text = once.oda("cache", "invalidate", "shop", "big_orders", "--downstream").stdout
    assert "Invalidated 4 results of big_orders, named_orders, summary, totals." in text
    assert computed(once.outcomes()) == {"big_orders", "named_orders", "totals", "summary"}


def test_one_result_is_invalidated_by_its_key(once: ProjectFolder) -> None:
    key = cache(once, "show", "totals")["key"]
    assert len(cache(once, "invalidate", key[:20])["invalidated"]) == 1
    assert cache(once, "invalidate", key)["invalidated"] == []
    assert cache(once, "show", key)["revoked"].startswith("its result was invalidated")
    assert computed(once.outcomes()) == {"totals"}


def test_a_result_that_another_pipeline_computed_is_invalidated_too(once: ProjectFolder) -> None:
    once.write("twin.yaml", (once.root / "pipe.yaml").read_text().replace("name: shop", "name: twin"))
    assert computed(once.outcomes(pipeline="twin.yaml")) == set()
    cache(once, "invalidate", "twin.yaml", "orders")
    assert computed(once.outcomes(pipeline="twin.yaml")) == {"orders"}


def test_a_step_that_the_pipeline_does_not_have_is_refused(once: ProjectFolder) -> None:
    answer = once.oda("cache", "invalidate", "shop", "big_order")
    assert answer.status == 2
    assert "Did you mean 'big_orders'?" in answer.stderr


# Clear.


def test_clear_asks_and_does_nothing_without_a_yes(once: ProjectFolder) -> None:
    command = [str(ODA), "-C", str(once.root), "cache", "clear"]
    answer = subprocess.run(command, input="n\n", capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "Delete all results of every pipeline, in every environment" in answer.stdout
    assert computed(once.outcomes()) == set()
    assert "add --yes" in once.oda("cache", "clear", "--json").stderr


def test_after_clear_nothing_is_current_and_all_runs_again(once: ProjectFolder) -> None:
    form = (once.root / ".oda/format.json").read_bytes()
    document = cache(once, "clear", "--yes")
    assert document["results"] == len(STEPS)
    assert document["heads"] == ["default/shop"]
    assert document["freed_bytes"] > 0
    assert blobs(once.root / ".oda") == set()
    answer = once.oda("show", "pipe.yaml", "totals")
    assert answer.status == 2
    assert "has no current result" in answer.stderr
    assert (once.root / ".oda/format.json").read_bytes() == form
    assert cache(once, "verify")["damage"] == []
    assert len(once.oda("history", "shop", "--json").json["runs"]) == 1
    assert computed(once.outcomes()) == set(STEPS)


def test_clearing_one_pipeline_leaves_what_another_has_current(twice: ProjectFolder) -> None:
    twice.write("twin.yaml", (twice.root / "pipe.yaml").read_text().replace("name: shop", "name: twin"))
    assert computed(twice.outcomes(pipeline="twin.yaml")) == set()
    cache(twice, "clear", "shop", "--yes")
    assert computed(twice.outcomes(pipeline="twin.yaml")) == set()
    assert len(twice.data("totals", pipeline="twin.yaml")) == 2
    assert twice.oda("show", "shop", "totals").status == 2
    (twice.root / "twin.yaml").unlink()
    assert cache(twice, "clear", "twin", "--yes")["heads"] == ["default/twin"]
    assert twice.oda("cache", "clear", "twim", "--yes").status == 2


def test_a_pipeline_that_runs_is_not_cleared_and_what_its_run_has_is_not_collected(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "name: shop", f"name: shop\n{KEEP_LITTLE}")
    project.edit("transforms.py", "import rules", "import time\n\nimport rules")
    project.edit(
        "transforms.py",
        "    return orders[rules",
        "    while not pathlib.Path('awake').exists():\n"
        "        pathlib.Path('sleeping').write_text('')\n"
        "        time.sleep(0.05)\n"
        "    return orders[rules",
    )
    env = {**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")}
    command = [str(ODA), "-C", str(project.root), "run", "pipe.yaml"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (project.root / "sleeping").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = project.oda("cache", "clear", "--yes")
        assert answer.status == 2
        assert "is in progress" in answer.stderr
        assert cache(project, "gc")["deleted"]["results"] == 0
        project.write("awake", "")
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    assert len(project.data("totals")) == 2


# Collect.


def test_gc_keeps_what_is_current_and_frees_the_rest(twice: ProjectFolder) -> None:
    twice.edit("pipe.yaml", "name: shop", f"name: shop\n{KEEP_LITTLE}")
    would = cache(twice, "gc", "--dry-run")
    assert would["deleted"]["results"] == 4
    assert cache(twice, "stats")["collectable"]["bytes"] == would["freed_bytes"] > 0
    before = blobs(twice.root / ".oda")
    assert {**cache(twice, "gc"), "dry_run": True} == would
    assert blobs(twice.root / ".oda") < before
    assert would["kept"] == {"current": 6}
    assert cache(twice, "verify")["damage"] == []
    assert computed(twice.outcomes("--set", "minimum=3")) == set()
    assert computed(twice.outcomes()) == {"big_orders", "named_orders", "totals", "summary"}
    assert "Deleted 4 results" in twice.oda("cache", "gc").stdout


def test_gc_keeps_as_much_as_the_pipeline_declares_and_by_default_a_week(twice: ProjectFolder) -> None:
    assert cache(twice, "gc")["deleted"]["results"] == 0
    twice.edit("pipe.yaml", "name: shop", "name: shop\nretention: {results: 2, snapshots: 1, grace_days: 0}")
    assert cache(twice, "gc")["kept"] == {"current": 6, "recent": 4}
    twice.edit("pipe.yaml", "results: 2", "results: 1")
    assert cache(twice, "gc")["kept"] == {"current": 6}


def test_retention_is_in_no_key_and_known_where_the_pipeline_is_not(twice: ProjectFolder, tmp_path: Path) -> None:
    twice.edit("pipe.yaml", "name: shop", f"name: shop\n{KEEP_LITTLE}")
    assert computed(twice.outcomes("--set", "minimum=3", "--force=summary")) == {"summary"}
    elsewhere = ProjectFolder(tmp_path / "elsewhere", twice.zygote)
    elsewhere.root.mkdir()
    assert cache(elsewhere, "gc", "--store", str(twice.root / ".oda"))["deleted"]["results"] == 4


def test_gc_refuses_to_guess_what_a_broken_pipeline_keeps(once: ProjectFolder) -> None:
    once.edit("pipe.yaml", "name: shop", "name: shop\nretention: {result: 1}")
    answer = once.oda("cache", "gc")
    assert answer.status == 2
    assert "did you mean 'results'" in answer.stderr


# Stats.


def test_stats_count_what_is_stored_once_though_several_results_have_it(once: ProjectFolder) -> None:
    document = cache(once, "stats")
    assert document["results"] == len(STEPS)
    assert document["blobs"] == len(STEPS) - 1  # ``summary`` adds nothing to ``totals``
    assert document["logical_bytes"] > document["stored_bytes"]
    saved = 1 - document["stored_bytes"] / document["logical_bytes"]
    assert abs(document["deduplicated"] - saved) < 0.001
    assert {(row["pipeline"], row["step"]) for row in document["steps"]} == {("shop", step) for step in STEPS}
    assert "sharing spares" in once.oda("cache", "stats").stdout


# Push and pull.


def copied_project(once: ProjectFolder, folder: Path) -> ProjectFolder:
    """The same pipeline in another folder, with a store and Dagster home of its own."""
    folder.mkdir()
    return make_shop(ProjectFolder(folder, once.zygote))


def test_what_one_machine_pushed_another_pulls_and_reuses(once: ProjectFolder, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    document = cache(once, "push", shared)
    assert (document["copied"], document["present"]) == (len(STEPS), 0)
    assert document["lines"] == [{"environment": "default", "pipeline": "shop", "moved": "created"}]
    other = copied_project(once, tmp_path / "other")
    pulled = cache(other, "pull", shared)
    assert pulled["copied"] == len(STEPS)
    assert other.data("totals") == once.data("totals")
    assert computed(other.outcomes()) == set()
    assert cache(once, "push", shared)["copied"] == 0
    assert "0 results" in once.oda("cache", "push", shared).stdout


def test_a_step_that_rests_on_a_variable_is_reused_where_the_salt_came_along_and_left_out_elsewhere(
    once: ProjectFolder, tmp_path: Path
) -> None:
    once.edit("pipe.yaml", "python: transforms:summary", "python: transforms:summary\n    env: [REGION]")
    once.env["REGION"] = "north"
    assert computed(once.outcomes()) == {"summary"}
    cache(once, "push", "shared")
    once.env["ODA_STORE"] = "shared"
    assert computed(once.outcomes()) == set()
    del once.env["ODA_STORE"]
    other = copied_project(once, tmp_path / "other")
    other.run("--select", "orders")
    answer = once.oda("cache", "push", "other/.oda")
    assert answer.status == 2
    assert "another salt" in answer.stderr
    document = cache(once, "push", "other/.oda", "--skip-salted")
    assert [sentence.split()[0] for sentence in document["left_out"]] == ["summary"]
    assert len(other.data("totals")) == 2


def test_pulling_from_nothing_is_a_mistake_and_makes_nothing(project: ProjectFolder, tmp_path: Path) -> None:
    make_shop(project)
    answer = project.oda("cache", "pull", str(tmp_path / "typo"))
    assert answer.status == 2
    assert "There is no store at" in answer.stderr
    assert not (tmp_path / "typo").exists()


def test_a_bucket_is_pushed_to_pulled_from_and_collected_an_hour_later(
    twice: ProjectFolder, tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'cache-{uuid.uuid4().hex[:8]}')}/shop"
    twice.env.update(seaweedfs.env)
    twice.edit("pipe.yaml", "name: shop", f"name: shop\n{KEEP_LITTLE}")
    assert cache(twice, "push", url)["copied"] == len(STEPS) + 4
    other = copied_project(twice, tmp_path / "other")
    other.env.update(seaweedfs.env)
    assert cache(other, "pull", url)["copied"] == len(STEPS) + 4
    assert other.data("totals") == twice.data("totals")
    twice.env["ODA_STORE"] = url
    collected = cache(twice, "gc")
    assert collected["deleted"]["results"] == 0
    assert collected["noted"] >= 4
    assert computed(twice.outcomes("--set", "minimum=3")) == set()
    assert twice.plan()["big_orders"]["outcome"] == "miss"
    assert cache(twice, "verify")["damage"] == []
    assert cache(twice, "clear", "--yes")["results"] == len(STEPS) + 4
    assert cache(twice, "stats")["blobs"] == 0


# Which store.


def test_the_store_that_the_pipeline_names_is_the_one_that_is_kept(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "name: shop", "name: shop\nstore: results")
    project.run()
    assert cache(project, "stats")["results"] == len(STEPS)
    project.write("twin.yaml", (project.root / "pipe.yaml").read_text().replace("store: results", "store: others"))
    answer = project.oda("cache", "stats")
    assert answer.status == 2
    assert "name one with --store" in answer.stderr
    project.env["ODA_STORE"] = "elsewhere"
    assert cache(project, "stats", "--store", "results")["results"] == len(STEPS)
    assert cache(project, "stats")["results"] == 0
