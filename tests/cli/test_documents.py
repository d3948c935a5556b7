"""Every command's JSON document: its schema is written down, up to date, and what the command really prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from generate.commands import every
from project_folder import ProjectFolder

from odibi_assets.cli.documents import DOCUMENTS, schemas

from ..journeys.shop import make_shop

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


PAIR = """

@pair.step(layer="bronze", outputs={"made": {"format": "json"}})
def made():
    return {"a": 1}
"""
EVERY = dict(every())


def test_every_command_with_a_document_has_a_schema() -> None:
    with_json = {name for name, command in EVERY.items() if any("--json" in option.opts for option in command.params)}
    assert with_json == set(DOCUMENTS)


def test_the_schemas_are_up_to_date() -> None:
    """If not: make schemas."""
    assert {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")} == schemas()


def check(name: str, document: Any) -> None:
    jsonschema.validate(document, json.loads((FOLDER / f"{name}.json").read_text()))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, zygote: Any) -> dict[str, list[Any]]:
    """Schema → the documents that a small story printed."""
    project = make_shop(ProjectFolder(tmp_path_factory.mktemp("shop"), zygote))
    found: dict[str, list[Any]] = {}

    def tell(command: str, *arguments: str, as_schema: str | None = None, full: bool = False) -> Any:
        answer = project.oda(*command.split(), *arguments, "--json", full=full)
        document = json.loads(answer.stdout)
        found.setdefault(as_schema or command.replace(" ", "-"), []).append(document)
        return document

    tell("list")
    tell("graph", "shop")
    tell("validate")
    tell("plan", "shop")
    project.write("broken", "")
    failed = tell("run", "shop", "--skip", "customers")
    assert failed["status"] == "failed"
    tell("logs", failed["run_id"])
    tell("history", "shop")
    (project.root / "broken").unlink()
    assert tell("resume", "shop")["status"] == "success"
    tell("run", "shop")
    assert tell("run", "shop")["run_id"] is None
    tell("run", "shop", full=True)
    tell("plan", "shop", "--skip", "totals")
    tell("graph", "shop")
    tell("why", "shop", "totals")
    project.edit("rules.py", "return minimum", "return minimum + 1")
    tell("why", "shop", "summary")
    tell("accept", "shop", "big_orders", "--dry-run")
    tell("accept", "shop", "big_orders")
    tell("why", "shop", "big_orders")
    receipt = tell("why", "shop", "big_orders", "--receipt")
    project.write("receipt.json", json.dumps(receipt))
    assert tell("verify", "receipt.json")["holds"]
    tell("show", "shop", "totals", "--rows", "1")
    project.write("broken", "")
    project.edit("data/customers.csv", "ann", "eve")
    assert tell("run", "shop", "--force", "--rollback")["rolled_back"]["moved"]
    tell("rollback", tell("run", "shop", "--force")["run_id"], "--dry-run")
    tell("rollback", "shop", "--to", "last-good")
    tell("history", "shop")
    tell("sync")
    tell("init", "new")
    project.write("pair.py", "import odibi_assets as oda\n\npair = oda.Pipeline('pair')\n" + PAIR)
    tell("export", "pair.py:pair")
    assert project.oda("run", "pair.py:pair").status == 0
    tell("show", "pair.py:pair", "made")
    tell("list")
    tell("cache ls")
    tell("cache verify")
    tell("cache show", "totals")
    tell("cache stats")
    tell("cache audit", "shop", "--sample", "100%")
    tell("cache gc", "--dry-run")
    tell("cache push", "shared")
    tell("cache pull", "shared")
    tell("cache invalidate", "shop", "totals")
    tell("cache clear", "shop", "--yes")
    tell("run", "nowhere", as_schema="error")
    project.edit("pipe.yaml", "layer: silver\n    inputs: [orders]", "layer: silvr\n    inputs: [ordrs]")
    tell("list")
    assert len(tell("validate")["mistakes"]) == 2
    tell("plan", "shop", as_schema="error")
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_what_a_command_prints_is_what_its_schema_says(told: dict[str, list[Any]], name: str) -> None:
    assert told.get(name), f"no command printed {name}"
    for document in told[name]:
        check(name, document)


@pytest.mark.parametrize(
    ("name", "spoiled"), [("run", {"steps": [{}]}), ("plan", {"more": 1}), ("error", {"mistakes": None})]
)
def test_a_schema_refuses_another_document(told: dict[str, list[Any]], name: str, spoiled: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(name, {**told[name][0], **spoiled})
