"""The documentation is true: examples load, links lead somewhere, commands are ones that `oda` takes."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from generate.commands import every
from page import Command, steps

import odibi_assets
from odibi_assets.cli.app import app, with_default_force
from odibi_assets.declare.pipeline import Pipeline
from odibi_assets.declare.reading import define
from odibi_assets.declare.yaml_source import parse_yaml

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("odibi_assets/**/*.md")])
TEXT = "\n".join(page.read_text() for page in PAGES)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.stem} {number}", text)
        for page in PAGES
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL))
    ]


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


def test_every_picture_is_shown_somewhere_and_small() -> None:
    for picture in (CHECKOUT / "docs" / "pictures").iterdir():
        assert f"pictures/{picture.name})" in TEXT, picture.name
        assert picture.stat().st_size < 200_000, picture.name


def test_the_house_on_one_page_names_every_room_and_no_file_that_is_gone() -> None:
    package = CHECKOUT / "odibi_assets"
    rows = re.findall(r"^\| `([\w./]+)` \|(.*)", (CHECKOUT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    rooms = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= {room for room, _ in rows}
    for room, row in rows:
        for file in re.findall(r"`([\w/]+(?:\.\w+|/))`", row):
            assert (package / room / file).exists(), f"{room}{file}"


def typed() -> list[tuple[str, str]]:
    """Every command line of `oda` in a console fence, with its page."""
    found = [(page.stem, step.typed) for page in PAGES for step in steps(page) if isinstance(step, Command)]
    lines = [(page, re.sub(r"^([A-Z_]+=\S+ )+", "", line)) for page, line in found]
    return sorted({(page, line) for page, line in lines if line.startswith("oda ")})


def taken(line: str) -> str:
    """The command that the real parser finds in a line.

    Raises:
        typer's usage errors: It takes no such line.
    """
    words = with_default_force(shlex.split(line, comments=True)[1:])
    command: object = typer.main.get_command(app)
    context = command.make_context("oda", words)  # type: ignore[attr-defined]
    path = []
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, words, parent=context)
        path.append(name)
    return " ".join(path)


@pytest.mark.parametrize(("page", "line"), typed())
def test_every_command_line_is_one_that_oda_takes(page: str, line: str) -> None:
    assert taken(line)


@pytest.mark.parametrize("line", ["oda rnu shop.yaml", "oda run", "oda run shop.yaml --no-such", "oda cache gone"])
def test_a_command_line_that_oda_does_not_take_would_be_found(line: str) -> None:
    with pytest.raises(Exception, match=r"command|option|argument|parameter"):
        taken(line)


def test_every_command_is_named_and_every_named_command_exists() -> None:
    names = {name for name, _ in every()}
    named = set(re.findall(r"`oda ((?:cache )?[a-z]+)\b", TEXT)) | {taken(line) for _, line in typed()}
    assert named - {"cache"} <= names
    assert names - {f"cache {name}" for name in re.findall(r"`([a-z]+)`", TEXT)} <= named


def test_every_field_says_what_it_means() -> None:
    schema = Pipeline.model_json_schema()
    for name, model in [("Pipeline", schema), *schema["$defs"].items()]:
        assert model.get("description"), name
        for field, each in model["properties"].items():
            assert each.get("description"), f"{name}.{field}"


def test_every_public_method_has_a_docstring() -> None:
    for name in odibi_assets.__all__:
        found = getattr(odibi_assets, name)
        assert inspect.getdoc(found), name
        for method, member in vars(found).items():
            if not method.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert member.__doc__ or issubclass(found, odibi_assets.MedallionPipeline), f"{name}.{method}"
