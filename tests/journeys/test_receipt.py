"""A receipt accounts for a skip, and is checked again: here, after a change, and on another machine."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project_folder import ProjectFolder, Zygote

from .shop import make_shop

SECRET = "s3cret-of-the-shop"
Change = Callable[[ProjectFolder], object]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    """The shop, run once, with an undeclared file and a variable, and the receipt of its last step beside it."""
    made = make_shop(ProjectFolder(tmp_path_factory.mktemp("origin"), zygote))
    made.env["TOKEN"] = SECRET
    made.write("rates.json", "1")
    made.edit("transforms.py", "+ OFFSET", "+ int(open('rates.json').read())")
    made.edit("pipe.yaml", "sql: select name, cast", "sql: select '{{ env.TOKEN }}' = 'x' as known, name, cast")
    made.run()
    made.write("receipt.json", made.oda("why", "shop", "summary", "--receipt", "--json").stdout)
    return made


@pytest.fixture
def shop(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    shutil.copytree(origin.root, project.root, dirs_exist_ok=True)
    project.env.update(origin.env)
    return project


@pytest.fixture
def elsewhere(origin: ProjectFolder, project: ProjectFolder) -> ProjectFolder:
    """The same project on another machine: code, files and receipt, and no store."""
    for name in ("pipe.yaml", "transforms.py", "rules.py", "data", "rates.json", "receipt.json"):
        source = origin.root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project.root / name)
    project.env.update(origin.env)
    return project


def verify(project: ProjectFolder, status: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Step and part → what checking it came to."""
    answer = project.oda("verify", "receipt.json", "--json")
    assert answer.status == status, answer.text
    assert answer.json["holds"] == (status == 0)
    return {(check["step"], check["part"]): check for check in answer.json["checks"]}


def differing(project: ProjectFolder) -> dict[tuple[str, str], tuple[str, str | None]]:
    found = verify(project, 1)
    return {at: (check["text"], check["place"]) for at, check in found.items() if check["outcome"] == "differs"}


def blob_of(project: ProjectFolder, step: str) -> Path:
    outputs = project.oda("cache", "show", step, "--json").json["outputs"]
    digest = outputs["result"]["blobs"][0]["digest"][3:]
    return project.root / ".oda/blobs" / digest[:2] / digest


# What it says.


def test_it_says_all_that_a_skip_relies_on_for_people(shop: ProjectFolder) -> None:
    text = shop.oda("why", "shop", "summary", "--receipt").stdout
    shown = shop.oda("cache", "show", "summary", "--json").json
    store_id = json.loads((shop.root / ".oda/format.json").read_text())["store_id"]
    for part in (
        "summary of shop need not run: nothing changed",
        f"store {store_id}, environment default",
        f"key {shown['key']}",
        f"by run {shown['run_id']} of {getpass.getuser()}@{socket.gethostname()}, because: no result yet",
        "code      transforms.summary",
        "(transforms.py:15)",
        "bindings  totals = totals, 2 rows, version ",
        "engine    pandas = 2.3",
        "read      file rates.json  b3:",
        "output    result: parquet, 2 rows, ",
        f"version {shown['version']}",
        f"blob      {shown['outputs']['result']['blobs'][0]['digest']}  {shown['size_bytes']} bytes",
        "code      rules.is_big",
        "params    minimum = 2",
        "files     000000 = data/orders.csv",
    ):
        assert part in text, part


def test_the_text_that_was_kept_can_be_verified_too(shop: ProjectFolder) -> None:
    shop.write("receipt.txt", shop.oda("why", "shop", "summary", "--receipt").stdout)
    answer = shop.oda("verify", "receipt.txt")
    assert answer.status == 0, answer.text
    assert "the receipt holds" in answer.stdout


def test_it_names_every_step_that_its_data_come_from_and_no_other(shop: ProjectFolder) -> None:
    document = json.loads((shop.root / "receipt.json").read_text())
    names = ["orders", "customers", "big_orders", "named_orders", "totals", "summary"]
    assert [step["step"] for step in document["steps"]] == names
    shorter = shop.oda("why", "shop", "big_orders", "--receipt", "--json").json
    assert [step["step"] for step in shorter["steps"]] == ["orders", "big_orders"]


