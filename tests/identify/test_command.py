"""Which program a command runs, and which files of the project count with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from odibi_assets.identify.command import Command, resolve_command


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").touch()
    (tmp_path / "pkg/main.py").write_text("from pkg import deep\n")
    (tmp_path / "pkg/deep.py").touch()
    (tmp_path / "helper.py").touch()
    (tmp_path / "stage.py").write_text("import helper\n")
    return tmp_path


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def resolved(root: Path, *arguments: str, made: tuple[str, ...] = ()) -> Command:
    found = resolve_command(arguments, root, made)
    assert found is not None
    return found


def sources(root: Path, *arguments: str, made: tuple[str, ...] = ()) -> set[str]:
    return {str(path.relative_to(root)) for path in resolved(root, *arguments, made=made).sources}


def test_a_program_with_a_slash_starts_at_the_root_not_at_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(root / "tool.sh", "#!/bin/sh\n")
    executable(root / "elsewhere/tool.sh", "#!/bin/sh\n")
    monkeypatch.chdir(root / "elsewhere")
    assert resolved(root, "./tool.sh").program == root / "tool.sh"
    assert sources(root, "./tool.sh") == {"tool.sh"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["python", "stage.py"], {"stage.py", "helper.py"}),
        ([sys.executable, "stage.py"], {"stage.py", "helper.py"}),
        (["python", "-u", "-m", "pkg.main"], {"pkg/main.py", "pkg/__init__.py", "pkg/deep.py"}),
        (["python", "-c", "import helper"], {"helper.py"}),
        (["./tool"], {"tool", "helper.py"}),
    ],
    ids=["script", "interpreter by its path", "module after an option", "code", "a script that names Python first"],
)
def test_what_python_imports_below_the_root_counts(root: Path, arguments: list[str], expected: set[str]) -> None:
    executable(root / "tool", "#!/usr/bin/env python3\nimport helper\n")
    assert sources(root, *arguments) == expected
    assert resolved(root, *arguments).runs_python


def test_a_file_counts_where_an_argument_names_it_by_its_whole_path(root: Path) -> None:
    assert sources(root, "cat", str(root / "helper.py"), "/etc/passwd") == {"helper.py"}


def test_a_file_counts_where_an_option_names_it(root: Path) -> None:
    assert sources(root, "cat", "--from=helper.py") == {"helper.py"}


def test_a_text_that_no_file_can_be_named_is_none(root: Path) -> None:
    assert sources(root, "sh", "-c", "x" * 5000) == set()


def test_an_argument_that_names_an_output_is_no_input(root: Path) -> None:
    (root / "out.txt").touch()
    assert sources(root, "cp", "helper.py", "./out.txt", made=("out.txt",)) == {"helper.py"}


def test_the_bytes_of_a_script_outside_the_root_count_with_what_is_installed(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "bin/report"
    executable(script, f"#!{sys.executable}\n")
    before = resolved(root, str(script)).items()
    executable(script, f"#!{sys.executable}\nprint(1)\n")
    after = resolved(root, str(script)).items()
    assert {name for name in after if after[name] != before[name]} == {"script"}
    assert "packages" in str(after["program"].shown)
