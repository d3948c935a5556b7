"""Accepting: after an edit that changed nothing, the current result is taken over; the record says whose word it is."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest
from project_folder import Answer, ProjectFolder, Zygote

from .shop import computed, make_shop

REWRITTEN = ("return amount >= floor(minimum)", "return ~(amount < floor(minimum))")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    made = make_shop(ProjectFolder(tmp_path_factory.mktemp("origin"), zygote))
    made.run()
    return made


@pytest.fixture
def shop(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    """The shop, run once."""
    shutil.copytree(origin.root, project.root, dirs_exist_ok=True)
    return project


@pytest.fixture
def edited(shop: ProjectFolder) -> ProjectFolder:
    """A helper of the silver step is written in another way since."""
    shop.edit("rules.py", *REWRITTEN)
    return shop


def accept(project: ProjectFolder, step: str = "big_orders", *arguments: str) -> dict[str, Any]:
    answer = project.oda("accept", "shop", step, *arguments, "--json")
    assert answer.status == 0, answer.text
    document: dict[str, Any] = answer.json
    return document


def refused(project: ProjectFolder, step: str = "big_orders") -> str:
    """Why a step can't be accepted; nothing has changed by it."""
    before = results(project)
    answer: Answer = project.oda("accept", "shop", step)
    assert answer.status == 2, answer.text
    assert results(project) == before
    return answer.stderr


def results(project: ProjectFolder) -> set[str]:
    store = project.root / ".oda"
    return {str(path) for kind in ("results", "accepted", "heads") for path in (store / kind).rglob("*")}


def test_an_accepted_step_and_all_below_it_are_hits_without_a_run(edited: ProjectFolder) -> None:
    assert edited.plan()["big_orders"]["outcome"] == "miss"
    before = edited.data("big_orders")
    document = accept(edited)
    assert document["key"] == edited.plan()["big_orders"]["key"] != document["key_before"]
    assert {step["outcome"] for step in edited.plan().values()} == {"hit"}
    assert computed(edited.outcomes()) == set()
    assert edited.data("big_orders") == before


def test_the_record_says_who_when_from_which_key_and_why(edited: ProjectFolder) -> None:
    document = accept(edited, "big_orders", "--reason", "the same comparison")
    shown = edited.oda("cache", "show", "big_orders", "--json").json
    assert shown["key"] == document["key"]
    assert shown["accepted"]["by"] == f"{getpass.getuser()}@{socket.gethostname()}"
    assert shown["accepted"]["reason"] == "the same comparison"
    assert shown["accepted"]["at"][:4] == shown["produced_at"][:4]
    sentence = f"accepted by {getpass.getuser()}@{socket.gethostname()} on "
    text = edited.oda("cache", "show", "big_orders").stdout
    assert f"{sentence}{shown['accepted']['at'][:10]}" in text
    assert f"from key {document['key_before']}" in text
    why = edited.oda("why", "shop", "big_orders").stdout
    assert f"big_orders need not run: {sentence}" in why
    assert "UTC: the same comparison" in why
    assert edited.plan()["big_orders"]["reason"].startswith(sentence)
    assert "accepted" in edited.oda("cache", "ls", "big_orders").stdout


def test_a_dry_run_says_what_differs_with_its_place_and_accepts_nothing(edited: ProjectFolder) -> None:
    document = accept(edited, "big_orders", "--dry-run")
    assert [(d["text"], d["place"]) for d in document["differences"]] == [("helper rules.is_big changed", "rules.py:2")]
    assert document["accepted"] is None
    assert edited.plan()["big_orders"]["outcome"] == "miss"
    assert "nothing was accepted" in edited.oda("accept", "shop", "big_orders", "--dry-run").stdout


def test_an_observed_file_that_changed_can_be_accepted_and_is_watched_in_its_new_state(shop: ProjectFolder) -> None:
    shop.write("offset.txt", "1")
    shop.edit("transforms.py", "+ OFFSET", '+ int(open("offset.txt").read())')
    shop.run()
    shop.write("offset.txt", "1\n")
    assert accept(shop, "summary")["differences"][0]["text"] == "offset.txt, which the step opens, changed"
    assert shop.plan()["summary"]["outcome"] == "hit"
    shop.write("offset.txt", "2")
    assert shop.plan()["summary"]["outcome"] == "miss"


