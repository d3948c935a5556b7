"""Make ``docs/pictures``: terminal and UI, from real runs of the pipeline that ships, in a project of its own.

    make pictures

The project is a copy of ``defs/flights`` in a temporary folder, so that its files can be edited, and the pictures hold
no path of this machine. Needs the tables that ``make run`` writes, and Chromium (``ui_pictures.py``).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PICTURES = CHECKOUT / "docs" / "pictures"
sys.path[:0] = [str(CHECKOUT / "docs"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "journeys")]

from dagster_server import DagsterServer  # noqa: E402
from terminal import Terminal  # noqa: E402

from generate import ui_pictures  # noqa: E402
from generate.terminal_picture import draw  # noqa: E402

SIZE = (150, 40)
ODA = Path(sys.executable).with_name("oda")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "flights"
        copy_pipeline(project)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))}
        env = {**kept, "DAGSTER_HOME": str(project / "dagster_home")}

        def picture(name: str, line: str, until: Callable[[str], bool] | None = None) -> None:
            """Type a line; draw the screen at its end, or when it is first as described."""
            terminal = Terminal(line.split()[1:], env, folder=project, size=SIZE)
            if until is not None:
                terminal.wait_for(until)
                draw(terminal.screen, line, PICTURES / f"{name}.svg")
            terminal.wait()
            if until is None:
                draw(terminal.screen, line, PICTURES / f"{name}.svg")

        picture("run-live", "oda run flights.yaml", lambda screen: bool(re.search(r"silver\s+[23]/4", screen)))
        edit(project / "clean.py", "clock // 100", "clock // 100.0")
        picture("plan", "oda plan flights.yaml")
        picture("why", "oda why flights.yaml clean_flights")
        edit(project / "clean.py", "clock // 100.0", "clock // 100 + 0 * clock")
        edit(project / "transforms.py", "WIND_BANDS = [0, 5,", "WIND_BANDS = [0, 4,")
        picture("run", "oda run flights.yaml")
        server = DagsterServer(project, env)
        try:
            listed = subprocess.run(
                [str(ODA), "history", "flights.yaml", "--json"], cwd=project, env=env, capture_output=True, check=True
            )
            run_id = json.loads(listed.stdout)["runs"][0]["run_id"]
            ui_pictures.take(f"http://127.0.0.1:{server.port}", PICTURES, run_id=run_id)
        finally:
            server.stop()


def copy_pipeline(project: Path) -> None:
    """The pipeline that ships, as a bare folder with a YAML file and its modules."""
    shutil.copytree(CHECKOUT / "odibi_assets" / "defs" / "flights", project, ignore=shutil.ignore_patterns("__*"))
    (project / "defs.yaml").rename(project / "flights.yaml")
    for path in [*project.glob("*.py"), project / "flights.yaml"]:
        path.write_text(path.read_text().replace("odibi_assets.defs.flights.", ""))
    shutil.copytree(CHECKOUT / "data" / "nycflights13", project / "data" / "nycflights13")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new))


if __name__ == "__main__":
    main()
