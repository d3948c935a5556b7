"""Dagster's own command lines, on the checkout and on a project of a user's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PIPELINE = CHECKOUT / "odibi_assets" / "defs" / "flights"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run a command of the environment; Dagster's home and the store are temporary."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "DG_"))}
    env = {
        **kept,
        "DAGSTER_HOME": str(home),
        "ODA_STORE": str(tmp_path / "store"),
        "VIRTUAL_ENV": sys.prefix,
        "COLUMNS": "300",
        "NO_COLOR": "1",
    }

    def run(name: str, *arguments: str, folder: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name(name))
        return subprocess.run([program, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=180)

    return run


@pytest.fixture
def user_project(tmp_path: Path) -> Path:
    """Another project, with a copy of the pipeline that ships."""
    root = tmp_path / "project"
    shutil.copytree(PIPELINE, root / "mine" / "defs" / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "mine" / "__init__.py").touch()
    (root / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "mine"\n'
        'code_location_target_module = "odibi_assets.definitions"\n'
    )
    return root


def text(answer: subprocess.CompletedProcess[str]) -> str:
    return answer.stdout + answer.stderr


def test_dg_check_takes_the_key_on_of_alerts_and_retries_unquoted(command: Command, user_project: Path) -> None:
    path = user_project / "mine" / "defs" / "flights" / "defs.yaml"
    alerts = "  name: flights\n  alerts: [{url: 'json://localhost', on: [step_failed]}]\n"
    declared = path.read_text().replace("  name: flights\n", alerts, 1)
    path.write_text(declared.replace("retry: {", "retry: {on: [urllib.error.URLError], ", 1))
    for kind in ("yaml", "defs"):
        answer = command("dg", "check", kind, folder=user_project)
        assert answer.returncode == 0, text(answer)
    path.write_text(path.read_text().replace("on: [step_failed]", "onn: [step_failed]"))
    assert "onn" in text(command("dg", "check", "defs", folder=user_project))


def test_dg_check_yaml_finds_nothing_wrong_in_the_checkout(command: Command) -> None:
    answer = command("dg", "check", "yaml")
    assert answer.returncode == 0, text(answer)
    assert "All component YAML validated successfully" in text(answer)


def test_dg_check_defs_loads_the_checkout(command: Command) -> None:
    answer = command("dg", "check", "defs")
    assert answer.returncode == 0, text(answer)
    assert "All definitions loaded successfully" in text(answer)


def test_dagster_definitions_validate_takes_the_workspace(command: Command) -> None:
    answer = command("dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert answer.returncode == 0, text(answer)
    assert "Validation successful for code location odibi-assets" in text(answer)


def test_dg_list_defs_shows_the_steps_with_the_file_that_declares_them(command: Command) -> None:
    answer = command("dg", "list", "defs", "--json")
    assert answer.returncode == 0, text(answer)
    document = json.loads(answer.stdout)
    assets = {asset["asset_key"]: asset for asset in document["assets"]}
    assert assets["flights/report"]["dependency_keys"] == [
        "flights/carrier_delay",
        "flights/fleet",
        "flights/route_punctuality",
        "flights/weather_impact",
    ]
    assert assets["flights/report"]["group_name"] == "flights"
    assert assets["flights/fleet"]["kinds"] == ["duckdb", "gold"]
    assert {asset["source"] for asset in assets.values()} == {"odibi_assets/defs/flights/defs.yaml:1"}
    assert [job["name"] for job in document["jobs"]] == ["flights"]


def test_dg_list_components_shows_ours(command: Command) -> None:
    answer = command("dg", "list", "components")
    assert answer.returncode == 0, text(answer)
    assert "odibi_assets.components.MedallionPipeline" in answer.stdout
    assert "A pipeline of steps in layers, declared in YAML." in answer.stdout


def test_the_component_works_in_a_project_of_a_user(command: Command, user_project: Path) -> None:
    assert command("dg", "check", "yaml", folder=user_project).returncode == 0
    answer = command("dg", "check", "defs", folder=user_project)
    assert answer.returncode == 0, text(answer)


MISTAKES = {
    "a wrong field of a step": (
        "      layer: silver\n",
        "      layr: silver\n",
        "layr: silver",
        "attributes.steps.5.layr",
    ),
    "a wrong field of a policy": ("{mode: layer}", "{mod: layer}", "checkpoint:", "attributes.checkpoint.mod"),
    "a wrong field of the pipeline": ("on_error: continue", "on_eror: continue", "on_eror:", "attributes.on_eror"),
    "a wrong value": ("on_error: continue", "on_error: proceed", "on_error:", "attributes.on_error"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_dg_check_yaml_names_the_file_the_line_and_the_key_of_a_mistake(
    command: Command, user_project: Path, name: str
) -> None:
    old, new, marker, key = MISTAKES[name]
    path = user_project / "mine" / "defs" / "flights" / "defs.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    line = 1 + next(i for i, found in enumerate(path.read_text().splitlines()) if marker in found)
    answer = command("dg", "check", "yaml", folder=user_project)
    assert answer.returncode == 1
    assert f"defs.yaml:{line} - odibi_assets.MedallionPipeline {key} " in text(answer)


def test_dg_check_defs_reports_what_the_schema_does_not_show(command: Command, user_project: Path) -> None:
    path = user_project / "mine" / "defs" / "flights" / "defs.yaml"
    path.write_text(path.read_text().replace("transforms:report", "transforms:reprot"))
    line = 1 + next(i for i, found in enumerate(path.read_text().splitlines()) if "reprot" in found)
    assert command("dg", "check", "yaml", folder=user_project).returncode == 0
    answer = command("dg", "check", "defs", folder=user_project)
    assert answer.returncode == 1
    assert f"mine/defs/flights/defs.yaml:{line}" in text(answer)
    assert "transforms:report" in text(answer)


def test_a_location_without_pipelines_says_where_it_looked(command: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    answer = command("dagster", "definitions", "validate", "-m", "odibi_assets.definitions", folder=empty)
    assert f"No pipeline was found in the project at {empty}" in text(answer)
    assert "ODA_PROJECT" in text(answer)