def test_a_file_that_was_missing_and_is_accepted_counts_by_its_content_from_then_on(shop: ProjectFolder) -> None:
    shop.write("broken", "a")
    accept(shop)
    assert shop.plan()["big_orders"]["outcome"] == "hit"
    shop.write("broken", "b")
    assert shop.plan()["big_orders"]["outcome"] == "miss"


def test_going_back_before_the_edit_reuses_what_was_computed(edited: ProjectFolder) -> None:
    accept(edited)
    edited.edit("rules.py", *reversed(REWRITTEN))
    assert edited.plan()["big_orders"]["reason"] == "nothing changed"


def test_what_is_computed_stands_above_what_was_accepted(edited: ProjectFolder) -> None:
    accept(edited)
    edited.run("--force=big_orders")
    assert edited.plan()["big_orders"]["reason"] == "nothing changed"
    assert edited.oda("cache", "show", "big_orders", "--json").json["accepted"] is None


def test_a_wrong_acceptance_that_is_computed_after_all_is_replaced_and_not_called_nondeterministic(
    shop: ProjectFolder,
) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    accept(shop)
    assert computed(shop.outcomes("--force=big_orders")) == {"big_orders", "named_orders", "totals", "summary"}
    assert len(shop.data("big_orders")) == 2
    shown = shop.oda("cache", "show", "big_orders", "--json").json
    assert (shown["generation"], shown["accepted"], shown["nondeterministic"]) == (2, None, False)


def test_what_was_accepted_can_be_accepted_again_and_names_all_it_comes_from(edited: ProjectFolder) -> None:
    first = accept(edited)
    edited.edit("rules.py", "return minimum", "return minimum + 0")
    second = accept(edited)
    assert second["key_before"] == first["key"]
    assert edited.plan()["big_orders"]["outcome"] == "hit"
    edited.oda("cache", "invalidate", first["key_before"])
    assert edited.plan()["big_orders"]["outcome"] == "miss"
    edited.edit("rules.py", "return minimum + 0", "return minimum")
    assert edited.plan()["big_orders"]["outcome"] == "miss"


def test_invalidating_the_accepted_key_leaves_the_computed_result(edited: ProjectFolder) -> None:
    key = accept(edited)["key"]
    assert len(edited.oda("cache", "invalidate", key, "--json").json["invalidated"]) == 1
    assert edited.plan()["big_orders"]["outcome"] == "miss"
    assert "its result was invalidated" in refused(edited)
    edited.edit("rules.py", *reversed(REWRITTEN))
    assert edited.plan()["big_orders"]["outcome"] == "hit"


def test_invalidating_what_it_was_taken_from_takes_the_accepted_result_out_of_use(edited: ProjectFolder) -> None:
    origin = accept(edited)["key_before"]
    invalidated = edited.oda("cache", "invalidate", origin, "--json").json["invalidated"]
    assert len(invalidated) == 2
    assert computed(edited.outcomes()) == {"big_orders"}


def test_undoing_a_step_takes_what_was_accepted_from_it_out_of_use(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit(
        "pipe.yaml", "python: transforms:big_orders", "python: transforms:big_orders\n    rollback: undo:forget"
    )
    project.write("undo.py", "def forget(context):\n    pass\n")
    project.edit("pipe.yaml", "sql: select name, cast", "sql: select error('no'), name, cast")
    failed = project.run(status=1)["run_id"]
    project.edit("rules.py", *REWRITTEN)
    accept(project)
    assert project.oda("rollback", failed).status == 0
    assert project.plan()["big_orders"]["outcome"] == "miss"


def test_a_pipeline_in_python_accepts_as_the_command_does(project: ProjectFolder) -> None:
    project.write("data/orders.csv", "id,amount\n1,10\n")
    project.write("rules.py", "def doubled(amount):\n    return amount * 2\n")
    project.write(
        "shop.py",
        """
        import rules
        import odibi_assets as oda

        shop = oda.Pipeline("shop")
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")


        @shop.step(layer="silver")
        def doubled(orders):
            return orders.assign(amount=rules.doubled(orders["amount"]))


        if __name__ == "__main__":
            if shop.run().outcomes["doubled"] != "computed":
                raise SystemExit("the edit is not seen")
        """,
    )
    project.write(
        "use.py",
        """
        from shop import shop

        report = shop.accept("doubled", reason="an addition is a doubling")
        print(*report.differences, report.accepted.reason, shop.run().outcomes["doubled"], sep=" | ")
        """,
    )
    assert python(project, "shop.py") == ""
    project.edit("rules.py", "amount * 2", "amount + amount")
    told = "helper rules.doubled changed (rules.py:1) | an addition is a doubling | cached\n"
    assert python(project, "use.py") == told


def python(project: ProjectFolder, script: str) -> str:
    env = {**os.environ, "ODA_PROJECT": str(project.root), "DAGSTER_HOME": str(project.root / "dagster_home")}
    command = [sys.executable, script]
    return subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True, check=True).stdout


