"""The documentation is true: examples load, links lead somewhere, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from odibi_assets.cli.app import app
from odibi_assets.declare.definition import define
from odibi_assets.declare.yaml_source import parse_yaml

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("odibi_assets/defs/*/README.md")]
)


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for i, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)):
            found.append((f"{page.name} {i}", text))
    return found


@pytest.mark.parametrize("text", [text for _, text in blocks("yaml")], ids=[name for name, _ in blocks("yaml")])
def test_every_yaml_example_is_a_pipeline(text: str) -> None:
    definition = define(parse_yaml(text, file="example.yaml"), CHECKOUT)
    assert definition.mistakes == []
    assert definition.pipeline is not None


@pytest.mark.parametrize("text", [text for _, text in blocks("python")], ids=[name for name, _ in blocks("python")])
def test_every_python_example_compiles(text: str) -> None:
    compile(text, "example.py", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_command_that_the_docs_name_exists_and_every_command_is_documented() -> None:
    names = (
        {command.name for command in app.registered_commands}
        | {group.name for group in app.registered_groups}
        | {"cache"}
    )
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"`?\boda ([a-z]+)\b", text))
    assert named <= names, named - names
    assert {name for name in names if name} <= named


def test_every_field_of_the_model_is_documented() -> None:
    from odibi_assets.declare.pipeline import Pipeline
    from odibi_assets.declare.step import Step

    text = (CHECKOUT / "docs" / "yaml.md").read_text()
    for field in {**Pipeline.model_fields, **Step.model_fields}:
        assert re.search(rf"\b{field}\b", text), field
