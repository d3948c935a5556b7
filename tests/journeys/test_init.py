"""`oda init`: a project that runs at once, whose tests pass, in a folder of which nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from project_folder import ProjectFolder


def test_a_new_project_runs_its_tests_pass_and_a_second_run_reuses_everything(project: ProjectFolder) -> None:
    answer = project.oda("init", "new", "--json")
    assert answer.status == 0, answer.text
    root = project.root / "new"
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert set(answer.json["files"]) == found
    assert {"Makefile", "README.md", "shop.yaml", "transforms.py", "tests/test_shop.py", ".gitignore"} <= found
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "PYTEST_"))}
    made = subprocess.run(
        ["make", "run", "test", f"PYTHON={sys.executable}"], cwd=root, env=kept, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "4 computed" in made.stdout
    assert "2 passed" in made.stdout
    assert (root / "out/revenue_by_country.csv").read_text() == "country,orders,revenue\nAT,2,32.2\nDE,1,5.0\n"
    new = ProjectFolder(root, project.zygote)
    assert set(new.outcomes(pipeline="shop.yaml").values()) == {"cached"}


def test_nothing_is_overwritten(project: ProjectFolder) -> None:
    project.write("new/transforms.py", "mine")
    answer = project.oda("init", "new")
    assert answer.status == 2
    assert "has transforms.py already" in answer.stderr
    assert {path.name for path in (project.root / "new").iterdir()} == {"transforms.py"}


def test_the_folder_itself_will_do(project: ProjectFolder) -> None:
    assert project.oda("init", ".").status == 0
    assert set(project.outcomes(pipeline="shop").values()) == {"computed"}
    assert Path(project.root / "README.md").exists()