def test_it_holds_no_secret_and_no_path_of_the_machine(shop: ProjectFolder, origin: ProjectFolder) -> None:
    document = (origin.root / "receipt.json").read_text()
    assert SECRET not in document
    assert str(origin.root) not in document
    assert json.loads((origin.root / ".oda/format.json").read_text())["salt"] not in document
    assert SECRET not in shop.oda("why", "shop", "summary", "--receipt").stdout


def test_a_step_that_would_run_has_no_receipt(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 1")
    for step, why in (
        ("big_orders", "it will run (helper rules.floor changed"),
        ("summary", "it is unknown (waits for"),
    ):
        answer = shop.oda("why", "shop", step, "--receipt", "--json")
        assert answer.status == 2
        assert why in answer.stderr


def test_an_accepted_result_says_so_in_its_receipt(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 0")
    shop.oda("accept", "shop", "big_orders", "--reason", "it adds nothing")
    document = shop.oda("why", "shop", "summary", "--receipt", "--json").json
    accepted = {step["step"]: step["accepted"] for step in document["steps"] if step["accepted"]}
    assert accepted["big_orders"]["reason"] == "it adds nothing"
    assert "accepted by " in shop.oda("why", "shop", "big_orders", "--receipt").stdout


# Checking it.


def test_it_holds_where_it_was_written(shop: ProjectFolder) -> None:
    found = verify(shop, 0)
    assert {check["outcome"] for check in found.values()} == {"holds"}
    assert ("summary", "output result") in found
    assert "the receipt holds (" in shop.oda("verify", "receipt.json").stdout


def test_on_another_machine_without_the_store_all_but_data_and_variables_is_checked(elsewhere: ProjectFolder) -> None:
    found = verify(elsewhere, 0)
    assert {at: check["text"] for at, check in found.items() if check["outcome"] != "holds"} == {
        ("totals", "env TOKEN"): "can't be compared: the store here has another salt",
        ("summary", "output result"): "its data are not in the store here",
    }
    elsewhere.edit("data/orders.csv", "4,2,4", "4,2,5")
    assert differing(elsewhere) == {("orders", "files data/orders.csv"): ("file data/orders.csv changed", None)}


def test_with_a_copy_of_the_store_its_data_and_variables_are_checked_too(
    origin: ProjectFolder, elsewhere: ProjectFolder
) -> None:
    assert origin.oda("cache", "push", str(elsewhere.root / ".oda")).status == 0
    assert {check["outcome"] for check in verify(elsewhere, 0).values()} == {"holds"}
    elsewhere.env["TOKEN"] = "another one"
    assert differing(elsewhere) == {("totals", "env TOKEN"): ("environment variable TOKEN changed", None)}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, tuple[Change, tuple[str, str], str, str | None]] = {
    "a helper": (
        lambda shop: shop.edit("rules.py", "return minimum", "return minimum + 0"),
        ("big_orders", "code rules.floor"),
        "helper rules.floor changed",
        "rules.py:6",
    ),
    "a param": (
        lambda shop: shop.edit("pipe.yaml", "minimum: 2", "minimum: 3"),
        ("big_orders", "params minimum"),
        "param minimum changed 2 → 3",
        None,
    ),
    "a statement": (
        lambda shop: shop.edit("pipe.yaml", "order by name", "order by name desc"),
        ("totals", "code statement"),
        "the SQL statement changed",
        "pipe.yaml:23",
    ),
    "a file that is gone": (
        lambda shop: (shop.root / "data/customers.csv").unlink(),
        ("customers", "files data/customers.csv"),
        "No file matches 'data/customers.csv'",
        None,
    ),
    "an observed file": (
        lambda shop: shop.write("rates.json", "2"),
        ("summary", "read file rates.json"),
        "rates.json, which the step opens, changed",
        None,
    ),
    "a file that was missing": (
        lambda shop: shop.write("broken", ""),
        ("big_orders", "read missing broken"),
        "broken, which the step looks for, exists now",
        None,
    ),
    "a variable": (
        lambda shop: shop.env.update(TOKEN="another one"),
        ("totals", "env TOKEN"),
        "environment variable TOKEN changed",
        None,
    ),
    "another input": (
        lambda shop: shop.edit("pipe.yaml", "inputs: {orders: big_orders", "inputs: {orders: orders"),
        ("named_orders", "bindings orders"),
        "input orders changed: step big_orders → orders",
        None,
    ),
    "a step that always runs": (
        lambda shop: (
            shop.edit("transforms.py", "UNUSED = 1", "import time\n\n\ndef now():\n    return time.time()")
            or shop.edit("transforms.py", "    return totals.assign(", "    now()\n    return totals.assign(")
        ),
        ("summary", "reuse"),
        "always runs: it reads the clock with time.time",
        "transforms.py:10",
    ),
    "damaged data": (
        lambda shop: flip(blob_of(shop, "summary")),
        ("summary", "output result"),
        "the object is damaged",
        None,
    ),
    "data that are gone": (
        lambda shop: blob_of(shop, "summary").unlink(),
        ("summary", "output result"),
        "its data are missing in the store",
        None,
    ),
    "an invalidated result": (
        lambda shop: shop.oda("cache", "invalidate", "shop", "summary"),
        ("summary", "result"),
        "its result was invalidated on ",
        None,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_with_step_part_and_place(shop: ProjectFolder, name: str) -> None:
    change, at, text, place = CHANGES[name]
    change(shop)
    found = differing(shop)
    assert text in found[at][0]
    assert found[at][1] == place


def test_what_differs_is_told_for_people(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "return minimum", "return minimum + 0")
    told = shop.oda("verify", "receipt.json")
    assert told.status == 1
    assert "helper rules.floor changed (rules.py:6)" in told.stdout
    assert "the receipt does not hold here (" in told.stdout


def test_a_step_that_is_gone_is_named(shop: ProjectFolder) -> None:
    text = (shop.root / "pipe.yaml").read_text().replace("named_orders", "joined")
    (shop.root / "pipe.yaml").write_text(text)
    assert differing(shop)[("named_orders", "step")] == ("pipeline shop has no such step here", None)


def test_what_does_not_count_does_not_differ(shop: ProjectFolder) -> None:
    shop.edit("rules.py", "def floor", "# the lowest\ndef floor")
    os.utime(shop.root / "data/orders.csv", (1, 1))
    shop.edit("pipe.yaml", "name: shop", "name: shop\ndescription: new")
    verify(shop, 0)


# What is no receipt.


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda document: "no json", "is no receipt"),
        (lambda document: [], "is no receipt"),
        (lambda document: {"receit": 1}, "is no receipt"),
        (lambda document: {**document, "receipt": 2}, "has receipt schema 2, expected 1"),
        (lambda document: {**document, "key_schema": 0}, "has key schema 0, expected 1"),
        (lambda document: {**document, "steps": []}, "is no whole receipt"),
        (lambda document: {**document, "source": "../pipe.yaml"}, "expected one below"),
        (lambda document: {**document, "source": "/etc/evil.py:shop"}, "expected one below"),
        (lambda document: {**document, "source": "shop"}, "expected one below"),
        (lambda document: {**document, "source": "gone.yaml"}, "There is no pipeline file 'gone.yaml'"),
    ],
)
def test_what_is_no_receipt_is_refused(elsewhere: ProjectFolder, edit: Callable[[Any], Any], told: str) -> None:
    document = edit(json.loads((elsewhere.root / "receipt.json").read_text()))
    elsewhere.write("receipt.json", document if isinstance(document, str) else json.dumps(document))
    answer = elsewhere.oda("verify", "receipt.json")
    assert answer.status == 2
    assert told in answer.stderr


def test_a_file_that_is_not_there_is_said_so(elsewhere: ProjectFolder) -> None:
    answer = elsewhere.oda("verify", "nothing.json", "--json")
    assert answer.status == 2
    assert "The receipt nothing.json can't be read" in answer.json["error"]


def test_a_pipeline_in_python_is_found_again_by_its_receipt(project: ProjectFolder) -> None:
    project.write("data/orders.csv", "id\n1\n")
    project.write(
        "shop.py",
        """
        import odibi_assets as oda

        shop = oda.Pipeline("shop")
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")
        """,
    )
    project.run(pipeline="shop.py:shop")
    project.write("receipt.json", project.oda("why", "shop.py:shop", "orders", "--receipt", "--json").stdout)
    assert json.loads((project.root / "receipt.json").read_text())["source"] == "shop.py:shop"
    verify(project, 0)
