"""The documentation builds as a site, without a broken link or anchor; its pages have what is made from the code."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import generate.commands
import generate.fields
import generate.python_api
import hook
import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    mkdocs = Path(sys.executable).with_name("mkdocs")
    built = subprocess.run(
        [str(mkdocs), "build", "--strict", "--site-dir", str(folder)], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder


def text_of(site: Path, page: str) -> str:
    return (site / page / "index.html").read_text()


def test_the_reference_holds_fields_commands_names_and_errors(site: Path) -> None:
    assert 'id="step"' in text_of(site, "reference/yaml")
    assert "Tries after the first" in text_of(site, "reference/yaml")
    assert 'id="oda-cache-gc"' in text_of(site, "reference/command-line")
    assert 'id="pipelineresume"' in text_of(site, "reference/python")
    assert "DamagedObject" in text_of(site, "reference/errors")


def test_the_tutorial_is_that_of_the_readme(site: Path) -> None:
    assert "An edit" in text_of(site, "tutorial")
    assert "RATES" in text_of(site, "tutorial")


def test_no_mark_is_left(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"<!-- (fields|refused|commands|python|errors|include)", page.read_text()), page


def test_a_page_asks_no_other_server_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?://[^\">\s]+)", page.read_text())
        assert loaded == [], page


def test_a_section_that_is_not_there_is_told() -> None:
    with pytest.raises(KeyError, match="no such heading"):
        hook.filled("<!-- include README.md: no such heading -->", "tutorial.md")


def test_a_section_begins_at_the_second_level_and_its_links_start_at_the_page() -> None:
    text = "# A\n\n## B\n\nsee [c](docs/how-to/c.md)\n\n### D\n\n```console\n# a comment\n```\n\n## E\n"
    assert hook.section(text, "B", "how-to/x.md") == ("see [c](../how-to/c.md)\n\n## D\n\n```console\n# a comment\n```")


@pytest.mark.parametrize("module", [hook, generate.fields, generate.python_api, generate.commands])
def test_the_examples_of_the_generator_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
