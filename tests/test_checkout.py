"""The checkout as a whole: what stands where, and what must stand nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import odibi_assets

CHECKOUT = Path(__file__).parents[1]


def test_both_packages_come_from_one_parent() -> None:
    import resources

    assert Path(str(resources.__file__)).resolve().parents[1] == Path(str(odibi_assets.__file__)).resolve().parents[1]


def test_another_package_named_resources_in_the_working_directory_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "__init__.py").write_text("raise RuntimeError('not ours')")
    code = (
        "from odibi_assets.orchestrate.deployment import deployment_bindings;"
        "from odibi_assets.declare.project import Project;"
        "print(deployment_bindings(Project.at('.')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert answer.stdout.strip() == "{}", answer.stderr


def test_importing_the_package_loads_neither_dagster_nor_pandas() -> None:
    code = (
        "import sys, odibi_assets; print([m for m in ('dagster', 'pandas', 'pydantic', 'duckdb') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_public_name_can_be_imported() -> None:
    for name in odibi_assets.__all__:
        assert getattr(odibi_assets, name) is not None


def test_pins_have_hashes_and_no_addresses() -> None:
    for name in ("constraints.txt", "constraints-extras.txt"):
        text = (CHECKOUT / name).read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE)
        assert len(pinned) > 50
        assert text.count("--hash=sha256:") >= len(pinned)


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    text = (CHECKOUT / "docs" / "decisions" / "0004-dependencies.md").read_text()
    for requirement in [*project["dependencies"], *extras]:
        name = re.split(r"[<>=\[ ]", requirement)[0]
        assert name.lower() in text.lower(), name


def test_no_file_names_a_path_of_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = CHECKOUT / name
        if (
            name
            and path.is_file()
            and path.suffix in (".py", ".md", ".yaml", ".toml", ".txt", "")
            and path != Path(__file__)
        ):
            for place in (Path.home(), CHECKOUT):
                assert f"{place}/" not in path.read_text(errors="ignore"), name
