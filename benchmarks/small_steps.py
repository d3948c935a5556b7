"""Many small steps: the same functions as a pipeline of ours, and as plain Dagster assets with its file IO manager."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

from flights import import_dagster
from measure import Cost, Row, alternated, least, process, put_aside, ratio

CHECKOUT = Path(__file__).resolve().parents[1]
WORK = CHECKOUT / "benchmarks" / ".work"
ODA = str(Path(sys.executable).with_name("oda"))

LAYERS = 20
MODULES = 200
DATA = "key,value\n" + "".join(f"{i},{i % 7}\n" for i in range(100))


def write_project(root: Path, count: int) -> None:
    """A pipeline in ``small.yaml``, its functions in modules of a few each, and the same as Dagster assets."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.csv").write_text(DATA)
    width = count // LAYERS
    modules: dict[str, list[str]] = {}
    steps, assets = [], []
    for i in range(count):
        layer, above = i // width, i - width
        if layer == 0:
            steps.append(f"  - {{name: s{i}, layer: l0, read: {{format: csv, path: rows.csv}}}}")
            assets.append(f"@dg.asset\ndef s{i}():\n    return pd.read_csv('rows.csv')\n")
            continue
        module = f"part{above * MODULES // (count - width)}"
        modules.setdefault(module, ["from steps.work import work\n"]).append(
            f"def s{i}(s{above}):\n    return work(s{above}, {i})\n"
        )
        steps.append(f"  - {{name: s{i}, layer: l{layer}, inputs: [s{above}], python: 'steps.{module}:s{i}'}}")
        assets.append(f"@dg.asset\ndef s{i}(s{above}):\n    return work(s{above}, {i})\n")
    layers = ", ".join(f"l{i}" for i in range(LAYERS))
    package = root / "steps"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "work.py").write_text(
        "def work(frame, amount):\n    return frame.assign(value=frame['value'] + amount)\n"
    )
    for module, functions in modules.items():
        (package / f"{module}.py").write_text("\n\n".join(functions))
    (root / "small.yaml").write_text(f"name: small\nlayers: [{layers}]\nsteps:\n" + "\n".join(steps) + "\n")
    (root / "plain_assets.py").write_text(
        "import sys\n\nimport dagster as dg\nimport pandas as pd\n\nfrom steps.work import work\n\n\n"
        + "\n\n".join(assets)
        + textwrap.dedent(
            """

            if __name__ == "__main__":
                found = [value for value in list(globals().values()) if isinstance(value, dg.AssetsDefinition)]
                with dg.DagsterInstance.get() as instance:
                    io_manager = dg.FilesystemIOManager(base_dir=sys.argv[1])
                    result = dg.materialize(found, instance=instance, resources={"io_manager": io_manager})
                assert result.success
            """
        )
    )


def oda(root: Path, command: str = "run") -> Cost:
    return process([ODA, "-C", str(root), command, "small.yaml"], root)


def cold(root: Path) -> Cost:
    put_aside(root / ".oda", root / "dagster_home")
    return oda(root)


def plain(root: Path) -> Cost:
    home = root / "plain_home"
    put_aside(home, root / "plain")
    home.mkdir()
    shutil.copy(CHECKOUT / "dagster_home" / "dagster.yaml", home)
    command = [sys.executable, "plain_assets.py", str(root / "plain")]
    return process(command, root, {"DAGSTER_HOME": str(home)})


def rows(runs: int) -> Iterator[Row]:
    """200 steps cold against plain Dagster assets; planning and reusing 1,000."""
    few, many = WORK / "small200", WORK / "small1000"
    for root, count in ((few, 200), (many, 1000)):
        write_project(root, count)
    ours, theirs = alternated(min(runs, 3), lambda: cold(few), lambda: plain(few))
    yield ratio("200 small steps, cold, against plain Dagster assets in process", ours, theirs, "1.15")
    cold(many)
    time.sleep(3)  # the cache of file digests trusts files that have rested for two seconds
    oda(many)
    for command, what in (("plan", "planning"), ("run", "reusing")):
        ours, theirs = alternated(
            runs, lambda command=command: oda(many, command), lambda: import_dagster(many), take=least
        )
        what = f"{what} 1,000 small steps in {MODULES} modules"
        yield Row(what, f"{ours.seconds:.2f} s", "–", ours.seconds, "0.5 s")
        yield ratio(f"{what}, against import dagster", ours, theirs, "0.8")
    for root in (few, many):
        shutil.rmtree(root)
