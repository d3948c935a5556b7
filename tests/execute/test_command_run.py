"""Running a program: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from odibi_assets.errors import StepError
from odibi_assets.execute.command_run import command_environment, run_command
from odibi_assets.identify.command import Command


def run(root: Path, script: str) -> list[str]:
    told: list[str] = []
    program = shutil.which("sh")
    assert program is not None
    arguments = ("sh", "-c", script)
    run_command(Command(arguments, Path(program), (), False), arguments, root, {"PATH": "/usr/bin:/bin"}, told.append)
    return told


def is_running(pid: int) -> bool:
    """Not ended; one that nobody has waited for yet is."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("redirected", ["", ">/dev/null 2>&1"], ids=["holding its output open", "apart"])
def test_what_a_program_leaves_running_is_stopped_and_not_waited_for(tmp_path: Path, redirected: str) -> None:
    run(tmp_path, f"sleep 1000 {redirected} & echo $! > pid")
    pid = int((tmp_path / "pid").read_text())
    for _ in range(1000):
        if not is_running(pid):
            break
        time.sleep(0.01)
    assert not is_running(pid)


def test_lines_that_come_at_once_are_told_at_once(tmp_path: Path) -> None:
    told = run(tmp_path, "yes line | head -20000")
    assert "\n".join(told).splitlines() == ["line"] * 20000
    assert len(told) < 2000, "a message for each would take longer than the program"


def test_a_line_without_an_end_is_told_in_parts(tmp_path: Path) -> None:
    told = run(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' x")
    assert sum(map(len, told)) == 1000000
    assert max(map(len, told)) < 200000


def test_what_steers_a_terminal_is_left_out(tmp_path: Path) -> None:
    assert run(tmp_path, r"printf '\033[31mred\033[0m \007bell\n10%%\r100%%\n\377'") == ["red bell\n100%", "�"]


def test_a_program_that_can_not_be_started_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(StepError, match="'./broken' could not be started: .*Exec format error"):
        run_command(Command(("./broken",), broken, (), False), ["./broken"], tmp_path, {}, print)


def test_the_locale_of_the_machine_is_not_seen() -> None:
    assert command_environment({"LANG": "tr_TR", "LC_ALL": "tr_TR"}, [], {})["LANG"] == "C.UTF-8"
    assert command_environment({"LANG": "tr_TR"}, ["LANG"], {})["LANG"] == "tr_TR"