# What is refused.


def test_a_hit_is_refused(shop: ProjectFolder) -> None:
    assert "it is a hit already (nothing changed)" in refused(shop)


def test_a_step_that_never_ran_is_refused(project: ProjectFolder) -> None:
    make_shop(project)
    assert "it has no current result; run it once" in refused(project, "orders")


def test_a_revoked_result_is_refused(shop: ProjectFolder) -> None:
    shop.oda("cache", "invalidate", "shop", "big_orders")
    assert "its result was invalidated" in refused(shop)
    shop.edit("rules.py", *REWRITTEN)
    assert "its result was invalidated" in refused(shop)


def test_below_a_miss_the_step_above_is_named(edited: ProjectFolder) -> None:
    edited.edit("transforms.py", "OFFSET = 0", "OFFSET = 0.0")
    told = (
        "above it will run first 'big_orders' (helper rules.is_big changed (rules.py:2)); accept or run what is above"
    )
    assert told in refused(edited, "totals")
    accept(edited)
    accept(edited, "summary")
    assert {step["outcome"] for step in edited.plan().values()} == {"hit"}


def test_a_step_that_always_runs_is_refused_with_the_reason_and_line(shop: ProjectFolder) -> None:
    shop.edit(
        "transforms.py", "    return totals.assign(", "    import time\n    time.time()\n    return totals.assign("
    )
    told = refused(shop, "summary")
    assert "it always runs: " in told
    assert "transforms.py:17" in told


def test_a_step_that_was_seen_to_do_what_is_never_reused_is_refused(shop: ProjectFolder) -> None:
    shop.edit(
        "transforms.py", "    return totals.assign(", "    import os\n    os.system('true')\n    return totals.assign("
    )
    shop.run()
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 0.0")
    assert "it starts another program" in refused(shop, "summary")


def test_a_nondeterministic_result_is_refused(shop: ProjectFolder) -> None:
    shop.edit(
        "transforms.py",
        "    return totals.assign(",
        "    with open('count', 'a') as file:\n"
        "        file.write('x')\n"
        "        count = file.tell()\n"
        "    return totals.assign(count=count, ",
    )
    shop.run()
    shop.run("--force=summary")
    shop.edit("transforms.py", "OFFSET = 0", "OFFSET = 0.0")
    assert "its current result is nondeterministic" in refused(shop, "summary")


def test_a_key_that_is_known_to_come_out_otherwise_is_refused(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    shop.run()
    key = shop.plan()["big_orders"]["key"]
    shop.edit("rules.py", "return minimum + 1", "return minimum")
    shop.run()
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    shop.oda("cache", "invalidate", key)
    assert "under this key it was computed before, in run" in refused(shop)


def test_damaged_data_are_refused(edited: ProjectFolder) -> None:
    digest = edited.oda("cache", "show", "big_orders", "--json").json["outputs"]["result"]["blobs"][0]["digest"][3:]
    (edited.root / ".oda/blobs" / digest[:2] / digest).unlink()
    assert "the stored data of its current result are missing or damaged" in refused(edited)


def test_other_outputs_are_refused(shop: ProjectFolder) -> None:
    shop.edit(
        "pipe.yaml", "python: transforms:summary", "python: transforms:summary\n    outputs: {made: {format: json}}"
    )
    assert "it declares other outputs than its current result has" in refused(shop, "summary")


def test_a_declared_file_that_is_gone_is_refused(shop: ProjectFolder) -> None:
    (shop.root / "data/customers.csv").unlink()
    assert "No file matches 'data/customers.csv'" in refused(shop, "customers")


def test_a_step_that_there_is_not_is_refused(shop: ProjectFolder) -> None:
    assert "Did you mean 'big_orders'?" in refused(shop, "big_order")
